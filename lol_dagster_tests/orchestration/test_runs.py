"""Runs whose process is gone, as run monitoring and `once` see them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import Engine, event

from lol_dagster.orchestration import runs
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.once import Once
from lol_dagster.orchestration.runs import (
    LivenessRunLauncher,
    end_overdue_workers,
    executing_batches,
    executing_run,
    fail_abandoned_runs,
    skip_while_unfinished,
    unfinished_batches,
    working_on,
)
from lol_dagster.services import run_heartbeats
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.run_workers import foreign_worker, minutes_pass, run_worker


@pytest.fixture(scope="module")
def prepared_instance(tmp_path_factory: pytest.TempPathFactory) -> dg.DagsterInstance:
    return prepare_instance(Settings(home=tmp_path_factory.mktemp("home")))


@pytest.fixture
def instance(prepared_instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """Without runs: making one takes longer than the tests."""
    yield prepared_instance
    for run in prepared_instance.get_runs():
        prepared_instance.delete_run(run.run_id)


def started_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTING, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id
    )
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.STARTED
    return found


def worker_of(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A process that shows that it works on the run; killed at the end of the block."""
    return run_worker(Path(instance.root_directory) / "run_workers" / run.run_id)


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_the_shipped_instance_checks_its_run_workers(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, LivenessRunLauncher)
    assert instance.run_monitoring_enabled
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_run_fails_when_its_worker_is_killed_and_not_before(
    instance: dg.DagsterInstance,
) -> None:
    run = started_run(instance)
    with worker_of(instance, run):
        assert health(instance, run) == WorkerStatus.RUNNING
    assert health(instance, run) == WorkerStatus.FAILED


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def of_code_server(**server: object) -> dict[str, str]:
    """The tag that Dagster's default launcher gives a run."""
    return {GRPC_INFO_TAG: json.dumps(server)}


HERE = of_code_server(host="localhost", socket="/tmp/code-server")


def test_a_run_that_has_just_begun_is_given_time_to_show_that_it_lives(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is STARTED a moment before its worker holds its file; after two minutes it never will."""
    run = started_run(instance, **HERE)
    assert health(instance, run) == WorkerStatus.RUNNING
    later(monkeypatch, 121)
    assert health(instance, run) == WorkerStatus.FAILED


def test_the_daemon_judges_no_run_that_may_be_another_hosts(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no key to our database. Those of `once` have no code server."""
    elsewhere = started_run(instance, **of_code_server(host="code.example", port=4000))
    of_once = started_run(instance)
    later(monkeypatch, 121)
    assert health(instance, elsewhere) == WorkerStatus.RUNNING
    assert health(instance, of_once) == WorkerStatus.RUNNING


def test_a_host_knows_its_own_workers_by_whatever_name_their_code_server_has(
    instance: dg.DagsterInstance,
) -> None:
    run = started_run(instance, **of_code_server(host="10.0.0.2", port=4000))
    with worker_of(instance, run):
        pass
    assert health(instance, run) == WorkerStatus.FAILED


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_without_a_daemon_once_marks_what_was_abandoned(
    instance: dg.DagsterInstance, any_database: Database
) -> None:
    abandoned, alive = started_run(instance), started_run(instance)
    with worker_of(instance, abandoned):
        pass
    with working_on(instance, alive.run_id, {}, any_database):
        fail_abandoned_runs(instance, any_database, [])
    assert status(instance, abandoned) == dg.DagsterRunStatus.FAILURE
    assert status(instance, alive) == dg.DagsterRunStatus.STARTED


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Database]:
    """A database that another host uses, too."""
    database = Database(postgres_url)
    yield database
    database.dispose()


def silent(shared: Database) -> list[str]:
    """What somebody has found who looked for half a minute."""
    watch = run_heartbeats.Watch(shared)
    return [watch.look() for _ in range(4)][-1]


