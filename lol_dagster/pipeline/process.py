"""Matches through the stages games, player_stats and messages, and what came of them.

This is where one malformed game is kept from stopping the others: whatever a stage raises puts its
match into quarantine with the stage's name and the traceback, and the caller goes on with the next.
What is not the game's fault (a dead key) is raised. No Dagster here: orchestration reports what is
returned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, not_, or_, select, true
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from lol_dagster.delivery.message_rows import WrittenMessage, write_messages
from lol_dagster.errors import UserError
from lol_dagster.messages.announcements import MESSAGES_CODE_VERSION
from lol_dagster.pipeline.at_once import as_they_come
from lol_dagster.pipeline.failures import full_traceback, is_the_games, summary
from lol_dagster.pipeline.match import (
    IGNORED_MEANWHILE,
    Archived,
    Deferred,
    Failed,
    Missing,
    NotGivenAs,
    Processed,
    Stage,
    Started,
)
from lol_dagster.pipeline.ranks import note_ranked_game
from lol_dagster.pipeline.records import is_ignored, open_quarantine, record
from lol_dagster.pipeline.timelines import want_timeline
from lol_dagster.riot.archive import GAMES_CODE_VERSION, archive_payload, fetch_match, packed
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import BrokenBody, ForbiddenHere, NotFound, RateLimited, ServerError
from lol_dagster.riot.routing import REGIONAL_ROUTES, platform_of, regional_route
from lol_dagster.stats.record import STATS_CODE_VERSION, read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, Match, Payload, RunRequest

log = logging.getLogger(__name__)

STAGES: tuple[Stage, ...] = ("games", "player_stats", "messages")
CODE_VERSIONS: dict[str, str] = {
    "games": GAMES_CODE_VERSION,
    "player_stats": STATS_CODE_VERSION,
    "messages": MESSAGES_CODE_VERSION,
}
"""Stage → version: a new one makes games that were quarantined there be tried again, once."""


@dataclass(frozen=True)
class ProcessedGame:
    """All stages done."""

    match_id: str
    messages: tuple[WrittenMessage, ...]


@dataclass(frozen=True)
class NotGiven:
    """Riot has not given the game: it is `delayed` or `deferred`, and asked for again, or
    `not_found`, and given up.
    """

    match_id: str
    outcome: NotGivenAs
    reason: str
    is_given_up_now: bool = False
    """For the first time; `not_found` is asked for again once a day while Riot lists it."""


@dataclass(frozen=True)
class QuarantinedGame:
    """A stage failed on this game; `Quarantine` has the details."""

    match_id: str
    stage: Stage
    error: BaseException


@dataclass(frozen=True)
class IgnoredGame:
    """The operator has decided to ignore it since the run was asked for; nothing was done."""

    match_id: str
    reason: str = IGNORED_MEANWHILE


Outcome = ProcessedGame | NotGiven | QuarantinedGame | IgnoredGame


class _StageError(Exception):
    """Names the stage that raised its cause."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage: Stage = stage


@contextmanager
def _stage(name: Stage) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_the_games(error):
            raise
        raise _StageError(name) from error


def on_route(route: str | None) -> ColumnElement[bool]:
    """Of a match: whether it was played on one of the route's platforms; None: on none that we know."""
    known = or_(
        *(
            Match.match_id.startswith(f"{platform.upper()}_", autoescape=True)
            for platform, of in REGIONAL_ROUTES.items()
            if route in (of, None)
        )
    )
    return not_(known) if route is None else known


def due_matches(
    session: Session, *, now: datetime, limit: int, played_on: ColumnElement[bool] | None = None
) -> list[str]:
    """Match ids that are due for their next stage, those listed last first: a game that has just
    ended does not wait behind the hundreds of a new account's past.
    """
    return list(
        session.scalars(
            select(Match.match_id)
            .where(Match.next_try_at <= now, true() if played_on is None else played_on)
            .order_by(Match.listed_at.desc(), Match.match_id)
            .limit(limit)
        )
    )


