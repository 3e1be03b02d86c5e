"""One match through the stages games, player_stats and messages, and what came of it.

This is where one weird game is kept from stopping the others: whatever a stage raises sets its
match aside with the stage's name and the traceback, and the caller goes on with the next. What is
not the game's fault (a dead key) is raised. No Dagster here: orchestration reports what is returned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from lol_dagster.delivery.transports.registry import can_edit
from lol_dagster.messages.record import WrittenMessage, write_messages
from lol_dagster.pipeline.failures import full_traceback, is_the_games, summary
from lol_dagster.pipeline.run_requests import (
    RunOutcome,
    is_asked_for,
    note_completed,
    note_started,
)
from lol_dagster.pipeline.stages import CODE_VERSIONS, Stage
from lol_dagster.riot.archive import FetchResult, fetch_match
from lol_dagster.riot.client import RiotClient
from lol_dagster.stats.record import STATS_CODE_VERSION, RecordedGame, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Quarantine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Processed:
    """All stages done."""

    match_id: str
    fetched: FetchResult
    recorded: RecordedGame
    messages: tuple[WrittenMessage, ...]


@dataclass(frozen=True)
class Waiting:
    """Riot has not given the game: it is `delayed` (asked for again), `deferred` (Riot is in trouble or
    busy, asked for again) or `not_found` (given up).
    """

    match_id: str
    fetched: FetchResult


@dataclass(frozen=True)
class Quarantined:
    """A stage failed on this game; `Quarantine` has the details."""

    match_id: str
    stage: Stage
    error: BaseException


Outcome = Processed | Waiting | Quarantined


class _StageError(Exception):
    """Carries which stage it was that raised its cause."""

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


def process_match(
    database: Database,
    riot: RiotClient,
    match_id: str,
    *,
    stale_after: timedelta,
    clock: Callable[[], datetime],
    run_id: str,
) -> Outcome:
    """Take one match through all stages; repeating it changes nothing.

    The payload is fetched only if the archive lacks it. Stats and messages are one transaction:
    either a game is known and what is to be said of it is written down, or neither.

    Args:
        stale_after: LOL_STALE_AFTER, on which it depends how the game is announced.
        clock: The time, asked again once the match is done.
        run_id: The Dagster run, kept with the rows for the way back from a game to its logs.

    Raises:
        KeyRejected: Riot refuses the key itself; nothing has changed for this match.
        SQLAlchemyError: the database fails; the match stays due.
    """
    now = clock()
    with bound_contextvars(match_id=match_id, run_id=run_id):
        was_asked_for = _take_up(database, match_id, now, run_id)
        outcome = _through_the_stages(database, riot, match_id, now, run_id, stale_after)
        if was_asked_for:
            word, detail = _in_words(outcome)
            with database.writing() as session:
                note_completed(session, match_id, run_id, word, detail, now=clock())
    return outcome


def _take_up(database: Database, match_id: str, now: datetime, run_id: str) -> bool:
    """Let those who have asked for the match see that a run is at it; False if nobody has."""
    with database.reading() as session:
        was_asked_for = is_asked_for(session, match_id)
    if was_asked_for:
        with database.writing() as session:
            note_started(session, match_id, run_id, now=now)
    return was_asked_for


def _in_words(outcome: Outcome) -> tuple[RunOutcome, str]:
    if isinstance(outcome, Processed):
        count = len(outcome.messages)
        return "processed", f"{count or 'no'} message{'' if count == 1 else 's'} about it"
    if isinstance(outcome, Quarantined):
        return "quarantined", f"{outcome.stage}: {summary(outcome.error)}"
    return cast("RunOutcome", outcome.fetched.outcome), outcome.fetched.reason


def _through_the_stages(
    database: Database,
    riot: RiotClient,
    match_id: str,
    now: datetime,
    run_id: str,
    stale_after: timedelta,
) -> Outcome:
    try:
        with _stage("games"):
            _admit_row(database, match_id, now)
            fetched = fetch_match(database, riot, match_id, now=now, run_id=run_id)
        if not fetched.is_archived:
            _note_not_given(database, match_id, fetched, now)
            return Waiting(match_id, fetched)
        return _work_out(database, match_id, fetched, now, run_id, stale_after)
    except _StageError as failure:
        cause = failure.__cause__
        assert cause is not None
        _quarantine(database, match_id, failure.stage, cause, now, run_id)
        return Quarantined(match_id, failure.stage, cause)


def _admit_row(database: Database, match_id: str, now: datetime) -> None:
    """An operator may ask for a match that nobody's list has shown yet."""
    with database.reading() as session:
        known = session.get(Match, match_id) is not None
    if not known:
        with database.writing() as session:
            session.merge(Match(match_id=match_id, state="listed", listed_at=now, next_try_at=now))


