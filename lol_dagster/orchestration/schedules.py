"""The schedules."""

from datetime import datetime

import dagster as dg

from lol_dagster.orchestration.jobs import audit_job, check_job, poll_job
from lol_dagster.orchestration.live_runs import live_run, unless_alive
from lol_dagster.orchestration.nightly import nightly_schedule
from lol_dagster.orchestration.resources import WallClock
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
    alive = live_run(instance, poll_job.name)
    if alive is not None:
        return dg.SkipReason(f"Run {alive[:8]} is still at it")
    with database.reading() as session:
        due = len(due_accounts(session, now))
    if not due:
        return dg.SkipReason("No account is due")
    return dg.RunRequest(tags={"lol/accounts": str(due)})


@dg.schedule(
    job=poll_job,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every minute, if an account is due and the last look has ended.",
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
    description="The asset checks look at everything, unless they are still at it.",
)
def checks_every_ten_minutes(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    return unless_alive(context.instance, check_job.name)


@dg.schedule(
    job=audit_job,
    cron_schedule="17 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="A sample of the told messages is looked up in its channels.",
)
def audit_every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return unless_alive(context.instance, audit_job.name)


SCHEDULES = [poll_match_lists_schedule, checks_every_ten_minutes, audit_every_day, nightly_schedule]
