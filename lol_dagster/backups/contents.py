"""What a database holds, in numbers: how a copy is compared with what it was taken from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from lol_dagster.storage.database import Database


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
        yield connection.execution_options(isolation_level="REPEATABLE READ")
