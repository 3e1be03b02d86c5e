"""What Dagster has dated in the future, as the machine's clock was ahead for a while and was put right.

A schedule goes on after its last tick, and a sensor some seconds after its own: both would wait until
the clock has come there, over restarts, too.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
from dagster._time import datetime_from_timestamp

from lol_dagster.monitoring import future
from lol_dagster.storage.database import Database

log = logging.getLogger(__name__)


def put_right(instance: dg.DagsterInstance, database: Database, now: datetime) -> None:
    """Let nothing wait for a moment that only a clock which was ahead has written, in Dagster's
    storage and in our database. A daemon that lives remembers its schedules' last ticks: `up` restarts
    it, as its heartbeats cease, too.
    """
    ticks = put_ticks_right(instance, now)
    rows = future.put_right(database, now, seen=bool(ticks))
    if ticks or rows:
        log.warning(
            "The clock was ahead and was put right: %d of Dagster's schedules and sensors, and %d rows "
            "of our own, do not wait any more for what lies in the future",
            ticks,
            rows,
        )


def put_ticks_right(instance: dg.DagsterInstance, now: datetime) -> int:
    """The part in Dagster's storage; returns of how many schedules and sensors the last tick lay in the
    future.
    """
    storage = instance.schedule_storage
    if not isinstance(storage, SqlScheduleStorage):
        return 0  # an instance in memory, which has none
    latest = (now + future.TOLERANCE).timestamp()
    changed = 0
    for state in instance.all_instigator_state():
        data: Any = state.instigator_data
        ahead = {
            name: now.timestamp()
            for name, value in (data._asdict() if data else {}).items()
            if name.endswith("timestamp") and value is not None and value > latest
        }
        ticks = instance.get_ticks(
            state.instigator_origin_id, state.selector_id, after=latest, limit=1
        )
        if ahead:
            instance.update_instigator_state(state.with_data(data._replace(**ahead)))
        changed += bool(ahead or ticks)
    if changed:
        with storage.connect() as connection:
            after = datetime_from_timestamp(latest)
            connection.execute(JobTickTable.delete().where(JobTickTable.c.timestamp > after))
    return changed
