"""Which runs are running, and their workers: noticed when they are gone, ended when they hang.

Dagster's default launcher cannot tell whether a run's worker lives: only the code server that
started it notices its end. When that has died, too (a killed `up`, a machine that was booted in the
middle of a run), the run would count as running until its `dagster/max_runtime`, and everything that
skips meanwhile would wait. Here each worker shows that it lives; run monitoring asks every half
minute, marks a run without a worker as failed, and run retries start it again.

`dagster/max_runtime` asks a worker to end; one that is stuck in a system call does not notice.
So each worker ends itself a little later, whatever it is stuck in. One that is frozen cannot even
do that, and may have stopped in the middle of a transaction: it is killed from outside.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG

from lol_dagster.services import worker_liveness
from lol_dagster.storage.file_locks import end_owner, hold, is_held

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
_DELIVERING = "delivering.lock"
_THIS_MACHINE = {"127.0.0.1", "localhost"}


_begun: set[str] = set()
"""Ids of runs that this process works on."""


class LivenessRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, which can also tell whether a worker lives.

    Names in dagster.yaml lead here. For runs on this machine only: those of a code server
    elsewhere are taken to be alive, as with Dagster's own launcher.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that executes this run is there."""
        if worker_is_gone(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process has ended")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def unfinished_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """All runs that are queued, starting, running or being cancelled, the newest first.

    Asked for by their status alone, here and below: with a job's name or a tag beside it, SQLite
    walks all runs that the job ever had.
    """
    return list(instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)))


def skip_while_unfinished(
    instance: dg.DagsterInstance, job_name: str, tags: dict[str, str] | None = None
) -> dg.SkipReason | None:
    """Why no other run of the job is asked for: one with these tags is not finished. None: none is.

    A run whose worker was killed counts as running until run monitoring ends it.
    """
    runs = (run for run in unfinished_runs(instance) if _is_of(run, job_name, tags))
    return next((dg.SkipReason(f"Run {run.run_id[:8]} is still running") for run in runs), None)


def _is_of(run: dg.DagsterRun, job_name: str, tags: Mapping[str, str] | None) -> bool:
    return run.job_name == job_name and (tags or {}).items() <= run.tags.items()


def begin_work(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Show that this process works on the run, and let it end when it takes too long.

    For a process that executes one run and then ends; called again it changes nothing.
    """
    if run.run_id in _begun:
        return
    _begun.add(run.run_id)
    _forget_ended(instance)
    worker_liveness.alive_for_good(_file(instance, run.run_id))
    worker_liveness.end_after(_longest(run.tags) + _TO_END)


@contextmanager
def working_on(
    instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str]
) -> Iterator[None]:
    """As `begin_work`, for a process that executes one run after the other."""
    with (
        worker_liveness.alive(_file(instance, run_id)),
        worker_liveness.ended_after(_longest(tags) + _TO_END),
    ):
        yield


@contextmanager
def delivering(home: Path) -> Iterator[bool]:
    """Whether this process delivers during the block, and no other of this home: two at once would not
    post a channel's messages in their order. They would post none twice, which the protocol sees to.
    """
    try:
        handle = hold(home / _DELIVERING, within=0)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def is_delivering(home: Path) -> bool:
    """Whether a process of this home is delivering."""
    file = home / _DELIVERING
    return file.exists() and is_held(file)


def worker_is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether no process executes this run any more, although it is said to be running."""
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if server.get("host", "localhost") not in _THIS_MACHINE:
        return False
    match worker_liveness.liveness(_file(instance, run.run_id)):
        case "alive":
            return False
        case "dead":
            return True
        case "unknown":
            record = instance.get_run_record_by_id(run.run_id)
            began = record.start_time if record else None
            return began is not None and time.time() - began > _TO_BEGIN


def executing_run(
    instance: dg.DagsterInstance, job_name: str, tags: Mapping[str, str] | None = None
) -> str | None:
    """The id of a run of the job, with these tags, that a living process executes, if there is one.

    Unlike `skip_while_unfinished` it counts no run that waits in the queue: where there is no daemon
    it would wait forever.
    """
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return next(
        (
            run.run_id
            for run in started
            if _is_of(run, job_name, tags) and not worker_is_gone(instance, run)
        ),
        None,
    )


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


def fail_abandoned_runs(instance: dg.DagsterInstance) -> None:
    """Mark as failed the runs whose process has ended in the middle of them.

    Where no daemon runs, which would do so by itself.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if not worker_is_gone(instance, run):
            continue
        # It may have finished, and its worker with it, since it was read.
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:
            instance.report_run_failed(now, "The process that executed this run has ended.")


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
