"""The archive of payloads and timelines: each is fetched once and kept byte for byte.

Nothing is computed from anything but this archive, so every later stage can run again without Riot.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import BadRequest, ForbiddenHere, NotFound
from lol_dagster.storage.models import Account, Payload, Timeline
from lol_dagster.storage.upsert import insert_if_absent

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
