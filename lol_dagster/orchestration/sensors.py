"""The sensors: what is due becomes runs."""

from collections.abc import Iterator

import dagster as dg

from lol_dagster.delivery.worker import Deliverer
from lol_dagster.orchestration.jobs import deliver_job, process_job, requested_job
from lol_dagster.orchestration.partitions import BATCH_TAG
from lol_dagster.orchestration.planning import plan_batches, plan_quarantined, plan_requested
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.orchestration.runs import skip_while_unfinished
from lol_dagster.riot.key import key_refused_until
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

# Each request costs the daemon a plan and its planned events inside one tick.
_REQUESTS_PER_TICK = 5


@dg.sensor(
    job=process_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="New match ids become partitions and one run over their range.",
)
def new_matches_sensor(
    context: dg.SensorEvaluationContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    refused = key_refused_until(database, settings, clock.now())
    if refused is not None:
        yield dg.SkipReason(f"Riot refuses our key; next try at {refused:%H:%M} UTC")
        return
    skip = skip_while_unfinished(context.instance, process_job.name, {BATCH_TAG: "true"})
    if skip is not None:
        yield skip
        return
    batches = plan_batches(context.instance, database, clock.now())
    if not batches:
        yield dg.SkipReason("No game is due")
    for batch in batches[:_REQUESTS_PER_TICK]:
        yield batch.request


@dg.sensor(
    job=process_job,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A game that was quarantined gets a run of its own, in which its error is seen; "
    "when the code of the stage that failed has changed, it is tried again, once a version.",
)
def quarantined_games_sensor(
    context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    runs = plan_quarantined(context.instance, database, limit=_REQUESTS_PER_TICK)
    if not runs:
        yield dg.SkipReason("No quarantined game needs a run of its own")
    for run in runs:
        yield run.request


@dg.sensor(
    jobs=[process_job, requested_job],
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="What people have asked for (`game reprocess`, `quarantine retry`, the web view) "
    "gets a run: each its own, or many together.",
)
def requested_games_sensor(
    context: dg.SensorEvaluationContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    runs = plan_requested(context.instance, database, settings, clock.now())
    if not runs:
        yield dg.SkipReason("Nobody has asked for a game that has no run yet")
    for run in runs[:_REQUESTS_PER_TICK]:
        yield run.request


@dg.sensor(
    job=deliver_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Messages that are due get a run that delivers them all.",
)
def due_messages_sensor(
    context: dg.SensorEvaluationContext,
    deliverer: dg.ResourceParam[Deliverer],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    due = deliverer.due_now(clock.now())
    if not due:
        yield dg.SkipReason("No message is due")
        return
    skip = skip_while_unfinished(context.instance, deliver_job.name)
    yield skip or dg.RunRequest(tags={"lol/messages": str(due)})


SENSORS = [
    new_matches_sensor,
    quarantined_games_sensor,
    requested_games_sensor,
    due_messages_sensor,
]
