"""Taking a backup: of either database, whole or not at all, verified before it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from lol_dagster.backups import postgres, sqlite
from lol_dagster.backups.files import (
    BackupError,
    backup_name,
    backups_in,
    one_at_a_time,
    superfluous,
    whole_or_not_at_all,
)
from lol_dagster.messages.identity import installation_salt
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact

BEGUN_FACT = "backup_begun"
"""Stands in the backup itself: since when it may lack something."""
_LAST_FACT = "last_backup"


@dataclass(frozen=True)
class Backup:
    """A backup that was opened and found to hold what the database held."""

    file: Path
    taken_at: datetime
    size: int
    """Bytes."""
    revision: str
    """Of the schema."""
    rows: dict[str, int]
    """By table."""
    removed: tuple[Path, ...]
    """Older ones that need not be kept any longer."""


@dataclass(frozen=True)
class LastBackup:
    """The last one that was verified."""

    taken_at: datetime
    file: str


def take_backup(database: Database, home: Path, now: datetime, *, to: Path | None = None) -> Backup:
    """Take a backup while the database is in use, verify it, and delete old ones.

    Args:
        home: LOL_HOME; backups stand in its folder `backups`.
        now: Also what the file is named after.
        to: Instead of there. Then no old ones are removed.

    Raises:
        BackupError: it cannot be taken, or does not hold what the database held; none is left.
    """
    folder = home / "backups"
    with one_at_a_time(folder):
        suffix = sqlite.SUFFIX if database.is_sqlite else postgres.SUFFIX
        target = to or folder / backup_name(now, suffix)
        with database.writing() as session:
            # Messages that are written from now on can only be known again by the same salt.
            installation_salt(session)
            session.merge(Fact(name=BEGUN_FACT, value=now.isoformat()))
        with whole_or_not_at_all(target) as draft:
            if database.is_sqlite:
                held = sqlite.copy(_file_of(database), draft)
                found = sqlite.check(draft)
            else:
                held = postgres.dump(database, draft)
                found = postgres.read(database, draft).contents
            if differences := held.differences(found):
                raise BackupError(f"the backup is not what was copied: {'; '.join(differences)}")
        with database.writing() as session:
            last = {"taken_at": now.isoformat(), "file": str(target)}
            session.merge(Fact(name=_LAST_FACT, value=last))
        removed = () if to else tuple(superfluous(backups_in(folder), now))
        for path in removed:
            path.unlink()
    size = target.stat().st_size
    return Backup(target, now, size, found.revision, found.rows, removed)


def last_backup(session: Session) -> LastBackup | None:
    """None: there never was one."""
    fact = session.get(Fact, _LAST_FACT)
    if fact is None:
        return None
    taken_at = datetime.fromisoformat(fact.value["taken_at"]).astimezone(UTC)
    return LastBackup(taken_at, fact.value["file"])


def _file_of(database: Database) -> Path:
    if not database.url.database:
        raise BackupError("a database in memory cannot be backed up")
    return Path(database.url.database)
