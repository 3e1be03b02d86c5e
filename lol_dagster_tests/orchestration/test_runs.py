"""Runs whose process is gone, as run monitoring and `once` see them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
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
from lol_dagster.orchestration.runs import (
    LivenessRunLauncher,
    end_overdue_workers,
    executing_run,
    fail_abandoned_runs,
    skip_while_unfinished,
    working_on,
)
from lol_dagster.settings import Settings

WORKER = """
import os, sys
from pathlib import Path
from lol_dagster.services.worker_liveness import alive_for_good
alive_for_good(Path(sys.argv[1]))
print("working", flush=True)
os.read(0, 1)
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> dg.DagsterInstance:
    return prepare_instance(Settings(home=tmp_path_factory.mktemp("home")))


def started_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTING, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id
    )
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.STARTED
    return found


def worker_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> subprocess.Popen[bytes]:
    """A process that shows that it works on the run."""
    file = Path(instance.root_directory) / "run_workers" / run.run_id
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    return worker


def kill(worker: subprocess.Popen[bytes]) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()


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
    worker = worker_of(instance, run)
    assert health(instance, run) == WorkerStatus.RUNNING
    kill(worker)
    assert health(instance, run) == WorkerStatus.FAILED


def test_a_run_that_has_just_begun_is_given_time_to_show_that_it_lives(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is STARTED a moment before its worker holds its file; after two minutes it never will."""
    run = started_run(instance)
    assert health(instance, run) == WorkerStatus.RUNNING
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 121)
    assert health(instance, run) == WorkerStatus.FAILED


def test_a_run_of_another_machine_is_not_judged_from_here(instance: dg.DagsterInstance) -> None:
    server = json.dumps({"host": "code.example", "port": 4000})
    run = started_run(instance, **{GRPC_INFO_TAG: server})
    kill(worker_of(instance, run))
    assert health(instance, run) == WorkerStatus.RUNNING


def test_without_a_daemon_once_marks_what_was_abandoned(instance: dg.DagsterInstance) -> None:
    abandoned, alive = started_run(instance), started_run(instance)
    kill(worker_of(instance, abandoned))
    with working_on(instance, alive.run_id, {}):
        fail_abandoned_runs(instance)
    statuses = {
        run.run_id: run.status for run in instance.get_runs() if run.run_id in
        {abandoned.run_id, alive.run_id}
    }  # fmt: skip
    assert statuses == {
        abandoned.run_id: dg.DagsterRunStatus.FAILURE,
        alive.run_id: dg.DagsterRunStatus.STARTED,
    }


def test_a_run_that_ends_while_once_looks_stays_what_it_became(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance)
    kill(worker_of(instance, run))

    def read_a_moment_too_late(*_: object) -> bool:
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
        )
        return True

    monkeypatch.setattr(runs, "worker_is_gone", read_a_moment_too_late)
    fail_abandoned_runs(instance)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.SUCCESS


def test_a_frozen_worker_is_killed_when_its_time_is_long_over_and_not_before(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have stopped in the middle of a transaction, for which everybody else would wait."""
    run = started_run(instance, **{"dagster/max_runtime": "300"})
    worker = worker_of(instance, run)
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
    worker.communicate()
    assert health(instance, run) == WorkerStatus.FAILED


def test_a_run_is_executed_while_its_process_lives(instance: dg.DagsterInstance) -> None:
    run = started_run(instance, **{"lol/batch": "true"})
    worker = worker_of(instance, run)
    assert executing_run(instance, run.job_name, {"lol/batch": "true"}) == run.run_id
    assert executing_run(instance, run.job_name, {"lol/batch": "other"}) is None
    kill(worker)
    assert executing_run(instance, run.job_name, {"lol/batch": "true"}) is None


def test_a_run_that_nothing_has_started_is_not_executed(instance: dg.DagsterInstance) -> None:
    """Where `up` was switched off for good, nothing starts it any more."""
    create_run_for_test(instance, job_name="waits", status=dg.DagsterRunStatus.NOT_STARTED)
    assert executing_run(instance, "waits") is None


def test_what_is_running_is_read_from_the_runs_in_progress_alone(
    instance: dg.DagsterInstance,
) -> None:
    """A sensor asks every five seconds. By the job's name SQLite would walk all runs it ever had, by a
    tag all that have it: 15 to 30 ms among 50,000, and 1 ms by their status.
    """
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " FROM runs" in " ".join(statement.split()):
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        skip_while_unfinished(instance, "process_matches", {"lol/batch": "true"})
        executing_run(instance, "process_matches", {"lol/batch": "true"})
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) == 2
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
runs._TO_END = 0.1
run = SimpleNamespace(run_id="a-run", tags={"dagster/max_runtime": "0.1"})
instance = SimpleNamespace(root_directory=sys.argv[1])
if sys.argv[2] == "begin_work":
    runs.begin_work(instance, run)
    os.read(0, 1)
with runs.working_on(instance, run.run_id, run.tags):
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
