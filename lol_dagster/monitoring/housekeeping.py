"""When the night's work was last done, and whether there is a backup to fall back on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from lol_dagster.backups.take import last_backup
from lol_dagster.storage.models import Fact

BACKUP_DEADLINE = timedelta(hours=26)
"""One is taken each night; two hours for it to come late."""
OVERDUE = timedelta(hours=26)
"""`lol-dagster once` does the night's work itself if the last time is longer ago."""
_NIGHT_FACT = "last_night"
_COUNTED_FACT = "nights_counted_from"


def note_night(session: Session, now: datetime) -> None:
    """The night's work has begun."""
    session.merge(Fact(name=_NIGHT_FACT, value=now.isoformat()))


def is_overdue(session: Session, now: datetime) -> bool:
    """Whether the night's work has not been done for too long. In a new app it counts from when
    this is first asked.

    Args:
        session: A writing one.
    """
    since = _last_night(session) or _instant(session, _COUNTED_FACT)
    if since is None:
        session.merge(Fact(name=_COUNTED_FACT, value=now.isoformat()))
        return False
    return now - since > OVERDUE


def _last_night(session: Session) -> datetime | None:
    return _instant(session, _NIGHT_FACT)


def _instant(session: Session, name: str) -> datetime | None:
    fact = session.get(Fact, name)
    return None if fact is None else datetime.fromisoformat(fact.value).astimezone(UTC)


def backup_problem(session: Session, now: datetime) -> str | None:
    """What is wrong with the backups, and what to do about it; None: nothing, or the first night is
    still to come.
    """
    last, night = last_backup(session), _last_night(session)
    how = "'lol-dagster db backup' takes one now and says what stands in the way"
    if last is not None and last.taken_at < now - BACKUP_DEADLINE:
        return f"the last good backup is of {last.taken_at:%Y-%m-%d %H:%M} UTC: {how}"
    if last is None and night is not None and night < now - timedelta(hours=1):
        return f"there is no good backup: {how}"
    return None
