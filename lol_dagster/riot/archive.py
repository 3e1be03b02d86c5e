"""The stage games: a match is fetched once and archived byte for byte.

Nothing is computed from anything but this archive, so every later stage can run again without Riot.
A match that Riot lists and does not give is late: it is asked for again with growing pauses, and
given up as `not_found` after 48 hours; once a day it is asked for again if it is still listed. Trouble of Riot's servers or limits counts for nothing there.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import (
    BadRequest,
    BrokenBody,
    ForbiddenHere,
    NotFound,
    RateLimited,
    RiotError,
    ServerTrouble,
)
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, Match, Payload
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

GAMES_CODE_VERSION = "1"
"""Of this stage: a new one makes games that were quarantined here be tried again."""

GIVE_UP_AFTER = timedelta(hours=48)
_PAUSES = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60)
)
_SHORTEST_TROUBLE = timedelta(minutes=1)
_LONGEST_TROUBLE = timedelta(minutes=15)


class DamagedPayload(Exception):  # noqa: N818 - named as the other errors of this room
    """An archived payload is not what was archived."""


@dataclass(frozen=True)
class FetchResult:
    """What became of a match."""

    match_id: str
    outcome: Literal["archived", "already", "delayed", "deferred", "not_found"]
    """`archived`: fetched now; `already`: it was there; `delayed`: Riot does not give it yet; `deferred`:
    Riot could not be asked; `not_found`: given up."""
    reason: str = ""
    """Why it is not archived, in a line."""
    was_not_found: bool = False
    """It had been given up before."""

    @property
    def is_archived(self) -> bool:
        return self.outcome in {"archived", "already"}


def due_matches(session: Session, *, now: datetime, limit: int) -> list[str]:
    """Match ids that are due for their next stage, those listed last at the head: a game that has
    just ended does not wait behind the hundreds of a new account's past.
    """
    return list(
        session.scalars(
            select(Match.match_id)
            .where(Match.next_try_at <= now)
            .order_by(Match.listed_at.desc(), Match.match_id)
            .limit(limit)
        )
    )


def fetch_match(
    database: Database, client: RiotClient, match_id: str, *, now: datetime, run_id: str
) -> FetchResult:
    """Have a match in the archive; one that is there is not asked for again.

    Args:
        match_id: Of a row that exists.
        run_id: The Dagster run, kept with the row.

    Raises:
        KeyRejected: Riot refuses the key itself; nothing has changed.
        RiotError: Riot will never answer this as it is asked (BadRequest).
        UserError: no route knows matches with this prefix (UnknownPlatform).
    """
    with database.reading() as session:
        match = session.get_one(Match, match_id)
        is_archived = session.get(Payload, match_id) is not None
    if is_archived:
        _mark_fetched(database, match_id, run_id)
        return FetchResult(match_id, "already")
    try:
        body = _fetch(database, client, match)
    except RateLimited as limited:
        return _later(database, match, limited, max(limited.retry_at, now), run_id)
    except (NotFound, ForbiddenHere, BrokenBody) as missing:
        return _late(database, match, missing, now, run_id)
    except ServerTrouble as trouble:
        # The longer it has gone on, the rarer: a quarter of its age.
        pause = min(max((now - match.listed_at) / 4, _SHORTEST_TROUBLE), _LONGEST_TROUBLE)
        return _later(database, match, trouble, now + pause, run_id)
    _archive(database, match_id, body, now, run_id)
    return FetchResult(match_id, "archived")


def load_payload(session: Session, match_id: str) -> bytes:
    """The archived payload, as Riot gave it.

    Raises:
        LookupError: there is none.
        DamagedPayload: the bytes do not have the checksum that they were archived with.
    """
    row = session.execute(
        select(Payload.encoding, Payload.body, Payload.sha256).where(Payload.match_id == match_id)
    ).one_or_none()
    if row is None:
        raise LookupError(f"no payload of {match_id} is archived")
    if row.encoding != "zlib":
        raise DamagedPayload(f"the payload of {match_id} has the unknown encoding {row.encoding!r}")
    try:
        body = zlib.decompress(row.body)
    except zlib.error as error:
        raise DamagedPayload(f"the payload of {match_id} cannot be unpacked: {error}") from None
    if hashlib.sha256(body).hexdigest() != row.sha256:
        raise DamagedPayload(f"the payload of {match_id} does not have its checksum any more")
    return body


def _fetch(database: Database, client: RiotClient, match: Match) -> bytes:
    try:
        return client.match(match.match_id)
    except ForbiddenHere:
        _confirm_key(database, client, match)
        raise


def _confirm_key(database: Database, client: RiotClient, match: Match) -> None:
    """Tell a match that is forbidden (a restricted mode, a private game) from a dead key, by a call
    that every key may make.

    Raises:
        KeyRejected: it is refused, too.
        RiotError: Riot could not be asked, and nothing is known.
    """
    with database.reading() as session:
        witness = session.scalar(
            select(Account)
            .where(Account.puuid.is_not(None))
            .order_by(Account.id != match.listed_by, Account.id)
            .limit(1)
        )
    if witness is None or witness.puuid is None:
        return
    with contextlib.suppress(NotFound, BadRequest):  # an answer to an accepted key
        client.account_by_puuid(witness.puuid, witness.platform)


def _archive(database: Database, match_id: str, body: bytes, now: datetime, run_id: str) -> None:
    payload = {
        "match_id": match_id,
        "encoding": "zlib",
        "body": zlib.compress(body, 6),
        "sha256": hashlib.sha256(body).hexdigest(),
        "size": len(body),
        "fetched_at": now,
    }
    with database.writing() as session:
        insert_if_absent(session, Payload, [payload])  # what came first stays
        _set_fetched(session, match_id, run_id)
    log.info("Archived %s, %d bytes", match_id, len(body), extra={"match_id": match_id})


def _mark_fetched(database: Database, match_id: str, run_id: str) -> None:
    with database.writing() as session:
        _set_fetched(session, match_id, run_id)


def _set_fetched(session: Session, match_id: str, run_id: str) -> None:
    """Leave the states behind that a match without payload is in; later ones are not ours."""
    session.execute(
        update(Match)
        .where(Match.match_id == match_id, Match.state.in_(("listed", "not_found")))
        .values(state="fetched", last_error=None, first_missing_at=None, run_id=run_id)
    )


def _late(
    database: Database, match: Match, missing: RiotError, now: datetime, run_id: str
) -> FetchResult:
    since = match.first_missing_at or now
    is_gone = now - since >= GIVE_UP_AFTER
    # The last try is at the end of the 48 hours, not before.
    pause = _PAUSES[min(match.tries, len(_PAUSES) - 1)]
    next_try_at = None if is_gone else min(now + pause, since + GIVE_UP_AFTER)
    with database.writing() as session:
        session.execute(
            update(Match)
            .where(Match.match_id == match.match_id)
            .values(
                state="not_found" if is_gone else "listed",
                tries=Match.tries + 1,
                first_missing_at=since,
                next_try_at=next_try_at,
                last_error=str(missing)[:500],
                run_id=run_id,
            )
        )
    was_not_found = match.state == "not_found"
    level = logging.WARNING if is_gone and not was_not_found else logging.INFO
    word: Literal["not_found", "delayed"] = "not_found" if is_gone else "delayed"
    log.log(level, "%s is %s: %s", match.match_id, word, missing,
            extra={"match_id": match.match_id})  # fmt: skip
    return FetchResult(match.match_id, word, str(missing), was_not_found)


def _later(
    database: Database, match: Match, trouble: RiotError, next_try_at: datetime, run_id: str
) -> FetchResult:
    with database.writing() as session:
        session.execute(
            update(Match)
            .where(Match.match_id == match.match_id)
            .values(next_try_at=next_try_at, last_error=str(trouble)[:500], run_id=run_id)
        )
    return FetchResult(match.match_id, "deferred", str(trouble))
