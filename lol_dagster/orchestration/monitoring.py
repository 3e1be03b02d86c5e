"""Monitoring of the system itself: heartbeats, failed runs, alerts, the dead-man ping.

The sensor's tick does it every half minute, and `lol-dagster once` at its end; no run is started.
"""

from datetime import datetime

import dagster as dg

from lol_dagster.monitoring.alerts import Evaluated, evaluate
from lol_dagster.monitoring.checks import check_all
from lol_dagster.monitoring.failed_jobs import forget_job, known_failed_jobs, note_failed_run
from lol_dagster.monitoring.heartbeat import Part, beat
from lol_dagster.monitoring.ping import ping_if_healthy
from lol_dagster.orchestration.jobs import ASSET_JOBS, OP_JOBS
from lol_dagster.orchestration.partitions import QUARANTINE_TAG, REQUEST_TAG
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.orchestration.runs import end_overdue_workers
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

_WILL_RETRY_TAG = "dagster/will_retry"
_BY_HAND = "__ASSET_JOB"
"""Dagster's name for what a person materializes in the UI, and watches."""
_JOBS = {job.name for job in ASSET_JOBS} | {job.name for job in OP_JOBS}


def monitor(
    instance: dg.DagsterInstance, database: Database, settings: Settings, now: datetime, part: Part
) -> Evaluated:
    """Beat, run every check, write the alerts that are due, and ping. What a clock that was ahead has written
    is put right before, and what is switched off seen: by the code server's thread (switches.py), or by `once`.
    """
    # First: a frozen worker may keep everybody from writing.
    end_overdue_workers(instance)
    beat(database, part, now)
    _forget_recovered_jobs(instance, database)
    results = check_all(database, settings, now)
    evaluated = evaluate(database, settings, results, now)
    ping_if_healthy(database, settings, results, now)
    return evaluated


def _forget_recovered_jobs(instance: dg.DagsterInstance, database: Database) -> None:
    """Also those that were renamed or removed since: no run of theirs will ever succeed."""
    with database.reading() as session:
        failed = known_failed_jobs(session)
    for job, failed_at in failed:
        succeeded = dg.RunsFilter(
            job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=failed_at
        )
        if job not in _JOBS or instance.get_runs(succeeded, limit=1):
            with database.writing() as session:
                forget_job(session, job, failed_at)


@dg.run_failure_sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notes which job failed for good, for an alert with a link to the run.",
)
def failed_runs_sensor(
    context: dg.RunFailureSensorContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[WallClock],
) -> dg.SkipReason | None:
    run = context.dagster_run
    if run.tags.get(_WILL_RETRY_TAG) == "true":
        return dg.SkipReason("Dagster retries it")
    if {QUARANTINE_TAG, REQUEST_TAG} & run.tags.keys() or run.job_name == _BY_HAND:
        return dg.SkipReason("Somebody is watching it, or its game has an alert of its own")
    if _is_of_refused_key(context):
        return dg.SkipReason("Riot refuses the key, which has an alert of its own")
    note_failed_run(
        database, run.job_name, run.run_id, context.failure_event.message or "", clock.now()
    )
    return None


def _is_of_refused_key(context: dg.RunFailureSensorContext) -> bool:
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None:
            if error.cls_name == KeyRejected.__name__:
                return True
            error = error.cause
    return False