def test_a_living_run_of_another_host_is_left_to_it_however_old_it_is(
    instance: dg.DagsterInstance, shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`once` on one host failed what `once` on another did, and did it a second time."""
    run = started_run(instance, **{"lol/batch": "true", "dagster-celery/queue": "asia"})
    with foreign_worker(shared, run.run_id):
        later(monkeypatch, 600)
        fail_abandoned_runs(instance, shared, silent(shared))
        assert status(instance, run) == dg.DagsterRunStatus.STARTED
        assert executing_batches(instance, shared) == {"asia": run.run_id}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_run_of_another_host_fails_when_its_worker_was_silent_for_a_minute(
    instance: dg.DagsterInstance, shared: Database, how: signal.Signals
) -> None:
    run = started_run(instance)
    with foreign_worker(shared, run.run_id) as worker:
        os.kill(worker.pid, how)
        fail_abandoned_runs(instance, shared, silent(shared))
        assert status(instance, run) == dg.DagsterRunStatus.STARTED
        minutes_pass(shared, 1.1)
        fail_abandoned_runs(instance, shared, silent(shared))
        assert status(instance, run) == dg.DagsterRunStatus.FAILURE
        said = [event.message for event in instance.all_logs(run.run_id)]
        assert [each for each in said if f"process {worker.pid} on" in each]


def test_a_run_of_another_host_that_never_showed_itself_fails_after_two_minutes(
    instance: dg.DagsterInstance, shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance)
    later(monkeypatch, 119)
    fail_abandoned_runs(instance, shared, silent(shared))
    assert status(instance, run) == dg.DagsterRunStatus.STARTED
    later(monkeypatch, 2)
    fail_abandoned_runs(instance, shared, silent(shared))
    assert status(instance, run) == dg.DagsterRunStatus.FAILURE


def test_a_worker_that_beats_just_before_it_would_be_given_up_goes_on(
    instance: dg.DagsterInstance, shared: Database
) -> None:
    run = started_run(instance)
    with foreign_worker(shared, run.run_id):
        fail_abandoned_runs(instance, shared, [run.run_id])
    assert status(instance, run) == dg.DagsterRunStatus.STARTED


def test_a_worker_that_is_silent_lives_where_its_lock_says_so(
    instance: dg.DagsterInstance, shared: Database
) -> None:
    """It cannot reach the database, perhaps: its own host knows better."""
    run = started_run(instance)
    with foreign_worker(shared, run.run_id):
        pass
    minutes_pass(shared, 1.1)
    with worker_of(instance, run):
        fail_abandoned_runs(instance, shared, silent(shared))
        assert status(instance, run) == dg.DagsterRunStatus.STARTED
    fail_abandoned_runs(instance, shared, silent(shared))
    assert status(instance, run) == dg.DagsterRunStatus.FAILURE


def test_once_looks_for_half_a_minute_before_it_gives_anybody_up(
    instance: dg.DagsterInstance, shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not looked before. For what is over it does not wait."""
    run, over = started_run(instance), started_run(instance)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, over.job_name), over.run_id
    )
    for each in (run, over):
        with foreign_worker(shared, each.run_id):
            pass
    minutes_pass(shared, 1.1)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    app: Any = SimpleNamespace(database=shared)
    once = Once(dg.Definitions(), instance, app, show=lambda *_: None)
    once._fail_abandoned_runs()
    assert status(instance, run) == dg.DagsterRunStatus.FAILURE
    assert waited == [10.0, 10.0, 10.0]
    with foreign_worker(shared, over.run_id):
        pass
    minutes_pass(shared, 1.1)
    once._fail_abandoned_runs()
    assert len(waited) == 3


def test_what_another_host_does_is_left_to_it_until_it_is_given_up(
    instance: dg.DagsterInstance, shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance)
    with foreign_worker(shared, run.run_id):
        pass
    minutes_pass(shared, 1.1)
    later(monkeypatch, 600)
    assert executing_run(instance, shared, run.job_name) == run.run_id
    fail_abandoned_runs(instance, shared, silent(shared))
    assert executing_run(instance, shared, run.job_name) is None


def test_rows_of_workers_go_when_their_runs_are_over(
    instance: dg.DagsterInstance, shared: Database
) -> None:
    run = started_run(instance)
    with foreign_worker(shared, run.run_id):
        pass
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
    )
    fail_abandoned_runs(instance, shared, silent(shared))
    assert run_heartbeats.has_worker(shared, run.run_id), "it may not have ended yet"
    minutes_pass(shared, 1.1)
    fail_abandoned_runs(instance, shared, silent(shared))
    assert not run_heartbeats.has_worker(shared, run.run_id)


