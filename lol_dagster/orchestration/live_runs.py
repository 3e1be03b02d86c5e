"""Which runs are still alive: queued, starting, running or being cancelled."""

from __future__ import annotations

import dagster as dg

_ALIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def live_run(
    instance: dg.DagsterInstance, job_name: str, tags: dict[str, str] | None = None
) -> str | None:
    """The id of a live run of the job that carries `tags`, if there is one.

    A run whose worker was killed counts as alive until run monitoring ends it.
    """
    runs = instance.get_runs(
        dg.RunsFilter(job_name=job_name, statuses=_ALIVE, tags=tags or {}), limit=1
    )
    return runs[0].run_id if runs else None


def unless_alive(instance: dg.DagsterInstance, job_name: str) -> dg.RunRequest | dg.SkipReason:
    """What a schedule asks for that makes a run each time, but never two at a time."""
    alive = live_run(instance, job_name)
    if alive is not None:
        return dg.SkipReason(f"Run {alive[:8]} is still at it")
    return dg.RunRequest()


def live_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """All live runs, of whatever job."""
    return list(instance.get_runs(dg.RunsFilter(statuses=_ALIVE)))
