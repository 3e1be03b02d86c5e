"""Workers of other hosts: real processes of which nothing is seen but their rows in PostgreSQL."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import literal, select

from lol_dagster.services import run_heartbeats
from lol_dagster.services.run_heartbeats import beating, give_up, silent, state
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RunWorker
from lol_dagster_tests._support.foreign_worker import foreign_worker, minutes_pass
from lol_dagster_tests._support.waiting import wait_for

RUN = "0b2c9f4e-run"


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """On a server that has been there forever."""
    monkeypatch.setattr(run_heartbeats, "_answers_since", lambda: literal(0.0))
    database = Database(postgres_url)
    yield database
    database.dispose()


def beat_at(database: Database) -> float:
    with database.reading() as session:
        found = session.scalar(select(RunWorker.beat_at).where(RunWorker.run_id == RUN))
    assert found is not None
    return found


def test_a_worker_that_is_killed_is_silent_after_a_minute_and_not_before(
    database: Database,
) -> None:
    assert state(database, RUN) == "unknown"
    with foreign_worker(database, RUN) as worker:
        first = beat_at(database)
        wait_for("another heartbeat", lambda: beat_at(database) > first)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert state(database, RUN) == "alive", "half a minute ago it was"
    minutes_pass(database, 59 / 60)
    assert state(database, RUN) == "alive"
    assert give_up(database, RUN) is None
    minutes_pass(database, 2 / 60)
    assert (state(database, RUN), silent(database)) == ("silent", [RUN])
    assert give_up(database, RUN) == f"process {worker.pid} on {os.uname().nodename}"
    assert give_up(database, RUN) is None, "of two who look, one gives it up"


def test_a_frozen_worker_that_was_given_up_ends_itself_when_it_wakes(database: Database) -> None:
    with foreign_worker(database, RUN) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        minutes_pass(database, 1.1)
        assert give_up(database, RUN)
        os.kill(worker.pid, signal.SIGCONT)
        assert worker.wait(timeout=120) == 1
        assert worker.stderr is not None
        assert RUN in worker.stderr.read().decode()
    assert state(database, RUN) == "unknown", "and takes no row of its own again"


def test_a_server_that_was_away_makes_nobody_silent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with foreign_worker(database, RUN):
        pass
    minutes_pass(database, 5)
    assert state(database, RUN) == "silent"
    monkeypatch.setattr(run_heartbeats, "_answers_since", lambda: run_heartbeats._now() - 59)
    assert state(database, RUN) == "alive", "the server is back for less than a minute"


def test_since_when_the_server_answers_is_what_it_says_itself(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.reading() as session:
        age = session.scalar(select(run_heartbeats._now() - run_heartbeats._answers_since()))
    database.dispose()
    # It was started for these tests: they do not take a day.
    assert age is not None
    assert 0 < age < 86400


def test_whoever_does_several_runs_leaves_no_row_behind(database: Database) -> None:
    with beating(database, RUN):
        assert state(database, RUN) == "alive"
    assert state(database, RUN) == "unknown"


def test_a_run_that_is_begun_anew_has_the_row_of_its_last_worker(database: Database) -> None:
    with database.writing() as session:
        session.add(RunWorker(run_id=RUN, host="elsewhere", pid=1, beat_at=0.0))
    assert state(database, RUN) == "silent"
    with beating(database, RUN):
        assert state(database, RUN) == "alive"
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
        wait_for("heartbeat", lambda: state(database, RUN) == "alive")


def rename(database: Database, table: str, to: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


def test_on_one_host_nothing_is_written(sqlite_database: Database) -> None:
    with beating(sqlite_database, RUN), sqlite_database.reading() as session:
        assert session.scalars(select(RunWorker)).all() == []
    assert (state(sqlite_database, RUN), silent(sqlite_database)) == ("unknown", [])
