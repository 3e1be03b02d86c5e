"""Insert what is not there yet, in one statement, on either database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Base


def insert_if_absent(
    session: Session, model: type[Base], rows: Sequence[dict[str, Any]]
) -> list[tuple[Any, ...]]:
    """Insert those rows whose keys nobody else has inserted, also in this moment.

    Args:
        rows: Attribute name → value; the same names in each.

    Returns:
        The primary keys of the rows that are new.
    """
    if not rows:
        return []
    key = inspect(model).primary_key
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if is_sqlite else postgresql.insert
    statement = insert(model).values(list(rows)).on_conflict_do_nothing().returning(*key)
    return [tuple(row) for row in session.execute(statement)]
