"""The sensors. Each reads our own tables, so a tick repeated or cut short does no harm: what is to
be done stays due until it is done, and Dagster's history is asked for live runs only.

No run keys guard the batches: a run key is remembered as long as its run exists, and would drop
a game that became due again.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from lol_dagster.delivery.worker import Deliverer
from lol_dagster.orchestration.assets import BATCH_TAG
from lol_dagster.orchestration.jobs import deliver_job, process_job, requested_job
from lol_dagster.orchestration.live_runs import live_run
from lol_dagster.orchestration.partitions import BATCH_LIMIT, MatchRange, admit, ranges
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.orchestration.run_requests import RequestedRun, plan_requested
from lol_dagster.orchestration.set_aside import to_show
from lol_dagster.pipeline.process import due_matches
from lol_dagster.riot.key import key_refused_until
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

# Each request costs the daemon a plan and its planned events inside one tick.
_REQUESTS_PER_TICK = 5


def plan_batches(
    instance: dg.DagsterInstance, database: Database, now: datetime
) -> list[MatchRange]:
    """The batches that are due now: match ids admitted as partitions and cut into ranges."""
    with database.reading() as session:
        due = due_matches(session, now=now, limit=BATCH_LIMIT)
    if not due:
        return []
    admit(instance, due)
    return ranges(instance, due)


def batch_tags(batch: MatchRange) -> dict[str, str]:
    """The tags of a run over the batch; one is for the list of runs, where Dagster leaves out the
    partitions of such runs.
    """
    keys = batch.keys
    label = keys[0] if len(keys) == 1 else f"{len(keys)} games from {keys[0]}"
    return {**batch.tags, BATCH_TAG: "true", "lol/games": label}


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
    alive = live_run(context.instance, process_job.name, {BATCH_TAG: "true"})
    if alive is not None:
        yield dg.SkipReason(f"Batch {alive[:8]} is still at it")
        return
    batches = plan_batches(context.instance, database, clock.now())
    if not batches:
        yield dg.SkipReason("No game is due")
        return
    for batch in batches[:_REQUESTS_PER_TICK]:
        yield dg.RunRequest(tags=batch_tags(batch))


@dg.sensor(
    job=process_job,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A game that was quarantined gets a run of its own, in which its error is seen; "
    "when the code of the stage that failed has changed, it is tried again, once a version.",
)
def quarantined_games(
    context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    waiting = to_show(context.instance, database, limit=_REQUESTS_PER_TICK)
    if not waiting:
        yield dg.SkipReason("No game that was quarantined is waiting for a run of its own")
        return
    admit(context.instance, [game.match_id for game in waiting])
    for game in waiting:
        yield dg.RunRequest(
            run_key=game.run_key,
            partition_key=game.match_id,
            tags=game.tags,
        )


@dg.sensor(
    jobs=[process_job, requested_job],
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="What people have asked for (`game reprocess`, `quarantine retry`, the admin) gets "
    "a run: each its own, or many together.",
)
def requested_games(
    context: dg.SensorEvaluationContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    runs = plan_requested(context.instance, database, settings, clock.now())
    if not runs:
        yield dg.SkipReason("Nobody has asked for a game that has no run yet")
        return
    for run in runs[:_REQUESTS_PER_TICK]:
        yield _for_requests(run)


def _for_requests(run: RequestedRun) -> dg.RunRequest:
    if run.is_of_one:
        return dg.RunRequest(
            run_key=run.run_key,
            job_name=process_job.name,
            partition_key=run.match_ids[0],
            tags=run.tags,
        )
    return dg.RunRequest(
        run_key=run.run_key,
        job_name=requested_job.name,
        run_config=run.run_config,
        tags=run.tags,
    )


@dg.sensor(
    job=deliver_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Messages that are due get a run that carries them all.",
)
def due_messages(
    context: dg.SensorEvaluationContext,
    deliverer: dg.ResourceParam[Deliverer],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    due = deliverer.due_now(clock.now())
    if not due:
        yield dg.SkipReason("No message is due")
        return
    alive = live_run(context.instance, deliver_job.name)
    if alive is not None:
        yield dg.SkipReason(f"{due} due; run {alive[:8]} is still at it")
        return
    yield dg.RunRequest(tags={"lol/messages": str(due)})


SENSORS = [new_matches_sensor, quarantined_games, requested_games, due_messages]
