"""Backups of a PostgreSQL database: `pg_dump`'s custom format, of one snapshot while others write."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text

from lol_dagster.backups.contents import Contents, count_rows, snapshot
from lol_dagster.backups.files import BackupError
from lol_dagster.backups.postgres_tools import Tools, connect_argument, tools_for
from lol_dagster.storage.database import Database

SUFFIX = "pgdump"
_COPY = re.compile(rb'COPY (?:\S+\.)?"?(\w+)"? \((.*)\) FROM stdin;')
_VERSION = "alembic_version"
_VERSION_DATA = rf" TABLE DATA \S+ {_VERSION} "


def dump(database: Database, target: Path) -> Contents:
    """Dump the database as it stands at one moment; writers go on meanwhile.

    Returns:
        What stood in it at that moment.

    Raises:
        BackupError: there is no fitting `pg_dump`, or it failed.
    """
    with snapshot(database) as connection:
        name = connection.scalar(text("SELECT pg_export_snapshot()"))
        with tools_for(database.url, _server_version(connection)) as tools:
            tools.run(
                "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
                f"--snapshot={name}", f"--file={target}", connect_argument(),
            )  # fmt: skip
        tables = connection.scalars(
            text(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
                "AND tablename != 'alembic_version' ORDER BY tablename"
            )
        ).all()
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        rows = connection.execute(text(count_rows(tables))).all()
        return Contents(str(revision), {str(name): int(count) for name, count in rows})


@dataclass
class Read:
    """What stands in a dump, from reading all of it."""

    contents: Contents
    facts: dict[str, object] = field(default_factory=dict)


def read(database: Database, file: Path) -> Read:
    """Read a dump from its first byte to its last.

    Args:
        database: Whose server's programs read it.

    Raises:
        BackupError: it is damaged, or no dump of ours.
    """
    with database.engine.connect() as connection:
        version = _server_version(connection)
    with tools_for(database.url, version) as tools:
        return _read(tools, file)


def _read(tools: Tools, file: Path) -> Read:
    rows: dict[str, int] = {}
    facts: dict[str, object] = {}
    revision = None
    table = ""
    columns: list[str] = []
    with tools.reading("pg_restore", "--data-only", "--file=-", file) as lines:
        for line in lines:
            if not table:
                if match := _COPY.match(line):
                    table = match[1].decode()
                    columns = [name.strip('" ') for name in match[2].decode().split(",")]
                    rows[table] = 0
            elif line == b"\\.\n":
                table = ""
            else:
                rows[table] += 1
                if table == _VERSION:
                    revision = line.decode().strip()
                elif table == "facts":
                    cells = dict(zip(columns, line.decode().rstrip("\n").split("\t"), strict=True))
                    facts[cells["name"]] = json.loads(cells["value"].replace("\\\\", "\\"))
    if revision is None:
        raise BackupError(f"{file} is no backup of lol_dagster's database")
    rows.pop(_VERSION)
    return Read(Contents(revision, rows), facts)


def restore(
    database: Database, file: Path, revision: str, *, before_it_opens: Callable[[Connection], None]
) -> None:
    """Bring a dump back into a database without tables.

    The schema's version comes last, together with what `before_it_opens` does: until then no
    lol_dagster takes the database for one that it can use.

    Raises:
        BackupError: it failed; what is there must be dropped before it is tried again.
    """
    with database.engine.connect() as connection:
        version = _server_version(connection)
    with tools_for(database.url, version) as tools, tempfile.TemporaryDirectory() as folder:
        listed = tools.run("pg_restore", "--list", file).splitlines()
        wanted = Path(folder) / "list"
        wanted.write_text("\n".join(line for line in listed if not re.search(_VERSION_DATA, line)))
        tools.run(
            "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner",
            "--no-privileges", f"--use-list={wanted}", connect_argument(), file,
        )  # fmt: skip
    with database.engine.begin() as connection:
        before_it_opens(connection)
        connection.execute(
            text("INSERT INTO alembic_version (version_num) VALUES (:revision)"),
            {"revision": revision},
        )


def _server_version(connection: Connection) -> int:
    return int(connection.scalar(text("SHOW server_version_num")) or 0)