def process_matches(
    database: Database,
    riot: RiotClient,
    match_ids: Sequence[str],
    *,
    stale_after: timedelta,
    clock: Callable[[], datetime],
    run_id: str,
    by_hand: bool = True,
) -> Iterator[Outcome | None]:
    """Take matches through all stages; repeating it changes nothing.

    A payload is fetched only if the archive lacks it, several at once: a call that hangs keeps no other
    game waiting. Stats and messages are one transaction a game: either a game is known and what is to be
    said of it is written down, or neither.

    Args:
        stale_after: LOL_STALE_AFTER, on which it depends how a game is announced.
        run_id: The Dagster run, kept with the rows for the way back from a game to its logs.
        by_hand: Whether a person has started this very run. One that a sensor cut leaves a game
            alone that was ignored meanwhile.

    Yields:
        What came of a match, as soon as it is known; None where Riot takes its time.

    Raises:
        KeyRejected: Riot refuses the key itself; nothing has changed for the matches that are left.
        SQLAlchemyError: the database fails; the matches that are left stay due.
    """
    runs = [
        _Run(database, riot, match_id, stale_after, clock, run_id, by_hand)
        for match_id in match_ids
    ]
    with closing(as_they_come(_Run.fetch, runs, _Run.route)) as fetched:
        for each in fetched:
            yield each and each[0].finish(each[1])


@dataclass(frozen=True)
class _Run:
    database: Database
    riot: RiotClient
    match_id: str
    stale_after: timedelta
    clock: Callable[[], datetime]
    run_id: str
    by_hand: bool

    def route(self) -> str:
        """Riot's, whose limits are its own; empty: none knows such a match."""
        try:
            return regional_route(platform_of(self.match_id))
        except UserError:
            return ""

    def fetch(self) -> NotGiven | IgnoredGame | None:
        """Have the payload in the archive; None: it is there."""
        with self._named():
            if not self._start():
                return IgnoredGame(self.match_id)
            with _stage("games"):
                return archive_match(
                    self.database, self.riot, self.match_id, now=self.clock(), run_id=self.run_id
                )

    def finish(self, fetched: Future[NotGiven | IgnoredGame | None]) -> Outcome:
        """All that comes after it."""
        with self._named():
            try:
                return fetched.result() or self._process_archived()
            except _StageError as failure:
                return self._quarantine(failure)

    def _named(self) -> AbstractContextManager[None]:
        return bound_contextvars(match_id=self.match_id, run_id=self.run_id)

    def _start(self) -> bool:
        """Whether to go on. Nothing is written for a match that nobody has asked for."""
        asked = select(RunRequest.id).where(
            RunRequest.match_id == self.match_id, RunRequest.finished_at.is_(None)
        )
        with self.database.reading() as session:
            match = session.get(Match, self.match_id)
            is_requested = session.scalar(asked.limit(1)) is not None
        if match is not None and match.state != "ignored" and not is_requested:
            return True
        with self.database.writing() as session:
            wanted = self.by_hand or session.scalar(asked.limit(1)) is not None
            started = Started(self.run_id, wanted)
            return record(session, self.match_id, started, self.clock()).counts

    def _process_archived(self) -> ProcessedGame | IgnoredGame:
        match_id, run_id, now = self.match_id, self.run_id, self.clock()
        # Reading it takes a while, in which others may write; what they have changed then is read again.
        with _stage("player_stats"), self.database.reading() as session:
            archived = read_archived(session, match_id)
        with self.database.writing() as session:
            if is_ignored(session, match_id):
                return IgnoredGame(match_id)
            with _stage("player_stats"):
                record_game(
                    session, archived, code_version=STATS_CODE_VERSION, now=now, run_id=run_id
                )
            with _stage("messages"):
                messages = write_messages(session, match_id, stale_after=self.stale_after, now=now)
                of_its_own = {each.channel_id for each in messages if each.kind == "game"}
                want_timeline(session, match_id, of_its_own, now=now)
            was_quarantined = open_quarantine(session, match_id) is not None
            count = len(messages)
            detail = f"{count or 'no'} message{'' if count == 1 else 's'} about it"
            record(session, match_id, Processed(run_id, detail), now)
        note_ranked_game(self.database, match_id, now=now)
        if was_quarantined:
            log.info("%s leaves quarantine", match_id, extra={"match_id": match_id})
        return ProcessedGame(match_id, tuple(messages))

    def _quarantine(self, failure: _StageError) -> QuarantinedGame | IgnoredGame:
        stage, error = failure.stage, failure.__cause__
        assert error is not None
        line = summary(error)
        event = Failed(self.run_id, stage, CODE_VERSIONS[stage], line, full_traceback(error))
        with self.database.writing() as session:
            step = record(session, self.match_id, event, self.clock())
        if not step.counts:
            return IgnoredGame(self.match_id)
        log.warning(
            "Quarantined %s: %s", self.match_id, line,
            extra={"match_id": self.match_id, "stage": stage},
        )  # fmt: skip
        return QuarantinedGame(self.match_id, stage, error)


