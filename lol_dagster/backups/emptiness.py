"""Whether a database holds anything that a restored or moved one would overwrite."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, Table, func, inspect, select

from lol_dagster.backups.files import BackupError
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Base

_VERSION = "alembic_version"
_NOTHING_WORTH = frozenset({_VERSION, "facts"})
"""What every command that looks at an empty database leaves behind."""


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
            for name in sorted(set(names) - set(strange) - _NOTHING_WORTH)
            if (rows := _rows(connection, name))
        ]
    if found:
        where = database.url.render_as_string(hide_password=True)
        raise BackupError(f"{where} is not empty, it has {', '.join(found[:8])}: give an empty one")


def drop_tables(database: Database) -> None:
    """Take the empty tables away, so that others can take their place.

    Raises:
        BackupError: they are not empty.
    """
    refuse_unless_empty(database)
    with database.engine.begin() as connection:
        there = MetaData()
        there.reflect(connection)
        there.drop_all(connection)


def _rows(connection: Connection, name: str) -> int:
    table = Table(name, MetaData())
    return connection.scalar(select(func.count()).select_from(table)) or 0
