"""What Dagster remembers, for tests of what it forgets: partitions and runs of any age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import dagster as dg
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.runs.schema import RunsTable
from sqlalchemy import func, select, update

from lol_dagster.definitions import build_definitions
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match

NOW = datetime.now(UTC)


def game(number: int) -> str:
    return f"NA1_5{number:09d}"


def list_games(
    database: Database, instance: dg.DagsterInstance, ages: dict[int, float], **values: Any
) -> None:
    """Processed games with a partition each.

    Args:
        ages: By number, the days since it was listed.
    """
    with database.writing() as session:
        for number, days in ages.items():
            row = {"state": "processed", "listed_at": NOW - timedelta(days=days), **values}
            session.add(Match(match_id=game(number), **row))
    instance.add_dynamic_partitions("match_id", [game(number) for number in ages])


def partitions(instance: dg.DagsterInstance) -> list[int]:
    return [int(key.removeprefix("NA1_5")) for key in instance.get_dynamic_partitions("match_id")]


def add_run(
    instance: dg.DagsterInstance,
    job: str,
    days: float,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
    tags: dict[str, str] | None = None,
    delivered: str | None = None,
) -> str:
    """A run that ended so many days ago, or lives since then.

    Args:
        delivered: The game whose partition of `deliveries` it materialized.
    """
    run = instance.create_run_for_job(job_of(job), status=status, tags=tags)
    at = NOW - timedelta(days=days)
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        stamp = at.replace(tzinfo=None)
        connection.execute(
            update(RunsTable)
            .where(RunsTable.c.run_id == run.run_id)
            .values(create_timestamp=stamp, update_timestamp=stamp)
        )
    if delivered is not None:
        made = dg.AssetMaterialization("deliveries", partition=delivered)
        instance.report_dagster_event(
            dg.DagsterEvent(
                dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                job,
                event_specific_data=StepMaterializationData(made),
            ),
            run.run_id,
            timestamp=at.timestamp(),
        )
    return run.run_id


@cache
def job_of(name: str) -> dg.JobDefinition:
    return build_definitions().resolve_job_def(name)


def events_of_no_run(instance: dg.DagsterInstance) -> int:
    """How many events the index holds of runs that are deleted."""
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        of = SqlEventLogStorageTable.c.run_id
        counts = connection.execute(select(of, func.count()).where(of != "").group_by(of)).all()
    known = {run.run_id for run in instance.get_runs()}
    return sum(count for run_id, count in counts if run_id not in known)
