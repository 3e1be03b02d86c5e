"""Schedules and sensors switched as people do in Dagster's UI."""

from __future__ import annotations

import dagster as dg
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
)


def click(instance: dg.DagsterInstance, name: str, status: InstigatorStatus) -> None:
    """As Dagster stores what is switched in its UI."""
    repository = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin("lol_dagster"), "__repository__"
    )
    is_sensor = name.endswith("_sensor")
    state = InstigatorState(
        RemoteInstigatorOrigin(repository, name),
        InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE,
        status,
        SensorInstigatorData(cursor="7") if is_sensor else ScheduleInstigatorData("* * * * *"),
    )
    if instance.get_instigator_state(state.instigator_origin_id, state.selector_id):
        instance.update_instigator_state(state)
    else:
        instance.add_instigator_state(state)
