"""What somebody has switched off in Dagster's UI, as it was last found.

Dagster keeps a stopped schedule, a stopped sensor and a pool's limit over restarts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact

_FACT = "switched-off"


@dataclass(frozen=True)
class SwitchedOff:
    """A schedule or a sensor that is stopped, or a pool whose limit is not the code's."""

    kind: Literal["schedule", "pool"]
    name: str
    why: str
    since: datetime
    """When it was first found so."""


def note_switched_off(database: Database, found: Iterable[SwitchedOff]) -> None:
    """Remember all that is switched off now; writes only where something has changed."""
    with database.reading() as session:
        known = {(each.kind, each.name): each.since for each in switched_off(session)}
    rows = [
        [each.kind, each.name, each.why, known.get((each.kind, each.name), each.since).isoformat()]
        for each in found
    ]
    with database.reading() as session:
        fact = session.get(Fact, _FACT)
        if rows == ([] if fact is None else fact.value):
            return
    with database.writing() as session:
        session.merge(Fact(name=_FACT, value=rows))


def switched_off(session: Session) -> list[SwitchedOff]:
    """What was found."""
    fact = session.get(Fact, _FACT)
    return [
        SwitchedOff(kind, name, why, datetime.fromisoformat(since))
        for kind, name, why, since in ([] if fact is None else fact.value)
    ]
