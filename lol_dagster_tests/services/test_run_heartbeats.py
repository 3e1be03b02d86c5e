"""Workers of other hosts: real processes of which nothing is seen but their rows in PostgreSQL."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import ProgrammingError

from lol_dagster.services import run_heartbeats
from lol_dagster.services.run_heartbeats import Watch, beating, give_up, has_worker
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RunWorker
from lol_dagster_tests._support.run_workers import foreign_worker, minutes_pass
from lol_dagster_tests._support.waiting import wait_for

RUN = "0b2c9f4e-run"


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.dispose()


class ServerClock:
    """Of the server, as this process reads it."""

    ahead = 0.0
    """Seconds."""


@pytest.fixture
def server_clock(monkeypatch: pytest.MonkeyPatch) -> ServerClock:
    now, clock = run_heartbeats._now, ServerClock()
    monkeypatch.setattr(run_heartbeats, "_now", lambda: now() + clock.ahead)
    return clock


def beat_at(database: Database) -> float:
    with database.reading() as session:
        found = session.scalar(select(RunWorker.beat_at).where(RunWorker.run_id == RUN))
    assert found is not None
    return found


def looks(watch: Watch, times: int) -> list[list[str]]:
    """What each of several looks has found, as if ten seconds lay between them."""
    return [watch.look() for _ in range(times)]


def test_a_worker_that_is_killed_is_silent_after_a_minute_and_not_before(
    database: Database,
) -> None:
    watch = Watch(database)
    assert not has_worker(database, RUN)
    with foreign_worker(database, RUN) as worker:
        first = beat_at(database)
        wait_for("another heartbeat", lambda: beat_at(database) > first)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert looks(watch, 5) == [[]] * 5
    minutes_pass(database, 59 / 60)
    assert looks(watch, 5) == [[]] * 5
    assert give_up(database, RUN) is None
    minutes_pass(database, 2 / 60)
    assert looks(watch, 4)[-1] == [RUN]
    assert has_worker(database, RUN)
    assert give_up(database, RUN) == f"process {worker.pid} on {os.uname().nodename}"
    assert give_up(database, RUN) is None, "of two who look, one gives it up"
    assert not has_worker(database, RUN)


def test_a_dead_worker_is_found_as_soon_as_its_minute_is_over(
    database: Database, server_clock: ServerClock
) -> None:
    """Somebody who looks every ten seconds has missed it three times by then."""
    with foreign_worker(database, RUN):
        pass
    watch = Watch(database)
    found = []
    for _ in range(8):  # until it is silent for 10, 20, … 80 s, and a moment
        server_clock.ahead += 10
        found.append(watch.look())
    assert found == [[], [], [], [], [], [RUN], [RUN], [RUN]]


def test_a_server_that_stood_still_makes_nobody_silent(database: Database) -> None:
    """No statement has failed: one that waited meanwhile, and finds all beats a minute old, is answered first."""
    with foreign_worker(database, RUN) as worker:
        watch = Watch(database)
        os.kill(worker.pid, signal.SIGSTOP)
        assert watch.look() == []
        minutes_pass(database, 70 / 60)
        assert looks(watch, 3) == [[]] * 3
        assert watch.in_doubt == {RUN}
        before = beat_at(database)
        os.kill(worker.pid, signal.SIGCONT)
        wait_for("heartbeat", lambda: beat_at(database) > before)
        assert looks(watch, 5) == [[]] * 5
        assert watch.in_doubt == set()


def test_whoever_missed_beats_before_the_server_stood_still_is_not_given_up_for_it_either(
    database: Database, server_clock: ServerClock
) -> None:
    with foreign_worker(database, RUN):
        pass
    watch = Watch(database)
    server_clock.ahead = 40
    assert watch.look() == []
    server_clock.ahead = 110
    assert looks(watch, 2) == [[], []]
    assert watch.look() == [RUN], "only now half a minute has gone by in which it could beat"


def test_looking_begins_anew_after_a_failure(database: Database) -> None:
    with foreign_worker(database, RUN):
        pass
    watch = Watch(database)
    minutes_pass(database, 2)
    assert looks(watch, 3) == [[]] * 3
    rename(database, "run_workers", "elsewhere")
    with pytest.raises(ProgrammingError):
        watch.look()
    rename(database, "elsewhere", "run_workers")
    assert looks(watch, 4) == [[], [], [], [RUN]]


def test_a_frozen_worker_that_was_given_up_ends_itself_when_it_wakes(database: Database) -> None:
    with foreign_worker(database, RUN) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        minutes_pass(database, 1.1)
        assert give_up(database, RUN)
        os.kill(worker.pid, signal.SIGCONT)
        assert worker.wait(timeout=120) == 1
        assert worker.stderr is not None
        assert RUN in worker.stderr.read()
    assert not has_worker(database, RUN), "and takes no row of its own again"


def test_whoever_does_several_runs_leaves_no_row_behind(database: Database) -> None:
    with beating(database, RUN):
        assert has_worker(database, RUN)
    assert not has_worker(database, RUN)


def test_a_run_that_is_begun_anew_has_the_row_of_its_last_worker(database: Database) -> None:
    with database.writing() as session:
        session.add(RunWorker(run_id=RUN, host="elsewhere", pid=1, beat_at=0.0))
    watch = Watch(database)
    assert looks(watch, 4)[-1] == [RUN]
    with beating(database, RUN):
        assert watch.look() == []
        with database.reading() as session:
            row = session.get_one(RunWorker, RUN)
            assert (row.host, row.pid) == (os.uname().nodename, os.getpid())


def test_a_database_that_fails_for_a_moment_costs_a_beat_and_no_worker(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_heartbeats, "BEAT_EVERY", 0.05)
    rename(database, "run_workers", "elsewhere")
    with beating(database, RUN):
        rename(database, "elsewhere", "run_workers")
        wait_for("heartbeat", lambda: has_worker(database, RUN))


def test_whatever_keeps_a_beat_from_being_written_the_next_one_is_tried(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that has stopped beating would not learn that its run was given up, and go on beside another one."""
    monkeypatch.setattr(run_heartbeats, "BEAT_EVERY", 0.05)
    failed: list[bool] = []
    now = run_heartbeats._now

    def fail_once() -> ColumnElement[Any]:
        if has_worker(database, RUN) and not failed:
            failed.append(True)
            raise OSError("no file descriptors left")
        return now()

    monkeypatch.setattr(run_heartbeats, "_now", fail_once)
    with beating(database, RUN):
        wait_for("failure", lambda: failed)
        first = beat_at(database)
        wait_for("heartbeat", lambda: beat_at(database) > first)
    assert "The heartbeat of a run cannot be written: OSError" in caplog.text


def rename(database: Database, table: str, to: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


def test_on_one_host_nothing_is_written(sqlite_database: Database) -> None:
    with beating(sqlite_database, RUN), sqlite_database.reading() as session:
        assert session.scalars(select(RunWorker)).all() == []
    assert (has_worker(sqlite_database, RUN), Watch(sqlite_database).look()) == (False, [])
