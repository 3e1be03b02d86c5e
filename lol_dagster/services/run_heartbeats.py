"""Heartbeats of run workers: how another host sees that one lives.

On its own host a worker's file lock tells more, and at once (worker_liveness.py). What shares a SQLite
database is on one host: there is none of this. On PostgreSQL each worker writes a row every ten seconds, dated
by the server's clock, so that the hosts' own may differ.

A run whose worker has been silent for a minute is given up by whoever looks: the row goes, and a worker that
was frozen or cut off for so long finds it gone when it comes back, and ends itself. Two never work on
one thing for longer than between two beats.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

from sqlalchemy import ColumnElement, CursorResult, delete, extract, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from lol_dagster.storage.database import Database, in_a_line
from lol_dagster.storage.models import RunWorker

_log = logging.getLogger(__name__)

BEAT_EVERY = 10.0
"""Seconds."""
SILENT_AFTER = 60.0
"""Seconds: six beats missed."""


def keep_beating(database: Database, run_id: str) -> Callable[[], None]:
    """Show that this process works on the run, from a thread, until the process ends; at once for the first
    time, if the database can be had.

    Should the run be given up meanwhile, this process ends.

    Returns:
        What ends the thread and takes the row away.
    """
    if database.is_sqlite:
        return lambda: None
    beats = _Beats(database, run_id)
    beats.beat()
    thread = threading.Thread(target=beats.go_on, name="run-heartbeat", daemon=True)
    thread.start()

    def end() -> None:
        beats.over.set()
        thread.join(BEAT_EVERY)
        forget(database, run_id)

    return end


@contextlib.contextmanager
def beating(database: Database, run_id: str) -> Iterator[None]:
    """As `keep_beating`, until the end of the block."""
    end = keep_beating(database, run_id)
    try:
        yield
    finally:
        end()


def state(database: Database, run_id: str) -> Literal["alive", "silent", "unknown"]:
    """Of the run's worker; `unknown`: it has never beaten, or not in this kind of database."""
    if database.is_sqlite:
        return "unknown"
    with database.reading() as session:
        is_silent = session.scalar(select(_is_silent()).where(RunWorker.run_id == run_id))
    return "unknown" if is_silent is None else "silent" if is_silent else "alive"


def give_up(database: Database, run_id: str) -> str | None:
    """Take the row of a worker that is silent.

    Returns:
        Which worker, in words; None if it has beaten meanwhile, or somebody else has given it up.
    """
    silent_one = delete(RunWorker).where(RunWorker.run_id == run_id, _is_silent())
    with database.writing() as session:
        found = session.execute(silent_one.returning(RunWorker.pid, RunWorker.host)).one_or_none()
    return f"process {found.pid} on {found.host}" if found else None


def forget(database: Database, run_id: str) -> None:
    """Take the row of a worker that has ended, if there is one; a database that fails keeps it."""
    if database.is_sqlite:
        return
    with contextlib.suppress(SQLAlchemyError), database.writing() as session:
        session.execute(delete(RunWorker).where(RunWorker.run_id == run_id))


def silent(database: Database) -> list[str]:
    """The runs whose workers have been silent for a minute: over, most of them."""
    if database.is_sqlite:
        return []
    with database.reading() as session:
        return list(session.scalars(select(RunWorker.run_id).where(_is_silent())))


class _Beats:
    def __init__(self, database: Database, run_id: str) -> None:
        self.over = threading.Event()
        self._database = database
        self._run_id = run_id
        self._has_begun = False

    def go_on(self) -> None:
        while not self.over.wait(BEAT_EVERY):
            self.beat()

    def beat(self) -> None:
        try:
            with self._database.writing(durable=False) as session:
                if not self._has_begun:
                    # Whoever works on a run is the last that was started on it.
                    row = {"host": socket.gethostname(), "pid": os.getpid(), "beat_at": _now()}
                    first = insert(RunWorker).values(run_id=self._run_id, **row)
                    session.execute(
                        first.on_conflict_do_update(index_elements=["run_id"], set_=row)
                    )
                    is_wanted = True
                else:
                    own = RunWorker.run_id == self._run_id
                    beat = update(RunWorker).where(own).values(beat_at=_now())
                    result = session.execute(beat)
                    assert isinstance(result, CursorResult)
                    is_wanted = result.rowcount > 0 or self.over.is_set()
        except SQLAlchemyError as error:
            _log.warning("The heartbeat of a run cannot be written: %s", in_a_line(error))
            return
        self._has_begun = True
        if not is_wanted:
            _end_this_process(self._run_id)


def _end_this_process(run_id: str) -> None:
    said = f"Run {run_id} was given up, as it gave no heartbeat for a minute: its worker ends"
    _log.error(said)
    sys.stderr.write(f"{said}\n")
    sys.stderr.flush()
    os._exit(1)


def _now() -> ColumnElement[Any]:
    return extract("epoch", func.clock_timestamp())


def _is_silent() -> ColumnElement[bool]:
    return _now() - func.greatest(RunWorker.beat_at, _answers_since()) > SILENT_AFTER


def _answers_since() -> ColumnElement[Any]:
    """While the server was away, nobody could beat."""
    return extract("epoch", func.pg_postmaster_start_time())
