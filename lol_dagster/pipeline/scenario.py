"""A game as a scenario file for the test suite, without the people in it.

docs/adding-a-scenario.md describes the file.
"""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from lol_dagster.errors import UserError
from lol_dagster.riot.archive import load_payload
from lol_dagster.riot.pseudonyms import Pseudonyms, readable
from lol_dagster.storage.models import Account, FormerPuuid, Payload, Quarantine


class NothingArchivedError(UserError):
    """Riot has given no payload that could be exported."""


def export_scenario(session: Session, match_id: str) -> dict[str, Any]:
    """The scenario of a game: its payload under pseudonyms, and a header.

    Raises:
        NothingArchivedError: no payload of it is archived.
    """
    archived = session.get(Payload, match_id)
    if archived is None:
        raise NothingArchivedError(
            f"no payload of {match_id} is archived: there is nothing to export"
        )
    people = Pseudonyms(match_id)
    body = _body(load_payload(session, match_id).body, people)
    row = session.scalars(
        select(Quarantine)
        .where(Quarantine.match_id == match_id)
        .order_by(Quarantine.id.desc())
        .limit(1)
    ).first()
    puuids = session.scalars(
        union(select(Account.puuid).where(Account.puuid.is_not(None)), select(FormerPuuid.puuid))
    )
    return {
        "match_id": people.match_id,
        "why": "",
        "failed": row
        and {
            "stage": row.stage,
            "error": people.quoted(row.error),
            "code_version": row.code_version,
        },
        "expected": None,
        "fetched_at": archived.fetched_at.isoformat(),
        "tracked": sorted(filter(None, map(people.known, puuids))),
        **body,
    }


def _body(body: bytes, people: Pseudonyms) -> dict[str, Any]:
    try:
        return {"payload": people.payload(readable(body))}
    except ValueError:
        pass  # broken as it is, it is kept as text
    try:
        return {"text": people.unparsed(body.decode())}
    except UnicodeDecodeError:
        text = people.unparsed(body.decode(errors="surrogateescape"))
        return {"base64": base64.b64encode(text.encode(errors="surrogateescape")).decode()}
