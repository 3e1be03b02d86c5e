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
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
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


_PACKED = (
    select(Payload.encoding, Payload.body, Payload.sha256, Payload.fetched_at, Timeline.sha256)
    .outerjoin(Timeline, Timeline.match_id == Payload.match_id)
    .where(Payload.match_id == bindparam("match_id"))
)
"""Made once, as to make it takes longer than to execute it."""


@dataclass(frozen=True)
class LoadedPayload:
    """A payload as Riot gave it, and what is known of it and of its timeline."""

    body: bytes
    sha256: str
    fetched_at: datetime
    timeline_sha256: str | None
    """None: no timeline is archived."""


def load_payload(session: Session, match_id: str) -> LoadedPayload:
    """The archived payload.

    Raises:
        LookupError: there is none.
        DamagedPayload: the bytes do not have the checksum that they were archived with.
    """
    row = session.execute(_PACKED, {"match_id": match_id}).one_or_none()
    if row is None:
        raise LookupError(f"{match_id} is not in the archive")
    encoding, packed_body, sha256, fetched_at, timeline_sha256 = row
    body = _unpacked(f"payload of {match_id}", encoding, packed_body, sha256)
    return LoadedPayload(body, sha256, fetched_at, timeline_sha256)


def load_timeline(session: Session, match_id: str) -> bytes:
    """The archived timeline, as Riot gave it.

    Raises:
        LookupError: there is none.
        DamagedPayload: the bytes do not have the checksum that they were archived with.
    """
    row = session.execute(
        select(Timeline.encoding, Timeline.body, Timeline.sha256).where(
            Timeline.match_id == match_id
        )
    ).one_or_none()
    if row is None or row.body is None:
        raise LookupError(f"no timeline of {match_id} is in the archive")
    return _unpacked(f"timeline of {match_id}", row.encoding, row.body, row.sha256)


def replace_person(session: Session, match_id: str, puuid: str, instead: str) -> None:
    """Let a game's archived payload and timeline name somebody by another word, and by no name. The one change that
    is ever made to what is archived, as it is asked for by whom it is about. What is damaged is thrown away: whom it
    names nobody can tell.
    """
    payload = session.get(Payload, match_id)
    if payload is not None:
        body = _renamed(lambda: load_payload(session, match_id).body, match_id, puuid, instead)
        _put(payload, packed(match_id, body, payload.fetched_at))
        game = session.get(Game, match_id)
        if game is not None:
            game.payload_sha256 = payload.sha256
    timeline = session.get(Timeline, match_id)
    if timeline is not None and timeline.fetched_at is not None:
        body = _renamed(lambda: load_timeline(session, match_id), match_id, puuid, instead)
        _put(timeline, packed(match_id, body, timeline.fetched_at))
    session.flush()


def _renamed(load: Callable[[], bytes], match_id: str, puuid: str, instead: str) -> bytes:
    try:
        body = json.loads(load())
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


def _unpacked(what: str, encoding: str | None, packed_body: bytes, sha256: str | None) -> bytes:
    if encoding != "zlib":
        raise DamagedPayload(f"the {what} has the unknown encoding {encoding!r}")
    try:
        body = zlib.decompress(packed_body)
    except zlib.error as error:
        raise DamagedPayload(f"the {what} cannot be unpacked: {error}") from None
    if hashlib.sha256(body).hexdigest() != sha256:
        raise DamagedPayload(f"the {what} does not have its checksum any more")
    return body
