"""The schedules."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lol_dagster.orchestration.jobs import audit_job, check_job
from lol_dagster.orchestration.nightly import nightly_job
from lol_dagster.orchestration.runs import skip_while_unfinished


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
