"""PostgreSQL's own programs, `pg_dump` and `pg_restore`: finding them, and telling them where to go.

What they connect with stands in a service file of their own that only we can read: a password on a
command line is everybody's to see.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import parse_dsn
from sqlalchemy import URL

from lol_dagster.backups.files import BackupError

TIMEOUT_S = 1800.0
"""Of one call."""
DEBIANS_FOLDER = Path("/usr/lib/postgresql")
_SERVICE = "lol"


@dataclass(frozen=True)
class Tools:
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
        # Not through a pipe of its own: who reads two at once may wait for ever.
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
def tools_for(url: URL, server_version: int) -> Iterator[Tools]:
    """The programs, ready to talk to the database (`--dbname=service=lol`).

    Args:
        server_version: As in `server_version_num`: 150018 is 15.18.

    Raises:
        BackupError: there are none that are at least as new as the server.
    """
    folder = _find(server_version // 10000)
    with tempfile.TemporaryDirectory(prefix="lol-pg-") as private:
        service_file = Path(private) / "service"
        service_file.touch(mode=0o600)
        service_file.write_text(_service(url))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "PGSERVICEFILE": str(service_file),
            "PGCONNECT_TIMEOUT": "10",
            "LC_ALL": "C.UTF-8",
        }
        yield Tools(folder, environment)


def connect_argument() -> str:
    """What tells them to use the service file."""
    return f"--dbname=service={_SERVICE}"


def _service(url: URL) -> str:
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
    arguments: Sequence[str | Path] = [program, "--version"]
    try:
        said = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"\) (\d+)", said.stdout)
    return int(match[1]) if match else 0
