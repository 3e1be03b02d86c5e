"""Heartbeats of run workers: how another host sees that one lives.

On its own host a worker's file lock tells more, and at once (worker_liveness.py). What shares a SQLite
database is on one host: there is none of this. On PostgreSQL each worker writes a row every ten seconds, dated
by the server's clock, so that the hosts' own may differ.

A run whose worker has been silent for a minute is given up by whoever looks: the row goes, and a worker that
was frozen or cut off for so long finds it gone when it comes back, and ends itself. Two never work on
one thing for longer than between two beats.

That its last beat is a minute old proves nothing by itself: a server that stood still, was restarted or had its
clock put right makes all workers look so, until they have beaten again. So a worker counts as silent only
if it was missed in several looks, between which the server has answered and a living one would have beaten.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

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
LOOK_EVERY = 10.0
"""Seconds: what a `Watch` wants between two looks."""
_MISSED_AFTER = 30.0
"""Seconds."""
_LOOKS = 4
"""Half a minute: a worker that was cut off together with everybody else has a new connection by then. The first one
is at half a minute of silence, so that a dead worker is noticed no later."""


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


def has_worker(database: Database, run_id: str) -> bool:
    """Whether a worker has beaten for the run, and was not given up since."""
    if database.is_sqlite:
        return False
    with database.reading() as session:
        return session.get(RunWorker, run_id) is not None


class Watch:
    """The heartbeats of all workers, as one process sees them look by look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._missed: dict[str, _Missed] = {}

    def look(self) -> list[str]:
        """The runs whose workers are silent: for a minute, and in several looks one after the other. Most of them
        are over.
        """
        if self._database.is_sqlite:
            return []
        # Without any if this fails: nobody could beat, perhaps.
        before, self._missed = self._missed, {}
        query = select(RunWorker.run_id, _silent_for())
        with self._database.reading() as session:
            rows = session.execute(query.where(_silent_for() > _MISSED_AFTER)).all()
        for run_id, silent_for in rows:
            looks = before[run_id].looks + 1 if run_id in before else 1
            self._missed[run_id] = _Missed(float(silent_for), looks)
        return [
            run_id for run_id, missed in self._missed.items() if missed.is_long and missed.is_sure
        ]

    @property
    def in_doubt(self) -> set[str]:
        """The runs whose workers have not beaten for a minute, and that one of the next looks will tell of."""
        return {
            run_id
            for run_id, missed in self._missed.items()
            if missed.is_long and not missed.is_sure
        }


class _Missed(NamedTuple):
    """A worker of which no new beat was found."""

    silent_for: float
    """Seconds, by the server's clock."""
    looks: int
    """That found it so, one after the other."""

    @property
    def is_long(self) -> bool:
        return self.silent_for > SILENT_AFTER

    @property
    def is_sure(self) -> bool:
        return self.looks >= _LOOKS


def give_up(database: Database, run_id: str) -> str | None:
    """Take the row of a worker that a `Watch` has found silent.

    Returns:
        Which worker, in words; None if it has beaten meanwhile, or somebody else has given it up.
    """
    silent_one = delete(RunWorker).where(RunWorker.run_id == run_id, _silent_for() > SILENT_AFTER)
    with database.writing() as session:
        found = session.execute(silent_one.returning(RunWorker.pid, RunWorker.host)).one_or_none()
    return f"process {found.pid} on {found.host}" if found else None


def forget(database: Database, run_id: str) -> None:
    """Take the row of a worker that has ended, if there is one; a database that fails keeps it."""
    if database.is_sqlite:
        return
    with contextlib.suppress(SQLAlchemyError), database.writing() as session:
        session.execute(delete(RunWorker).where(RunWorker.run_id == run_id))


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
        except Exception as error:  # noqa: BLE001 - without this thread nobody would see that the run was given up
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


def _silent_for() -> ColumnElement[float]:
    """Seconds since the last beat."""
    return _now() - RunWorker.beat_at
