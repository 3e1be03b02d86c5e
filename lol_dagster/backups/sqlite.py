"""Backups of a SQLite database: a copy made by SQLite itself while others write."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lol_dagster.backups.contents import Contents, count_rows
from lol_dagster.backups.files import BackupError

SUFFIX = "sqlite3"
_BUSY_TIMEOUT_S = 30.0


def copy(source: Path, target: Path) -> Contents:
    """Copy the database as it stands at one moment; writers go on meanwhile.

    Returns:
        What stood in it at that moment.

    Raises:
        BackupError: it cannot be read or written.
    """
    with _errors(source), _open(source) as original, _open(target) as made:
        # One snapshot for both: a copy made in steps would begin anew with each foreign commit.
        original.execute("BEGIN")
        contents = _contents(original)
        original.backup(made)
        original.rollback()
        # One file and nothing beside it, whatever the original's journal is.
        made.execute("PRAGMA journal_mode=DELETE")
    return contents


def check(file: Path) -> Contents:
    """Open a copy, have SQLite check every page, and count.

    Raises:
        BackupError: it is damaged, or none of our databases.
    """
    with _errors(file), _open(file) as made:
        found = [line for (line,) in made.execute("PRAGMA integrity_check(5)")]
        if found != ["ok"]:
            raise BackupError(f"{file} is damaged: {'; '.join(found)}")
        return _contents(made)


def settle(file: Path) -> Contents:
    """Have everything stand in the one file, whatever journal it was written with, and count.

    Raises:
        BackupError: it is damaged.
    """
    with _errors(file), _open(file) as made:
        made.execute("PRAGMA journal_mode=DELETE")
    return check(file)


def fact(file: Path, name: str) -> object:
    """A fact that stands in a copy; None if it does not.

    Raises:
        BackupError: it is none of our databases.
    """
    with _errors(file), _open(file) as made:
        row = made.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return json.loads(row[0]) if row else None


def _contents(connection: sqlite3.Connection) -> Contents:
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("its schema has no version")
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite%' AND name != 'alembic_version' ORDER BY name"
    )
    return Contents(row[0], dict(connection.execute(count_rows(name for (name,) in tables))))


@contextlib.contextmanager
def _open(file: Path) -> Iterator[sqlite3.Connection]:
    # Through a URI with a mode, since SQLite would make a file that is not there.
    mode = "rw" if os.access(file, os.W_OK) else "ro"
    uri = f"{file.resolve().as_uri()}?mode={mode}"
    with contextlib.closing(
        sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    ) as connection:
        yield connection


@contextlib.contextmanager
def _errors(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackupError(f"{file} is no database of lol_dagster, or damaged: {error}") from error
