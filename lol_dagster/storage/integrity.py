"""Whether a database is undamaged, and whether what it has committed survives a power cut."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lol_dagster.storage.database import Database, describe_failure, is_damage

_MOUNTS = Path("/proc/self/mounts")
_NETWORK_DISKS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs", "fuse.sshfs", "fuse.rclone",
     "fuse.glusterfs", "fuse.s3fs"}
)  # fmt: skip
"""Kinds of file systems on which processes of several machines, or of one, do not share memory or locks as
SQLite's WAL needs it (https://sqlite.org/wal.html, 2)."""


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
        with _reading(file) as reader:
            found: tuple[str] = reader.execute("PRAGMA quick_check(1)").fetchone()
            return found != ("ok",)
    except sqlite3.Error as error:
        return is_damage(error)


def unreadable_files(files: Iterable[Path]) -> list[Path]:
    """Those SQLite files of which nothing can be read, or not all tables. Takes as long for a large file as
    for a small one, as not every page is read.
    """
    return [file for file in files if file.exists() and not _is_readable(file)]


def _is_readable(file: Path) -> bool:
    try:
        with _reading(file) as reader:
            tables = reader.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall()
            for (table,) in tables:
                reader.execute(f'SELECT * FROM "{table}" LIMIT 1').fetchone()  # noqa: S608
    except sqlite3.Error as error:
        return not is_damage(error)
    return True


def _reading(file: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True))


def network_disk(file: Path, mounts: str) -> str | None:
    """The kind of the network disk that a file is on; None: it is on none.

    Args:
        mounts: As in /proc/self/mounts: device, mount point, kind, ….
    """
    lines = (line.split() for line in mounts.splitlines())
    points = [(Path(each[1].replace("\\040", " ")), each[2]) for each in lines if len(each) > 2]
    above = [each for each in points if file.absolute().is_relative_to(each[0])]
    # The longest is the nearest; of two on one point the later hides the earlier.
    kind = max(enumerate(above), key=lambda each: (len(each[1][0].parts), each[0]), default=None)
    return kind[1][1] if kind and kind[1][1] in _NETWORK_DISKS else None


def undurable(database: Database) -> str | None:
    """What keeps a committed transaction from surviving a power cut, as the intent to send a message
    must; None: nothing.

    What a transaction can set, ours set: SQLite's synchronous, PostgreSQL's synchronous_commit.
    """
    with database.reading() as session:
        if database.is_sqlite:
            mounts = _MOUNTS.read_text() if _MOUNTS.exists() else ""
            kind = network_disk(Path(database.url.database or "/"), mounts)
            return kind and (
                f"it stands on a network disk ({kind}), on which SQLite keeps no promise: move LOL_HOME to "
                "a disk of this machine, or use PostgreSQL"
            )
        current = text("SELECT current_setting(:name)")
        names = ("fsync", "full_page_writes")
        off = [each for each in names if session.scalar(current, {"name": each}) == "off"]
    if not off:
        return None
    return (
        f"the server runs with {' and '.join(off)} off: after a power cut messages may be sent "
        "twice; turn it on in postgresql.conf"
    )
