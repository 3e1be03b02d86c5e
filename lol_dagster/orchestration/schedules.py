"""The schedules."""

from datetime import datetime

import dagster as dg

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


@dg.schedule(
    job=check_job,
    cron_schedule="*/10 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="All asset checks are evaluated, unless the last evaluation is still running.",
)
def check_everything_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    return skip_while_unfinished(context.instance, check_job.name) or dg.RunRequest()


@dg.schedule(
    job=audit_job,
    cron_schedule="17 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="A sample of the delivered messages is read back from its channels.",
)
def audit_messages_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return skip_while_unfinished(context.instance, audit_job.name) or dg.RunRequest()


@dg.schedule(
    job=nightly_job,
    cron_schedule="15 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At a quarter past four (UTC), unless the last one is still running.",
)
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return skip_while_unfinished(context.instance, nightly_job.name) or dg.RunRequest()


SCHEDULES = [
    poll_match_lists_schedule,
    check_everything_schedule,
    audit_messages_schedule,
    nightly_schedule,
]