def archive_match(
    database: Database, riot: RiotClient, match_id: str, *, now: datetime, run_id: str
) -> NotGiven | IgnoredGame | None:
    """The stage games: have the payload in the archive; one that is there is not asked for again.

    Args:
        match_id: Of a row that exists.

    Returns:
        Why it is not there; None: it is.

    Raises:
        KeyRejected: Riot refuses the key itself; nothing has changed.
        RiotError: Riot will never answer this as it is asked (BadRequest).
        UnknownPlatform: no route knows matches with this prefix.
    """
    with database.reading() as session:
        match = session.get_one(Match, match_id)
        is_archived = session.get(Payload, match_id) is not None
        known_account = _known_account(session, match)
    if is_archived and match.state not in ("listed", "not_found"):
        return None
    event, body = (
        (Archived(run_id), None)
        if is_archived
        else _ask_riot(riot, match_id, run_id, known_account)
    )
    payload = None if body is None else packed(match_id, body, now)
    with database.writing() as session:
        if payload is not None:
            archive_payload(session, payload)
        step = record(session, match_id, event, now)
    if body is not None:
        log.info("Archived %s, %d bytes", match_id, len(body), extra={"match_id": match_id})
    if step.life.archived:
        return None
    if not step.counts:
        return IgnoredGame(match_id)
    assert not isinstance(event, Archived)
    if isinstance(event, Deferred):
        return NotGiven(match_id, "deferred", event.reason)
    word: NotGivenAs = "not_found" if step.life.state == "not_found" else "delayed"
    is_given_up_now = word == "not_found" and match.state != "not_found"
    log.log(
        logging.WARNING if is_given_up_now else logging.INFO,
        "%s is %s: %s", match_id, word.replace("_", " "), event.reason,
        extra={"match_id": match_id},
    )  # fmt: skip
    return NotGiven(match_id, word, event.reason, is_given_up_now)


def _ask_riot(
    riot: RiotClient, match_id: str, run_id: str, known_account: Account | None
) -> tuple[Archived | Missing | Deferred, bytes | None]:
    """What Riot's answer means for the match, and its payload."""
    try:
        return Archived(run_id), fetch_match(riot, match_id, known_account=known_account)
    except RateLimited as limited:
        return Deferred(run_id, str(limited), limited.retry_at), None
    except (NotFound, ForbiddenHere, BrokenBody) as missing:
        return Missing(run_id, str(missing)), None
    except ServerError as error:
        return Deferred(run_id, str(error)), None


def _known_account(session: Session, match: Match) -> Account | None:
    """An account that Riot knows: the one that listed the match, or any."""
    return session.scalar(
        select(Account)
        .where(Account.puuid.is_not(None))
        .order_by(Account.id != match.listed_by, Account.id)
        .limit(1)
    )
