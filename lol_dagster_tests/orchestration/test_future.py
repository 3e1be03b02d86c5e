"""Dagster's own ticks from a clock that was ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from lol_dagster.orchestration.future import put_right
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import SendBucket

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("lol_dagster"), "__repository__")


@pytest.fixture
def instance(settings: Settings) -> dg.DagsterInstance:
    return prepare_instance(settings)


def ticked(instance: dg.DagsterInstance, name: str, *at: datetime) -> InstigatorState:
    """As Dagster's daemon leaves a schedule or a sensor after ticks at these times."""
    last = at[-1].timestamp()
    is_sensor = name.endswith("_sensor")
    state = InstigatorState(
        RemoteInstigatorOrigin(REPOSITORY, name),
        InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE,
        InstigatorStatus.DECLARED_IN_CODE,
        SensorInstigatorData(cursor="7", last_tick_timestamp=last, last_tick_start_timestamp=last)
        if is_sensor
        else ScheduleInstigatorData("* * * * *", 0.0, last),
    )
    instance.add_instigator_state(state)
    for each in at:
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                name,
                state.instigator_type,
                TickStatus.SKIPPED,
                each.timestamp(),
                selector_id=state.selector_id,
            )
        )
    return state


def after(instance: dg.DagsterInstance, state: InstigatorState) -> tuple[object, list[float]]:
    found = instance.get_instigator_state(state.instigator_origin_id, state.selector_id)
    assert found is not None
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return found.instigator_data, [tick.timestamp for tick in ticks]


def test_ticks_of_tomorrow_keep_nothing_from_ticking_today(
    instance: dg.DagsterInstance, database: Database
) -> None:
    schedule = ticked(instance, "check_everything_schedule", NOW - timedelta(minutes=1), TOMORROW)
    sensor = ticked(instance, "due_work_sensor", TOMORROW)
    put_right(instance, database, NOW)
    now = NOW.timestamp()
    # A schedule goes on after its last tick or iteration, a sensor so many seconds after its own.
    assert after(instance, schedule) == (
        ScheduleInstigatorData("* * * * *", 0.0, now),
        [now - 60],
    )
    assert after(instance, sensor) == (
        SensorInstigatorData(cursor="7", last_tick_timestamp=now, last_tick_start_timestamp=now),
        [],
    )


def test_ticks_of_today_stay_as_they_are(instance: dg.DagsterInstance, database: Database) -> None:
    # The clocks of two hosts may differ by some minutes.
    sensor = ticked(instance, "due_work_sensor", NOW, NOW + timedelta(minutes=4))
    before = after(instance, sensor)
    put_right(instance, database, NOW)
    assert after(instance, sensor) == before


def test_a_tick_of_tomorrow_shows_that_whatever_waits_may_go_on(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """A day is no longer than Slack may want us to wait."""
    with database.writing() as session:
        session.add(SendBucket(scope="channel:1", not_before=TOMORROW))
    ticked(instance, "due_work_sensor", TOMORROW)
    put_right(instance, database, NOW)
    with database.reading() as session:
        assert session.get_one(SendBucket, "channel:1").not_before == NOW
