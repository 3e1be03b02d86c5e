"""Backups of a PostgreSQL database: `pg_dump`'s custom format, of one snapshot while others write.

What PostgreSQL's own programs connect with stands in a service file of their own that only we can
read: a password on a command line is everybody's to see.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Connection, text

from lol_dagster.backups.contents import Contents, count_rows, snapshot
from lol_dagster.backups.files import BackupError
from lol_dagster.storage.database import Database

SUFFIX = "pgdump"
TIMEOUT_S = 1800.0
"""Of one call."""
DEBIANS_FOLDER = Path("/usr/lib/postgresql")
_SERVICE = "lol"
_CONNECT = f"--dbname=service={_SERVICE}"
"""Has a program read the service file."""
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
        with _tools_for(database) as tools:
            tools.run(
                "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
                f"--snapshot={name}", f"--file={target}", _CONNECT,
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


class Read(NamedTuple):
    """What stands in a dump, from reading all of it."""

    contents: Contents
    facts: dict[str, object]


def read(database: Database, file: Path) -> Read:
    """Read a dump from its first byte to its last.

    Args:
        database: Whose server's programs read it.

    Raises:
        BackupError: it is damaged, or no dump of ours.
    """
    rows: dict[str, int] = {}
    facts: dict[str, object] = {}
    revision = None
    table = ""
    columns: list[str] = []
    with (
        _tools_for(database) as tools,
        tools.reading("pg_restore", "--data-only", "--file=-", file) as lines,
    ):
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
    with _tools_for(database) as tools, tempfile.TemporaryDirectory() as folder:
        listed = tools.run("pg_restore", "--list", file).splitlines()
        wanted = Path(folder) / "list"
        wanted.write_text("\n".join(line for line in listed if not re.search(_VERSION_DATA, line)))
        tools.run(
            "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner",
            "--no-privileges", f"--use-list={wanted}", _CONNECT, file,
        )  # fmt: skip
    with database.engine.begin() as connection:
        before_it_opens(connection)
        connection.execute(
            text("INSERT INTO alembic_version (version_num) VALUES (:revision)"),
            {"revision": revision},
        )


@dataclass(frozen=True)
class _Tools:
    """The folder with both programs."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, program: str, *arguments: str | Path) -> str:
        """What the program prints.

        Raises:
            BackupError: it failed or took too long; with what it said.
        """
        with self.reading(program, *arguments) as lines:
            return b"".join(lines).decode(errors="replace")

    @contextlib.contextmanager
    def reading(self, program: str, *arguments: str | Path) -> Iterator[Iterator[bytes]]:
        """The lines that the program prints, while it prints them.

        Raises:
            BackupError: it failed or took too long; with what it said.
        """
        # Not through a pipe of its own: whoever reads two at once may wait forever.
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                [self.folder / program, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
            assert process.stdout is not None
            too_long = threading.Timer(TIMEOUT_S, process.kill)
            too_long.start()
            try:
                yield iter(process.stdout)
            except BaseException:
                process.kill()
                raise
            finally:
                process.stdout.close()
                status = process.wait()
                too_long.cancel()
            if status != 0:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip()
                why = said or ("it took too long" if status == -9 else f"status {status}")
                raise BackupError(f"{program} failed: {' '.join(why.split())[:500]}")


@contextlib.contextmanager
def _tools_for(database: Database) -> Iterator[_Tools]:
    """The programs, ready to talk to the database (`--dbname=service=lol`).

    Raises:
        BackupError: there are none that are at least as new as the server.
    """
    with database.engine.connect() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0)  # 150018 is 15.18
    folder = _find(version // 10000)
    with tempfile.TemporaryDirectory(prefix="lol-pg-") as private:
        service_file = Path(private) / "service"
        service_file.touch(mode=0o600)
        service_file.write_text(_service(database.url))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "PGSERVICEFILE": str(service_file),
            "PGCONNECT_TIMEOUT": "10",
            "LC_ALL": "C.UTF-8",
        }
        yield _Tools(folder, environment)


def _service(url: URL) -> str:
    from psycopg2.extensions import parse_dsn

    # Through libpq's own reading of the URL, so that each of its options keeps its meaning.
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = "".join(f"{name}={value}\n" for name, value in parse_dsn(plain).items())
    return f"[{_SERVICE}]\n{options}"


def _find(server_major: int) -> Path:
    """The oldest that will do: a dump is best restored by the version that made it."""
    found: dict[Path, int] = {}
    on_path = shutil.which("pg_dump")
    folders = [*DEBIANS_FOLDER.glob("*/bin"), *([Path(on_path).parent] if on_path else [])]
    for folder in folders:
        if (folder / "pg_dump").exists() and (folder / "pg_restore").exists():
            found[folder] = _major(folder / "pg_dump")
    fitting = [folder for folder, major in found.items() if major >= server_major]
    if not fitting:
        have = f"only version {max(found.values())} is here" if found else "there is none here"
        raise BackupError(
            f"pg_dump of PostgreSQL {server_major} or newer is needed and {have}: install "
            f"postgresql-client-{server_major} (Debian, Ubuntu) or put pg_dump on the PATH"
        )
    return min(fitting, key=lambda folder: found[folder])


def _major(program: Path) -> int:
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"\) (\d+)", said.stdout)
    return int(match[1]) if match else 0
