"""Whether a database is sound."""

from __future__ import annotations

from sqlalchemy import text

from lol_dagster.storage.database import Database


def damage(database: Database) -> list[str]:
    """What is wrong with the database's pages, indexes and references; empty: nothing.

    On PostgreSQL the server looks after its pages itself: nothing is looked for there.
    """
    if not database.is_sqlite:
        return []
    with database.reading() as session:
        pages = session.execute(text("PRAGMA integrity_check(20)")).scalars()
        found = [line for line in pages if line != "ok"]
        for table, row, parent, _ in session.execute(text("PRAGMA foreign_key_check")):
            found.append(f"row {row} of {table} refers to a row of {parent} that is not there")
    return found
