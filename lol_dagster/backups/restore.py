"""Bringing a backup back into an empty home or database.

The lost application may have delivered messages after the backup was taken. The restored database says
so (messages/restored.py) from the step in which it comes to be: before anything can be sent from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from lol_dagster.backups import postgres, sqlite
from lol_dagster.backups.contents import Contents, drop_tables, refuse_unless_empty
from lol_dagster.backups.files import BackupError, whole_or_not_at_all
from lol_dagster.backups.take import BEGUN_FACT
from lol_dagster.delivery.message_rows import note_restoration
from lol_dagster.messages.restored import Restoration
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import damaged_files
from lol_dagster.storage.schema import known_revision

_SQLITE_MAGIC = b"SQLite format 3\0"
_PGDUMP_MAGIC = b"PGDMP"


@dataclass(frozen=True)
class Restored:
    """What came back."""

    taken_at: datetime
    rows: dict[str, int]
    """By table."""
    doubtful: int
    """Messages that were not delivered when the backup was taken, and may have been since."""
    put_aside: Path | None = None
    """What a damaged database that was there is called now."""


def restore_backup(
    database: Database, file: Path, now: datetime, *, put_aside: bool = False
) -> Restored:
    """Restore into an empty database. Its schema is that of the backup: bring it up to date next.

    Args:
        database: Where to; the home must be held (`alone_in`).
        put_aside: Rename a SQLite database that is there, if it is damaged.

    Raises:
        BackupError: the database is not empty, or not damaged and to be put aside; or the file is no
            backup for it, or damaged.
    """
    kind = _kind(file)
    if kind != ("SQLite" if database.is_sqlite else "PostgreSQL"):
        raise BackupError(
            f"{file} is a backup of a {kind} database: set LOL_DATABASE_URL to one of that kind, "
            "restore, and move it with 'lol-dagster db copy'"
        )
    if not database.is_sqlite:
        return _into_postgresql(database, file, now)
    return _into_sqlite(database, file, now, put_aside=put_aside)


def _into_sqlite(database: Database, file: Path, now: datetime, *, put_aside: bool) -> Restored:
    target = Path(database.url.database or "")
    held = _usable(file, sqlite.check(file))
    taken_at = _taken_at(file, sqlite.fact(file, BEGUN_FACT))
    if target.exists() and put_aside:
        if not damaged_files([target]):
            raise BackupError(
                f"{target} is not damaged: nothing is put aside, restore into another LOL_HOME"
            )
    elif target.exists():
        refuse_unless_empty(database)
    database.dispose()
    draft = target.with_name(f"{target.name}.restored")
    draft.unlink(missing_ok=True)
    with whole_or_not_at_all(draft) as unfinished:
        sqlite.copy(file, unfinished)
        made = Database(f"sqlite:///{unfinished}")
        with made.writing() as session:
            doubtful = note_restoration(session, Restoration(taken_at, now))
        made.dispose()
        found = sqlite.settle(unfinished)
        # The note about the restoration is new.
        differences = [each for each in held.differences(found) if " facts " not in each]
        if differences:
            raise BackupError(f"what came back is not what was saved: {'; '.join(differences)}")
    # What SQLite has beside it would be taken for the new one's.
    aside = target.with_name(f"{target.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    for beside in ("-wal", "-shm", ""):
        there = target.with_name(target.name + beside)
        if put_aside and there.exists():
            there.rename(aside.with_name(aside.name + beside))
        there.unlink(missing_ok=True)
    draft.rename(target)
    return Restored(taken_at, held.rows, doubtful, aside if aside.exists() else None)


def _into_postgresql(database: Database, file: Path, now: datetime) -> Restored:
    there = postgres.read(database, file)
    held = _usable(file, there.contents)
    taken_at = _taken_at(file, there.facts.get(BEGUN_FACT))
    drop_tables(database)
    doubtful = 0

    def note(connection: Connection) -> None:
        nonlocal doubtful
        with Session(connection) as session:
            doubtful = note_restoration(session, Restoration(taken_at, now))
            session.flush()

    postgres.restore(database, file, held.revision, before_it_opens=note)
    return Restored(taken_at, held.rows, doubtful)


def _kind(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            head = opened.read(16)
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}") from error
    if head.startswith(_SQLITE_MAGIC):
        return "SQLite"
    if head.startswith(_PGDUMP_MAGIC):
        return "PostgreSQL"
    raise BackupError(f"{file} is no backup: it should be a file that 'lol-dagster db backup' made")


def _usable(file: Path, held: Contents) -> Contents:
    if not known_revision(held.revision):
        raise BackupError(
            f"{file} was written by a newer version of lol_dagster: install that version"
        )
    return held


def _taken_at(file: Path, begun: object) -> datetime:
    if not isinstance(begun, str):
        raise BackupError(
            f"{file} does not say when it was taken: it should be a file that "
            "'lol-dagster db backup' made"
        )
    return datetime.fromisoformat(begun).astimezone(UTC)