def test_a_run_that_ends_while_once_looks_stays_what_it_became(
    instance: dg.DagsterInstance, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance)
    with worker_of(instance, run):
        pass

    def read_a_moment_too_late(*_: object) -> bool:
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
        )
        return True

    monkeypatch.setattr(runs, "worker_is_gone", read_a_moment_too_late)
    fail_abandoned_runs(instance, sqlite_database, [])
    assert status(instance, run) == dg.DagsterRunStatus.SUCCESS


def test_a_frozen_worker_is_killed_when_its_time_is_long_over_and_not_before(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have stopped in the middle of a transaction, for which everybody else would wait."""
    run = started_run(instance, **{"dagster/max_runtime": "300"})
    with worker_of(instance, run) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        record = instance.get_run_record_by_id(run.run_id)
        assert record is not None
        began = record.start_time or 0
        # Five minutes, two to end when it is asked to, one to end by itself.
        monkeypatch.setattr(time, "time", lambda: began + 470)
        assert end_overdue_workers(instance) == 0
        assert worker.poll() is None
        monkeypatch.setattr(time, "time", lambda: began + 490)
        assert end_overdue_workers(instance) == 1
        assert worker.wait(timeout=120) == -signal.SIGKILL
    assert health(instance, run) == WorkerStatus.FAILED


def test_a_run_is_executed_while_its_process_lives(
    instance: dg.DagsterInstance, sqlite_database: Database
) -> None:
    run = started_run(instance, **{"lol/batch": "true", "dagster-celery/queue": "sea"})
    with worker_of(instance, run):
        assert executing_run(instance, sqlite_database, run.job_name) == run.run_id
        assert executing_run(instance, sqlite_database, "another_job") is None
        assert executing_batches(instance, sqlite_database) == {"sea": run.run_id}
    assert executing_run(instance, sqlite_database, run.job_name) is None
    assert executing_batches(instance, sqlite_database) == {}
    assert unfinished_batches(instance)["sea"] == run.run_id


def test_a_run_that_nothing_has_started_is_not_executed(
    instance: dg.DagsterInstance, sqlite_database: Database
) -> None:
    """Where `up` was switched off for good, nothing starts it any more."""
    create_run_for_test(instance, job_name="waits", status=dg.DagsterRunStatus.NOT_STARTED)
    assert executing_run(instance, sqlite_database, "waits") is None


def test_what_is_running_is_read_from_the_runs_in_progress_alone(
    tmp_path: Path, sqlite_database: Database
) -> None:
    """A sensor asks every five seconds. By the job's name SQLite would walk all runs it ever had, by a
    tag all that have it: 15 to 30 ms among 50,000, and 1 ms by their status.
    """
    instance = prepare_instance(Settings(home=tmp_path))
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " FROM runs" in " ".join(statement.split()):
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        skip_while_unfinished(instance, "process_matches")
        executing_run(instance, sqlite_database, "process_matches")
        unfinished_batches(instance)
        executing_batches(instance, sqlite_database)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) == 4
    storage = instance.run_storage
    assert isinstance(storage, SqliteRunStorage)
    with storage.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            first = str(plan[0][-1])
            assert re.match(r"SEARCH runs USING INDEX \w+ \(status=\?\)", first), first


STUCK = """
import os, sys
from types import SimpleNamespace
from lol_dagster.orchestration import runs
from lol_dagster.storage.database import Database
runs._TO_END = 0.1
run = SimpleNamespace(run_id="a-run", tags={"dagster/max_runtime": "0.1"})
instance = SimpleNamespace(root_directory=sys.argv[1])
database = Database("sqlite://")
if sys.argv[2] == "begin_work":
    runs.begin_work(instance, run, database)
    os.read(0, 1)
with runs.working_on(instance, run.run_id, run.tags, database):
    os.read(0, 1)
"""


@pytest.mark.parametrize("way", ["begin_work", "working_on"])
def test_a_worker_that_is_stuck_in_a_system_call_ends_itself_after_its_time(
    tmp_path: Path, way: str
) -> None:
    """Nobody ever writes to its standard input. Both for the daemon's workers and for `once`."""
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, str(tmp_path), way],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as worker:
        assert worker.wait(timeout=60) == 1
        assert worker.stderr is not None
        assert b"Timeout" in worker.stderr.read()