def _work_out(
    database: Database,
    match_id: str,
    fetched: FetchResult,
    now: datetime,
    run_id: str,
    stale_after: timedelta,
) -> Processed:
    with database.writing() as session:
        with _stage("player_stats"):
            recorded = record_game(
                session, match_id, code_version=STATS_CODE_VERSION, now=now, run_id=run_id
            )
        with _stage("messages"):
            messages = write_messages(
                session, match_id, stale_after=stale_after, can_edit=can_edit, now=now
            )
        session.execute(
            update(Match)
            .where(Match.match_id == match_id)
            .values(state="processed", next_try_at=None, last_error=None, run_id=run_id)
        )
        was_quarantined = _close_quarantine(session, match_id, "processed", now)
    if was_quarantined:
        log.info("Cured %s: it was quarantined", match_id, extra={"match_id": match_id})
    return Processed(match_id, fetched, recorded, tuple(messages))


def _note_not_given(database: Database, match_id: str, fetched: FetchResult, now: datetime) -> None:
    """A game that was quarantined, tried again and is only late now is quarantined no more."""
    if fetched.outcome == "deferred":
        return
    with database.writing() as session:
        _close_quarantine(session, match_id, fetched.outcome, now)


def _close_quarantine(session: Session, match_id: str, closed_as: str, now: datetime) -> bool:
    """Whether there was one."""
    closed = session.scalars(
        update(Quarantine)
        .where(Quarantine.match_id == match_id, Quarantine.closed_at.is_(None))
        .values(closed_at=now, closed_as=closed_as)
        .returning(Quarantine.id)
    ).all()
    return bool(closed)


def _quarantine(
    database: Database,
    match_id: str,
    stage: Stage,
    error: BaseException,
    now: datetime,
    run_id: str,
) -> None:
    line = summary(error)
    with database.writing() as session:
        # Two runs that set the same game aside at the same time do so one after the other.
        session.get(Match, match_id, with_for_update=True)
        row = session.scalar(
            select(Quarantine).where(
                Quarantine.match_id == match_id, Quarantine.closed_at.is_(None)
            )
        )
        if row is None:
            row = Quarantine(match_id=match_id, quarantined_at=now, run_id=run_id, tries=0)
            session.add(row)
        row.stage = stage
        row.error = line
        row.traceback = full_traceback(error)
        row.code_version = CODE_VERSIONS[stage]
        row.tries += 1
        session.execute(
            update(Match)
            .where(Match.match_id == match_id)
            .values(state="quarantined", next_try_at=None, last_error=line, run_id=run_id)
        )
    log.warning("Quarantined %s: %s", match_id, line, extra={"match_id": match_id, "stage": stage})


def note_shown(database: Database, match_id: str, run_id: str) -> None:
    """Remember the run in which a quarantined game failed visibly, so that it is not asked for
    again.
    """
    with database.writing() as session:
        session.execute(
            update(Quarantine)
            .where(Quarantine.match_id == match_id, Quarantine.closed_at.is_(None))
            .values(shown_run_id=run_id)
        )
