"""Run workers that are real processes: of this host, and of another one."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import update

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RunWorker
from lol_dagster_tests._support.processes import interpreter

WORKER = """
import os, sys
from pathlib import Path
from lol_dagster.services.worker_liveness import alive_for_good
alive_for_good(Path(sys.argv[1]))
print("ready", flush=True)
os.read(0, 1)
"""
_FOREIGN_WORKER = """
import os, sys
from lol_dagster.services import run_heartbeats
from lol_dagster.storage.database import Database
run_heartbeats.BEAT_EVERY = 0.05
run_heartbeats.keep_beating(Database(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
os.read(0, 1)
"""


def run_worker(file: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Holds the file that shows that it lives, from when it is there until it is killed."""
    return interpreter(WORKER, str(file))


def foreign_worker(
    database: Database, run_id: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Another host's: nothing is seen of it but its heartbeats, until it is killed."""
    url = database.url.render_as_string(hide_password=False)
    return interpreter(_FOREIGN_WORKER, url, run_id)


def minutes_pass(database: Database, minutes: float) -> None:
    """Let all heartbeats have been so much earlier."""
    with database.writing() as session:
        session.execute(update(RunWorker).values(beat_at=RunWorker.beat_at - 60 * minutes))
