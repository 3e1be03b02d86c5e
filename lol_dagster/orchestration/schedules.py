"""The schedules."""

from datetime import datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lol_dagster.orchestration.jobs import audit_job, check_job, poll_job
from lol_dagster.orchestration.nightly import nightly_job
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.orchestration.runs import skip_while_unfinished
from lol_dagster.riot.key import key_refused_until
from lol_dagster.riot.polling import due_accounts
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database


def plan_poll(
    instance: dg.DagsterInstance, database: Database, settings: Settings, now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """What this minute asks for."""
    refused = key_refused_until(database, settings, now)
    if refused is not None:
        return dg.SkipReason(f"Riot refuses our key; next try at {refused:%H:%M} UTC")
    if (skip := skip_while_unfinished(instance, poll_job.name)) is not None:
        return skip
    with database.reading() as session:
        due = len(due_accounts(session, now))
    if not due:
        return dg.SkipReason("No account is due")
    return dg.RunRequest(tags={"lol/accounts": str(due)})


@dg.schedule(
    job=poll_job,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every minute, if an account is due and the last poll is finished.",
)
def poll_match_lists_schedule(
    context: dg.ScheduleEvaluationContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> dg.RunRequest | dg.SkipReason:
    return plan_poll(context.instance, database, settings, clock.now())


def _unless_running(
    job: dg.JobDefinition | UnresolvedAssetJobDefinition, cron_schedule: str, description: str
) -> dg.ScheduleDefinition:
    """A schedule that asks for a run unless the last one is not finished yet."""

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron_schedule,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return skip_while_unfinished(context.instance, job.name) or dg.RunRequest()

    return schedule


SCHEDULES = [
    poll_match_lists_schedule,
    _unless_running(
        check_job,
        "*/10 * * * *",
        "All asset checks are evaluated, unless the last evaluation is still running.",
    ),
    _unless_running(
        audit_job,
        "17 4 * * *",
        "A sample of the delivered messages is read back from its channels.",
    ),
    _unless_running(
        nightly_job,
        "15 4 * * *",
        "At a quarter past four (UTC), unless the last one is still running.",
    ),
]
