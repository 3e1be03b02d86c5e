"""Which runs are running, and their workers: noticed when they are gone, ended when they hang.

Dagster's default launcher cannot tell whether a run's worker lives: only the code server that
started it notices its end. When that has died, too (a killed `up`, a machine that was booted in the
middle of a run), the run would count as running until its `dagster/max_runtime`, and everything that
skips meanwhile would wait. Here each worker shows that it lives; run monitoring asks every half
minute, marks a run without a worker as failed, and run retries start it again.

On the worker's own host a file lock tells, at once. To other hosts its heartbeats in our database do: Dagster's
daemon, which has no key to that, judges no run of theirs. The code server does, and `once`.

`dagster/max_runtime` asks a worker to end; one that is stuck in a system call does not notice.
So each worker ends itself a little later, whatever it is stuck in. One that is frozen cannot even
do that, and may have stopped in the middle of a transaction: it is killed from outside.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG

from lol_dagster.orchestration.partitions import BATCH_TAG, NO_ROUTE, QUEUE_TAG
from lol_dagster.services import run_heartbeats, worker_liveness
from lol_dagster.storage.database import Database
from lol_dagster.storage.file_locks import end_owner, hold, is_held
from lol_dagster.storage.server_locks import ServerLock, owner_of

log = logging.getLogger(__name__)

MAX_RUNTIME_TAG = "dagster/max_runtime"
"""Seconds, as text; run monitoring ends a run that takes longer."""
LONGEST_RUN = 900.0
"""Seconds; dagster.yaml's `max_runtime_seconds`, for runs without the tag."""
_TO_END = 120.0
"""How long a worker may take to end after it was asked to: more than run monitoring's interval."""
_TO_KILL = 60.0
"""How long it may take to end itself: only then it is taken to be frozen."""
_TO_BEGIN = 120.0
"""A run is `STARTED` a moment before its worker shows that it lives."""
_DELIVERING = "delivering"
_THIS_MACHINE = {"127.0.0.1", "localhost"}


_begun: set[str] = set()
"""Ids of runs that this process works on."""


class LivenessRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, which can also tell whether a worker lives.

    Names in dagster.yaml lead here. For runs of this host's code server only.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that executes this run is there."""
        if worker_is_gone(self._instance, run, None):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process has ended")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def unfinished_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """All runs that are queued, starting, running or being cancelled, the newest first.

    Asked for by their status alone, here and below: with a job's name or a tag beside it, SQLite
    walks all runs that the job ever had.
    """
    return list(instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)))


def skip_while_unfinished(instance: dg.DagsterInstance, job_name: str) -> dg.SkipReason | None:
    """Why no other run of the job is asked for: one is not finished. None: none is.

    A run whose worker was killed counts as running until run monitoring ends it.
    """
    runs = (run for run in unfinished_runs(instance) if run.job_name == job_name)
    return next((dg.SkipReason(f"Run {run.run_id[:8]} is still running") for run in runs), None)


def unfinished_batches(instance: dg.DagsterInstance) -> dict[str, str]:
    """Queue → id of a run over a batch of games of that route which is not finished."""
    return {
        run.tags.get(QUEUE_TAG, NO_ROUTE): run.run_id
        for run in unfinished_runs(instance)
        if BATCH_TAG in run.tags
    }


def begin_work(instance: dg.DagsterInstance, run: dg.DagsterRun, database: Database) -> None:
    """Show that this process works on the run, and let it end when it takes too long.

    For a process that executes one run and then ends; called again it changes nothing.
    """
    if run.run_id in _begun:
        return
    _begun.add(run.run_id)
    _forget_ended(instance)
    worker_liveness.alive_for_good(_file(instance, run.run_id))
    worker_liveness.end_after(_longest(run.tags) + _TO_END)
    run_heartbeats.keep_beating(database, run.run_id)


@contextmanager
def working_on(
    instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str], database: Database
) -> Iterator[None]:
    """As `begin_work`, for a process that executes one run after the other."""
    with (
        worker_liveness.alive(_file(instance, run_id)),
        worker_liveness.ended_after(_longest(tags) + _TO_END),
        run_heartbeats.beating(database, run_id),
    ):
        yield


@contextmanager
def delivering(home: Path, database: Database) -> Iterator[bool]:
    """Whether this process delivers during the block, and no other that has this database: two at once would
    not post a channel's messages in their order. They would post none twice, which the protocol sees to.
    """
    release = _alone_delivering(home, database)
    if release is None:
        yield False
        return
    try:
        yield True
    finally:
        release()


def _alone_delivering(home: Path, database: Database) -> Callable[[], None] | None:
    if not database.is_sqlite:
        lock = ServerLock(database, _DELIVERING)
        return lock.release if lock.take() else None
    try:
        handle = hold(home / f"{_DELIVERING}.lock", within=0)
    except BlockingIOError:
        return None
    return lambda: os.close(handle)


def is_delivering(home: Path, database: Database) -> bool:
    """Whether a process is delivering."""
    if not database.is_sqlite:
        return owner_of(database, _DELIVERING) is not None
    file = home / f"{_DELIVERING}.lock"
    return file.exists() and is_held(file)


def worker_is_gone(
    instance: dg.DagsterInstance, run: dg.DagsterRun, database: Database | None
) -> bool:
    """Whether no process executes this run any more, although it is said to be running. One on another host
    that is silent has to be given up first (`fail_abandoned_runs`).

    Args:
        database: Ours; None: it cannot be asked here, and a run that may be another host's is not judged.
    """
    match worker_liveness.liveness(_file(instance, run.run_id)):
        case "alive":
            return False
        case "dead":
            return True
    if database is None and not _is_of_code_server_here(run):
        return False
    if database is not None and run_heartbeats.has_worker(database, run.run_id):
        return False
    record = instance.get_run_record_by_id(run.run_id)
    began = record.start_time if record else None
    return began is not None and time.time() - began > _TO_BEGIN


def _is_of_code_server_here(run: dg.DagsterRun) -> bool:
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return server.get("host") in _THIS_MACHINE


def executing_run(instance: dg.DagsterInstance, database: Database, job_name: str) -> str | None:
    """The id of a run of the job that a living process executes, if there is one.

    Unlike `skip_while_unfinished` it counts no run that waits in the queue: where there is no daemon
    it would wait forever.
    """
    found = (run.run_id for run in _executing(instance, database) if run.job_name == job_name)
    return next(found, None)


def executing_batches(instance: dg.DagsterInstance, database: Database) -> dict[str, str]:
    """As `unfinished_batches`, of those that a living process executes."""
    return {
        run.tags.get(QUEUE_TAG, NO_ROUTE): run.run_id
        for run in _executing(instance, database)
        if BATCH_TAG in run.tags
    }


def _executing(instance: dg.DagsterInstance, database: Database) -> Iterator[dg.DagsterRun]:
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if not worker_is_gone(instance, run, database):
            yield run


def end_overdue_workers(instance: dg.DagsterInstance) -> int:
    """Kill the workers of this machine that should have ended themselves and have not: frozen ones.

    Returns:
        How many there were.
    """
    ended = 0
    for file in _folder(instance).glob("*"):
        if worker_liveness.liveness(file) != "alive":
            continue
        record = instance.get_run_record_by_id(file.name)
        if record is None or record.start_time is None:
            continue
        longest = _longest(record.dagster_run.tags) + _TO_END + _TO_KILL
        if time.time() - record.start_time > longest and end_owner(file):
            log.warning("Killed the frozen worker of run %s", file.name)
            ended += 1
    return ended


def fail_abandoned_runs(
    instance: dg.DagsterInstance, database: Database, silent: Collection[str]
) -> None:
    """Mark as failed the runs whose process has ended in the middle of them, or is silent.

    Where no daemon runs, which would do so by itself; and of other hosts' runs, which it cannot see.

    Args:
        silent: As `Watch.look` has found.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        said = "The process that executed this run has ended."
        if run.run_id in silent and not _is_alive_here(instance, run):
            worker = run_heartbeats.give_up(database, run.run_id)
            if worker is None:
                continue
            said = f"Its worker, {worker}, has given no heartbeat for a minute."
        elif not worker_is_gone(instance, run, database):
            continue
        # It may have finished, and its worker with it, since it was read.
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:
            instance.report_run_failed(now, said)
    for run_id in silent:
        over = instance.get_run_by_id(run_id)
        if over is None or over.is_finished:
            run_heartbeats.forget(database, run_id)


def _is_alive_here(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """By its lock, which tells more than its heartbeats."""
    return worker_liveness.liveness(_file(instance, run.run_id)) == "alive"


def _forget_ended(instance: dg.DagsterInstance) -> None:
    """Remove the files of workers whose runs are over."""
    for file in _folder(instance).glob("*"):
        if worker_liveness.liveness(file) == "dead":
            run = instance.get_run_by_id(file.name)
            if run is None or run.is_finished:
                file.unlink(missing_ok=True)


def _longest(tags: Mapping[str, str]) -> float:
    return float(tags.get(MAX_RUNTIME_TAG, LONGEST_RUN))


def _file(instance: dg.DagsterInstance, run_id: str) -> Path:
    return _folder(instance) / run_id


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "run_workers"
