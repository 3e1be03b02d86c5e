"""The archive of payloads and timelines: each is fetched once and kept byte for byte.

Nothing is computed from anything but this archive, so every later stage can run again without Riot.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import BadRequest, ForbiddenHere, NotFound
from lol_dagster.storage.models import Account, Game, Payload, Timeline
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

GAMES_CODE_VERSION = "1"
"""Of this stage: a new one makes games that were quarantined here be tried again."""


class DamagedPayload(Exception):  # noqa: N818 - named as the other errors of this package
    """An archived payload or timeline is not what was archived."""


def fetch_match(client: RiotClient, match_id: str, *, known_account: Account | None) -> bytes:
    """A match's payload, byte for byte.

    Args:
        known_account: With a puuid. If the match is forbidden, Riot is asked for this account, which
            every key may do: so a restricted mode or a private game is distinguished from a refused key.

    Raises:
        KeyRejected: Riot refuses the key itself.
        RiotError: anything else, as `RiotClient.match` raises it.
        UnknownPlatform: no route knows matches with this prefix.
    """
    try:
        return client.match(match_id)
    except ForbiddenHere:
        if known_account is not None and known_account.puuid is not None:
            with contextlib.suppress(NotFound, BadRequest):  # an answer to an accepted key
                client.account_by_puuid(known_account.puuid, known_account.platform)
        raise


def packed(match_id: str, body: bytes, now: datetime) -> dict[str, Any]:
    """A payload or timeline as it is archived: columns of `Payload` and `Timeline`. Takes milliseconds, during
    which no transaction should be open that writes.
    """
    return {
        "match_id": match_id,
        "encoding": "zlib",
        "body": zlib.compress(body, 6),
        "sha256": hashlib.sha256(body).hexdigest(),
        "size": len(body),
        "fetched_at": now,
    }


def archive_payload(session: Session, payload: dict[str, Any]) -> None:
    """Keep what `packed` made; what came first stays."""
    insert_if_absent(session, Payload, [payload])


def load_payload(session: Session, match_id: str) -> bytes:
    """The archived payload, as Riot gave it.

    Raises:
        LookupError: there is none.
        DamagedPayload: the bytes do not have the checksum that they were archived with.
    """
    return _unpacked(session, Payload, f"payload of {match_id}", match_id)


def load_timeline(session: Session, match_id: str) -> bytes:
    """The archived timeline, as Riot gave it.

    Raises:
        LookupError: there is none.
        DamagedPayload: the bytes do not have the checksum that they were archived with.
    """
    return _unpacked(session, Timeline, f"timeline of {match_id}", match_id)


def replace_person(session: Session, match_id: str, puuid: str, instead: str) -> None:
    """Let a game's archived payload and timeline name somebody by another word, and by no name. The one change that
    is ever made to what is archived, as it is asked for by whom it is about. What is damaged is thrown away: whom it
    names nobody can tell.
    """
    payload = session.get(Payload, match_id)
    if payload is not None:
        body = _renamed(load_payload, session, match_id, puuid, instead)
        _put(payload, packed(match_id, body, payload.fetched_at))
        game = session.get(Game, match_id)
        if game is not None:
            game.payload_sha256 = payload.sha256
    timeline = session.get(Timeline, match_id)
    if timeline is not None and timeline.fetched_at is not None:
        body = _renamed(load_timeline, session, match_id, puuid, instead)
        _put(timeline, packed(match_id, body, timeline.fetched_at))
    session.flush()


def _renamed(
    load: Callable[[Session, str], bytes], session: Session, match_id: str, puuid: str, instead: str
) -> bytes:
    try:
        body = json.loads(load(session, match_id))
    except DamagedPayload as error:
        log.warning("Thrown away: %s", error, extra={"match_id": match_id})
        return b"{}"
    _rename(body, puuid, instead)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


_NAMES = ("riotIdGameName", "riotIdName", "riotIdTagline", "summonerName", "summonerId")


def _rename(value: Any, puuid: str, instead: str) -> None:
    """Within what was parsed: objects that are about this person, and lists of puuids."""
    if isinstance(value, dict):
        if value.get("puuid") == puuid:
            value["puuid"] = instead
            value.update({name: "" for name in _NAMES if name in value})
            value.update({name: 0 for name in ("profileIcon",) if name in value})
        for each in value.values():
            _rename(each, puuid, instead)
    elif isinstance(value, list):
        value[:] = [instead if each == puuid else each for each in value]
        for each in value:
            _rename(each, puuid, instead)


def _put(row: Payload | Timeline, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        setattr(row, name, value)


def _unpacked(session: Session, table: type[Payload | Timeline], what: str, match_id: str) -> bytes:
    row = session.execute(
        select(table.encoding, table.body, table.sha256).where(
            table.match_id == match_id, table.body.is_not(None)
        )
    ).one_or_none()
    if row is None:
        raise LookupError(f"no {what} is archived")
    if row.encoding != "zlib":
        raise DamagedPayload(f"the {what} has the unknown encoding {row.encoding!r}")
    try:
        body = zlib.decompress(row.body)
    except zlib.error as error:
        raise DamagedPayload(f"the {what} cannot be unpacked: {error}") from None
    if hashlib.sha256(body).hexdigest() != row.sha256:
        raise DamagedPayload(f"the {what} does not have its checksum any more")
    return body
