"""When the nightly work was last done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from lol_dagster.storage.models import Fact

OVERDUE = timedelta(hours=26)
"""`lol-dagster once` does the nightly work itself if the last time is longer ago."""
_NIGHT_FACT = "last_night"
_COUNTED_FACT = "nights_counted_from"


def note_night(session: Session, now: datetime) -> None:
    """The nightly work has begun."""
    session.merge(Fact(name=_NIGHT_FACT, value=now.isoformat()))


def last_night(session: Session) -> datetime | None:
    """When the nightly work last began; None: it never has."""
    return _instant(session, _NIGHT_FACT)


def is_overdue(session: Session, now: datetime) -> bool:
    """Whether the nightly work has not been done for too long. In a new installation it counts from
    when this is first asked.

    Args:
        session: A writing one.
    """
    since = last_night(session) or _instant(session, _COUNTED_FACT)
    if since is None:
        session.merge(Fact(name=_COUNTED_FACT, value=now.isoformat()))
        return False
    return now - since > OVERDUE


def _instant(session: Session, name: str) -> datetime | None:
    fact = session.get(Fact, name)
    return None if fact is None else datetime.fromisoformat(fact.value).astimezone(UTC)
