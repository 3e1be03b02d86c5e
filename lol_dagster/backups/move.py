"""Moving a database into another one, between SQLite and PostgreSQL, row by row.

Both have this version's schema, so rows go through the models' own types and nothing is translated.
All of it is one transaction of the new database: it holds everything or nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, MetaData, String, Table, func, select, text
from sqlalchemy.exc import DBAPIError

from lol_dagster.backups.contents import refuse_unless_empty, snapshot
from lol_dagster.backups.files import BackupError
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Base
from lol_dagster.storage.moved import MOVED_FACT, mark_moved, unmark_moved
from lol_dagster.storage.retention import refresh_statistics
from lol_dagster.storage.types import AddressText

BATCH = 500
"""Rows in memory at a time: a payload has up to some 100 kB."""


@dataclass(frozen=True)
class Moved:
    """What was moved."""

    rows: dict[str, int]
    """By table."""
    digests: dict[str, str]
    """By table: sha256 of its rows, the same in both databases."""


def move(source: Database, target: Database, *, show: Callable[[str], None]) -> Moved:
    """Copy everything and compare it. From then on the source is marked: nothing starts on it any more.

    Cut short anywhere it can be done again; until then nothing starts on the source either, as the target may
    have all of it.

    Args:
        source: Has this version's schema; connections to it are given up.
        target: Has this version's schema and nothing in it.
        show: Called with the name of the table that is being copied.

    Raises:
        BackupError: somebody uses one of the two; or the target is not empty, does not take a row, or holds
            something else in the end. It is empty then, and the source is as before.
    """
    to = target.url.render_as_string(hide_password=True)
    refuse_unless_empty(target)
    # First: whoever comes now is refused, and who was there before is seen.
    with source.writing() as session:
        mark_moved(session, to, is_complete=False)
    try:
        for database in (source, target):
            refuse_if_used(database)
        moved = _copy(source, target, show)
    except BackupError:
        with source.writing() as session:
            unmark_moved(session)
        raise
    with source.writing() as session:
        mark_moved(session, to, is_complete=True)
    return moved


def _copy(source: Database, target: Database, show: Callable[[str], None]) -> Moved:
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    with snapshot(source) as connection, target.engine.begin() as into:
        for table in _tables():
            show(table.name)
            into.execute(table.delete())
            digest = hashlib.sha256()
            for batch in _batches(connection, table):
                _insert(into, table, batch)
                _add(digest, table, batch)
            rows[table.name], digests[table.name] = _digest(into, table)
            if digests[table.name] != digest.hexdigest():
                raise BackupError(f"the rows of {table.name} did not arrive as they are")
            if not target.is_sqlite:
                _continue_sequence(into, table)
    refresh_statistics(target)
    return Moved(rows, digests)


def refuse_if_used(database: Database) -> None:
    """
    Raises:
        BackupError: another process is connected to it, or another connection of this one is used.
    """
    database.dispose()
    where = database.url.render_as_string(hide_password=True)
    if database.is_sqlite:
        with contextlib.closing(sqlite3.connect(str(database.url.database), timeout=0)) as alone:
            try:
                # Refused as long as anybody else has the file open.
                alone.execute("PRAGMA journal_mode=DELETE")
                alone.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                raise BackupError(f"another process uses {where}: end it first") from None
        return
    with database.reading() as session:
        others = session.scalar(text(_OTHERS))
    database.dispose()
    if others:
        raise BackupError(f"{others} others are connected to {where}: end them first")


_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid != pg_backend_pid()"
)


def _tables() -> list[Table]:
    """All tables, those that others refer to first. Secrets are copied as they stand, without
    the keys to them.
    """
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        for column in table.to_metadata(metadata).columns:
            if isinstance(column.type, AddressText):
                column.type = String()
    return metadata.sorted_tables


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """All rows by their key, a batch at a time; the key's order is that of our own sorting, since
    the databases sort text in different ways.
    """
    keys = list(table.primary_key.columns)
    found = sorted(tuple(row) for row in connection.execute(select(*keys)))
    if table.name == "facts" and (MOVED_FACT,) in found:
        found.remove((MOVED_FACT,))  # it is about the source alone
    for start in range(0, len(found), BATCH):
        wanted = found[start : start + BATCH]
        # Of a key of several columns the first will do: what else it brings is left out.
        within = keys[0].in_({key[0] for key in wanted})
        by_key = {
            tuple(row[key] for key in keys): {c.name: row[c] for c in table.columns}
            for row in connection.execute(select(table).where(within)).mappings()
        }
        yield [by_key[key] for key in wanted]


def _insert(connection: Connection, table: Table, batch: list[dict[str, Any]]) -> None:
    try:
        connection.execute(table.insert(), batch)
    except (DBAPIError, ValueError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise BackupError(f"a row of {table.name} cannot be copied: {reason}") from error


def _digest(connection: Connection, table: Table) -> tuple[int, str]:
    digest, rows = hashlib.sha256(), 0
    for batch in _batches(connection, table):
        _add(digest, table, batch)
        rows += len(batch)
    return rows, digest.hexdigest()


def _add(digest: Any, table: Table, batch: list[dict[str, Any]]) -> None:
    names = [column.name for column in table.columns]
    for row in batch:
        line = json.dumps([row[name] for name in names], sort_keys=True, default=_plain)
        digest.update(line.encode() + b"\n")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    raise TypeError(f"{type(value).__name__} has no place in a digest")


def _continue_sequence(connection: Connection, table: Table) -> None:
    """Have PostgreSQL's next own number be one that is free."""
    key = table.autoincrement_column
    if key is None or not isinstance(key.type, Integer):
        return
    sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, key.name)))
    if sequence is not None:
        highest = connection.scalar(select(func.max(key)))
        connection.execute(select(func.setval(sequence, highest or 1, highest is not None)))
