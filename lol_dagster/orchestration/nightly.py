"""The job `nightly`: a backup, and letting go of what need not be kept.

Its steps do not depend on each other, so one that fails leaves the others to go on and the run red;
those that matter most come first. What a step does is a plain function of operations/ or history.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from lol_dagster.backups.take import take_backup
from lol_dagster.logs.writing import KEEP_LOGS, prune_logs
from lol_dagster.monitoring.housekeeping import note_night
from lol_dagster.monitoring.riot_limits import fingerprint_of
from lol_dagster.orchestration.checks import evaluate_checks
from lol_dagster.orchestration.endings import unshown_endings
from lol_dagster.orchestration.history import (
    prune_events,
    prune_runs,
    remove_leftovers,
    retire_partitions,
)
from lol_dagster.orchestration.live_runs import unless_alive
from lol_dagster.orchestration.resources import AppContext
from lol_dagster.storage.retention import (
    prune_attempts,
    prune_rate_rows,
    prune_requests_and_alerts,
    refresh_statistics,
)

MAX_RUNTIME_S = 3600


def _backup(app: AppContext, _: dg.OpExecutionContext) -> dict[str, Any]:
    with app.database.writing() as session:
        note_night(session, app.now())
    made = take_backup(app.database, app.settings.home, app.now())
    return {
        "file": dg.MetadataValue.path(str(made.file)),
        "bytes": made.size,
        "rows": sum(made.rows.values()),
        "older ones removed": len(made.removed),
    }


def _database(app: AppContext, _: dg.OpExecutionContext) -> dict[str, Any]:
    now, database = app.now(), app.database
    figures = {
        "calls to channels": prune_attempts(database, now),
        "counted calls to Riot": prune_rate_rows(
            database, now, key_fingerprint=fingerprint_of(app.settings)
        ),
        "requests and alerts that are over": prune_requests_and_alerts(database, now),
    }
    refresh_statistics(database)
    return figures


def _logs(app: AppContext, _: dg.OpExecutionContext) -> dict[str, Any]:
    return {"files": len(prune_logs(app.settings.logs_dir, KEEP_LOGS, app.now()))}


def _partitions(app: AppContext, context: dg.OpExecutionContext) -> dict[str, Any]:
    return {"partitions": retire_partitions(context.instance, app.database, app.now())}


def _endings(app: AppContext, context: dg.OpExecutionContext) -> dict[str, Any]:
    endings = list(unshown_endings(context.instance, app.database))
    for ending in endings:
        context.log_event(ending)
    if endings:
        evaluate_checks(context, app, "deliveries")
    return {"games": len(endings)}


def _runs(app: AppContext, context: dg.OpExecutionContext) -> dict[str, Any]:
    return {"runs": prune_runs(context.instance, app.database, app.now())}


def _events(app: AppContext, context: dg.OpExecutionContext) -> dict[str, Any]:
    return {"events": prune_events(context.instance, app.now())}


def _leftovers(app: AppContext, context: dg.OpExecutionContext) -> dict[str, Any]:
    # The instance may have a home of its own: PostgreSQL storage, several hosts.
    home = Path(context.instance.root_directory)
    return {"files and folders": remove_leftovers(context.instance, home, app.now())}


Step = Callable[[AppContext, dg.OpExecutionContext], dict[str, Any]]


def _op(name: str, step: Step, *, priority: int) -> dg.OpDefinition:
    """An op without inputs; those of a higher priority come first."""

    @dg.op(name=name, out=dg.Out(dg.Nothing), tags={"dagster/priority": str(priority)})
    def run(context: dg.OpExecutionContext, app: dg.ResourceParam[AppContext]) -> None:
        figures = step(app, context)
        context.log.info("%s: %s", name, figures)
        context.add_output_metadata(figures)

    return run


_STEPS = [
    _op("take_backup", _backup, priority=8),
    _op("prune_database", _database, priority=7),
    _op("prune_logs", _logs, priority=6),
    _op("retire_partitions", _partitions, priority=5),
    _op("show_endings", _endings, priority=4),
    _op("prune_runs", _runs, priority=3),
    _op("prune_events", _events, priority=2),
    _op("remove_leftovers", _leftovers, priority=1),
]


@dg.job(
    name="nightly",
    tags={"dagster/max_runtime": str(MAX_RUNTIME_S)},
    description="A verified backup, and letting go of what need not be kept: cold partitions, "
    "Dagster's old runs and events, old logs and calls.",
)
def nightly_job() -> None:
    for step in _STEPS:
        step()


@dg.schedule(
    job=nightly_job,
    cron_schedule="15 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At a quarter past four (UTC), unless the last one is still at it.",
)
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return unless_alive(context.instance, nightly_job.name)
