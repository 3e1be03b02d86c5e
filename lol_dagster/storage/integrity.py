"""Whether a database is undamaged, and whether what it has committed survives a power cut."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lol_dagster.storage.database import Database, describe_failure, is_damage

_FULL = 2


def damage(database: Database) -> list[str]:
    """What is wrong with the database's pages, indexes and references; empty: nothing.

    Nothing is checked on PostgreSQL: the server does it itself.
    """
    if not database.is_sqlite:
        return []
    found = []
    try:
        with database.reading() as session:
            pages = session.execute(text("PRAGMA integrity_check(20)")).scalars()
            found += [line for line in pages if line != "ok"]
            for table, row, parent, _ in session.execute(text("PRAGMA foreign_key_check")):
                found.append(f"row {row} of {table} refers to a row of {parent} that is not there")
    except DBAPIError as error:
        if not is_damage(error):
            raise
        found.append(describe_failure(error))
    return found


def damaged_files(files: Iterable[Path]) -> list[Path]:
    """Those SQLite files that are damaged. One that is not there, or cannot be read now, is not."""
    return [file for file in files if file.exists() and _is_damaged(file)]


def _is_damaged(file: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
            found: tuple[str] = reader.execute("PRAGMA quick_check(1)").fetchone()
            return found != ("ok",)
    except sqlite3.Error as error:
        return is_damage(error)


def undurable(database: Database) -> str | None:
    """What keeps a committed transaction from surviving a power cut, as the intent to send a message
    must; None: nothing.

    PostgreSQL's synchronous_commit is not checked: our writers turn it on where it is off.
    """
    with database.reading() as session:
        if database.is_sqlite:
            level = session.scalar(text("PRAGMA synchronous"))
            return None if level is not None and level >= _FULL else "synchronous is not FULL"
        current = text("SELECT current_setting(:name)")
        names = ("fsync", "full_page_writes")
        off = [each for each in names if session.scalar(current, {"name": each}) == "off"]
    if not off:
        return None
    return (
        f"the server runs with {' and '.join(off)} off: after a power cut messages may be sent "
        "twice; turn it on in postgresql.conf"
    )
