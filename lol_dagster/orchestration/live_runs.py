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


def live_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """All live runs, of whatever job."""
    return list(instance.get_runs(dg.RunsFilter(statuses=_ALIVE)))
