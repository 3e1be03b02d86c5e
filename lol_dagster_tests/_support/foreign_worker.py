"""A run worker of another host, of which nothing is seen here but its heartbeats."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import update

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RunWorker

_WORKER = """
import os, sys
from lol_dagster.services import run_heartbeats
from lol_dagster.storage.database import Database
run_heartbeats.BEAT_EVERY = 0.05
run_heartbeats.keep_beating(Database(sys.argv[1]), sys.argv[2])
print("working", flush=True)
os.read(0, 1)
"""


@contextmanager
def foreign_worker(database: Database, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """Beats from when it is there until it is killed, at the latest at the end of the block."""
    url = database.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, url, run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        try:
            yield worker
        finally:
            worker.kill()


def minutes_pass(database: Database, minutes: float) -> None:
    """Let all heartbeats have been so much earlier."""
    with database.writing() as session:
        session.execute(update(RunWorker).values(beat_at=RunWorker.beat_at - 60 * minutes))
