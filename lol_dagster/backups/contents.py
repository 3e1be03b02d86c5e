"""What a database holds: compared with a copy of it, or nothing at all that could be overwritten."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, func, inspect, select, table

from lol_dagster.backups.files import BackupError
from lol_dagster.storage.database import Database, take_your_time
from lol_dagster.storage.models import Base

_VERSION = "alembic_version"
_ALWAYS_THERE = frozenset({_VERSION, "facts"})
"""What every command leaves behind that opens an empty database."""


def count_rows(tables: Iterable[str]) -> str:
    """SQL for the rows of each table, in one snapshot."""
    # The names are the database's own.
    return " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in tables)  # noqa: S608


@dataclass(frozen=True)
class Contents:
    """The schema's revision, and how many rows stand in each table."""

    revision: str
    rows: dict[str, int]

    def differences(self, other: Contents) -> list[str]:
        """In words; empty: none."""
        found = []
        if self.revision != other.revision:
            found.append(f"schema {other.revision} instead of {self.revision}")
        for name, rows in self.rows.items():
            if other.rows.get(name) != rows:
                found.append(f"{other.rows.get(name, 'no')} rows of {name} instead of {rows}")
        return found


@contextlib.contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """A connection to which the database stands still, while others write."""
    if database.is_sqlite:
        with database.reading() as session:
            yield session.connection()
        return
    with database.engine.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ")
        take_your_time(snapshot)
        yield snapshot


def refuse_unless_empty(database: Database) -> None:
    """
    Raises:
        BackupError: there is something in it; with what that is.
    """
    with database.engine.connect() as connection:
        names = inspect(connection).get_table_names()
        strange = sorted(set(names) - set(Base.metadata.tables) - {_VERSION})
        found = [f"the table {name}, which is not ours" for name in strange]
        found += [
            f"{rows} rows of {name}"
            for name in sorted(set(names) - set(strange) - _ALWAYS_THERE)
            if (rows := connection.scalar(select(func.count()).select_from(table(name))))
        ]
    if found:
        where = database.url.render_as_string(hide_password=True)
        raise BackupError(f"{where} is not empty, it has {', '.join(found[:8])}: give an empty one")


def drop_tables(database: Database) -> None:
    """Drop the empty tables, so that others can take their place.

    Raises:
        BackupError: they are not empty.
    """
    refuse_unless_empty(database)
    with database.engine.begin() as connection:
        there = MetaData()
        there.reflect(connection)
        there.drop_all(connection)
