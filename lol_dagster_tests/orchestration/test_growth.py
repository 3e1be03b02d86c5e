"""Months go by, and what Dagster holds comes to a size and stays there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import AssetObservationData, StepMaterializationData
from dagster._core.scheduler.instigation import InstigatorStatus, TickData, TickStatus
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy import Connection, DateTime, Table, func, select, text, update
from sqlalchemy.types import TIMESTAMP, Float

from lol_dagster.definitions import build_definitions
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.resources import AppContext, WallClock
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.dagster_history import NOW, game, job_of
from lol_dagster_tests._support.dagster_switches import click

PAUSE = timedelta(days=25)
"""Between two days that are lived through: what is kept for a month is seen twice, what is kept for
60 days three times."""
DAYS = 6
STEADY_FROM = 4
"""The first day of which nothing is left is gone in the night of the fourth: 75 days later."""
INSTIGATORS = ("nightly_schedule", "due_work_sensor")
FAILED, SUCCEEDED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


class Course:
    """A app on a clock of its own, of which a day and a night are lived through every 25 days."""

    def __init__(
        self, instance: dg.DagsterInstance, database: Database, settings: Settings
    ) -> None:
        self.instance, self.database = instance, database
        self.app = AppContext(settings, clock=WallClock(lambda: self.now))
        self.now = NOW
        self.nightly = build_definitions(self.app).resolve_job_def("nightly")
        for name in INSTIGATORS:
            click(instance, name, InstigatorStatus.DECLARED_IN_CODE)
        self._stamped: dict[str, int] = {}
        self.stamp()

    def day(self, number: int) -> None:
        """A game is played and announced; lists are polled, in vain once; the checks are evaluated."""
        match_id = game(number)
        with self.database.writing() as session:
            session.add(Match(match_id=match_id, state="processed", listed_at=self.now))
        self.instance.add_dynamic_partitions("match_id", [match_id])
        stages = ("games", "player_stats", "messages")
        made = {
            asset: dg.AssetMaterialization(asset, partition=match_id)
            for asset in (*stages, "deliveries")
        }
        self.run("process_matches", *(made[stage] for stage in stages))
        self.run("deliver_messages", made["deliveries"], dg.AssetObservation("deliveries"))
        for status in (SUCCEEDED, FAILED):
            self.run("poll_match_lists", dg.AssetMaterialization("match_lists"), status=status)
        self.run("check_everything", dg.AssetCheckEvaluation(
            dg.AssetKey("games"), "no_quarantined_game", passed=True, metadata={}
        ))  # fmt: skip
        self.instance.report_runless_asset_event(dg.AssetMaterialization("match_lists"))
        for name in INSTIGATORS:
            for status in (TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE):
                self.tick(name, status)
        self.stamp()

    def night(self) -> None:
        assert self.nightly.execute_in_process(instance=self.instance).success
        self.stamp()
        self.now += PAUSE

    def run(self, job: str, *said: object, status: dg.DagsterRunStatus = SUCCEEDED) -> None:
        """A run of which all is left that a run leaves: row, events, check, output."""
        run = self.instance.create_run_for_job(job_of(job), status=status, tags={"lol/games": "1"})
        for kind, data in map(_as_event, said):
            self.instance.report_dagster_event(
                dg.DagsterEvent(kind.value, job, event_specific_data=data), run.run_id
            )
        printed = Path(self.instance.root_directory) / "storage" / run.run_id / "compute_logs"
        printed.mkdir(parents=True)
        (printed / "step.out").touch()

    def tick(self, name: str, status: TickStatus) -> None:
        """As the daemon has them."""
        state = next(
            each for each in self.instance.all_instigator_state() if each.instigator_name == name
        )
        origin, kind, selector = (
            state.instigator_origin_id,
            state.instigator_type,
            state.selector_id,
        )
        tick = self.instance.create_tick(
            TickData(
                origin, name, kind, TickStatus.STARTED, self.now.timestamp(), selector_id=selector
            )
        )
        error = (
            SerializableErrorInfo("no answer", [], None) if status == TickStatus.FAILURE else None
        )
        self.instance.update_tick(tick.with_status(status, error=error))

    def stamp(self) -> None:
        """Let all rows that are new have come to be at this moment."""
        moments = {DateTime: self.now.replace(tzinfo=None), Float: self.now.timestamp()}
        for connection, table in self._tables():
            last = self._stamped.get(table.name, 0)
            stamps = {
                column.name: moments[Float if isinstance(column.type, Float) else DateTime]
                for column in table.columns
                if isinstance(column.type, DateTime | TIMESTAMP)
                or column.name in ("start_time", "end_time")
            }
            if stamps:
                new = text("rowid > :last").bindparams(last=last)
                connection.execute(update(table).where(new).values(stamps))
            newest = connection.execute(select(func.max(text("rowid"))).select_from(table))
            self._stamped[table.name] = max(last, newest.scalar_one() or 0)

    def sizes(self) -> dict[str, int]:
        """Rows by table, files by folder."""
        rows = {
            f"rows of {table.name}": connection.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
            for connection, table in self._tables()
        }
        home = Path(self.instance.root_directory)
        files = {
            f"files in {folder}": sum(path.is_file() for path in (home / folder).rglob("*"))
            for folder in (".", "history", "storage")
        }
        return rows | files

    def _tables(self) -> Iterator[tuple[Connection, Table]]:
        for connect, metadata in (
            (self.instance.run_storage.connect, RunStorageSqlMetadata),  # type: ignore[attr-defined]
            (self.instance.event_log_storage.index_connection, SqlEventLogStorageMetadata),  # type: ignore[attr-defined]
            (self.instance.schedule_storage.connect, ScheduleStorageSqlMetadata),  # type: ignore[union-attr]
        ):
            with connect() as connection:
                for table in metadata.sorted_tables:
                    yield connection, table


def _as_event(said: object) -> tuple[dg.DagsterEventType, Any]:
    """The kind and the data of the event in which a run says this."""
    if isinstance(said, dg.AssetMaterialization):
        return dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(said)
    if isinstance(said, dg.AssetObservation):
        return dg.DagsterEventType.ASSET_OBSERVATION, AssetObservationData(said)
    return dg.DagsterEventType.ASSET_CHECK_EVALUATION, said


@pytest.mark.sqlite
def test_what_dagster_holds_does_not_grow_with_the_weeks(
    settings: Settings, database: Database
) -> None:
    sizes = []
    with prepare_instance(settings) as instance:
        course = Course(instance, database, settings)
        for number in range(1, DAYS + 1):
            course.day(number)
            course.night()
            sizes.append(course.sizes())
    early, steady = sizes[0], sizes[STEADY_FROM - 1 :]
    assert [
        f"{name}: {[each[name] for each in sizes]}"
        for name in early
        if len({each[name] for each in steady}) > 1
    ] == []
    # Else it would prove nothing: that is what grows where nothing prunes it.
    grown = {name for name in early if steady[-1][name] > early[name]}
    assert grown >= {
        "rows of runs", "rows of run_tags", "rows of event_logs", "rows of job_ticks",
        "rows of asset_check_executions", "rows of dynamic_partitions",
        "files in history", "files in storage",
    }  # fmt: skip
