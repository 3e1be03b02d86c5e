"""The job `nightly`: a backup, and deleting what need not be kept.

Its ops do not depend on each other, so that one that fails leaves the others to go on and the run
red; those that matter most come first.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from lol_dagster.backups import take
from lol_dagster.logs import writing as logs
from lol_dagster.monitoring.counts import count_everything
from lol_dagster.monitoring.housekeeping import note_night
from lol_dagster.orchestration import history
from lol_dagster.orchestration.checks import evaluate_checks
from lol_dagster.orchestration.partitions import NIGHTLY_QUEUE, QUEUE_TAG
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.riot.key import fingerprint_of
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.retention import (
    prune_attempts,
    prune_rate_rows,
    prune_requests_and_alerts,
    refresh_statistics,
)

MAX_RUNTIME_S = 3600


def _op(priority: int) -> Callable[..., dg.OpDefinition]:
    """An op without inputs or outputs; those of a higher priority come first."""
    return dg.op(out=dg.Out(dg.Nothing), tags={"dagster/priority": str(priority)})


def _report(context: dg.OpExecutionContext, **figures: Any) -> None:
    context.log.info("%s: %s", context.op.name, figures)
    context.add_output_metadata(figures)


@_op(priority=8)
def take_backup(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> None:
    with database.writing() as session:
        note_night(session, clock.now())
    made = take.take_backup(database, settings.home, clock.now())
    _report(
        context,
        file=dg.MetadataValue.path(str(made.file)),
        bytes=made.size,
        rows=sum(made.rows.values()),
        older_ones_removed=len(made.removed),
    )


@_op(priority=7)
def prune_database(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> None:
    now = clock.now()
    _report(
        context,
        calls_to_channels=prune_attempts(database, now),
        counted_calls_to_riot=prune_rate_rows(
            database, now, key_fingerprint=fingerprint_of(settings)
        ),
        finished_requests_and_alerts=prune_requests_and_alerts(database, now),
    )
    refresh_statistics(database)
    count_everything(database, now)


@_op(priority=6)
def prune_logs(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> None:
    _report(context, files=len(logs.prune_logs(settings.logs_dir, clock.now())))


@_op(priority=5)
def retire_partitions(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[WallClock],
) -> None:
    retired = history.retire_partitions(context.instance, database, clock.now())
    _report(context, partitions=retired)


@_op(priority=4)
def report_finished_games(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> None:
    finished = list(history.unreported_games(context.instance, database))
    for materialization in finished:
        context.log_event(materialization)
    if finished:
        evaluate_checks(context, database, settings, clock.now(), "deliveries")
    _report(context, games=len(finished))


@_op(priority=3)
def prune_runs(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[WallClock],
) -> None:
    _report(context, runs=history.prune_runs(context.instance, database, clock.now()))


@_op(priority=2)
def prune_events(context: dg.OpExecutionContext, clock: dg.ResourceParam[WallClock]) -> None:
    history.prune_ticks(context.instance, clock.now())
    _report(context, events=history.prune_events(context.instance, clock.now()))


@_op(priority=1)
def remove_leftovers(context: dg.OpExecutionContext, clock: dg.ResourceParam[WallClock]) -> None:
    # The instance may have a home of its own: PostgreSQL storage, several hosts.
    home = Path(context.instance.root_directory)
    removed = history.remove_leftovers(context.instance, home, clock.now())
    _report(context, files_and_folders=removed)


@dg.job(
    name="nightly",
    # Of several hosts that one does it which keeps the backups.
    tags={"dagster/max_runtime": str(MAX_RUNTIME_S), QUEUE_TAG: NIGHTLY_QUEUE},
    description="A verified backup, and deleting what need not be kept: partitions of old games, "
    "Dagster's old runs, ticks and events, old logs and calls.",
)
def nightly_job() -> None:
    take_backup()
    prune_database()
    prune_logs()
    retire_partitions()
    report_finished_games()
    prune_runs()
    prune_events()
    remove_leftovers()
