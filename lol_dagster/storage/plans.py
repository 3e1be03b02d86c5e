"""By which index a database comes to the rows that are asked for, where its own choice is not to be relied upon."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, FromClause, Select, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.orm import Session


def through(query: Select[*tuple[Any, ...]], model: type, index: str) -> Select[*tuple[Any, ...]]:
    """Have SQLite go through this index, and fail where the query does not allow for it.

    Without statistics, or with those of another time, it takes the few rows of a partial index for many, and
    walks all that there are in the order in which they are wanted.
    """
    return query.with_hint(model, f"INDEXED BY {index}", "sqlite")


def read_by_index(session: Session) -> None:
    """Have PostgreSQL read no table from end to end in this transaction where an index leads to the rows: without
    statistics, or where conditions depend on each other, it takes few rows for many.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))


def take_hints(engine: Engine) -> None:
    """Let what `through` says reach SQLite: SQLAlchemy itself has no hints for it."""
    engine.dialect.statement_compiler = _WithHints


class _WithHints(SQLiteCompiler):
    def get_from_hint_text(self, _table: FromClause, text: str | None) -> str | None:
        return text
