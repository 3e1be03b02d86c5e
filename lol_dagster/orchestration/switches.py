"""What can be switched off in Dagster's UI, and stays so over restarts: schedules, sensors, pools.

`up` sets all of it as the code says when it starts. What is switched off after that is a failing
check at once. `up` itself looks, from a thread, since the sensor that runs the checks can be stopped, too.
On several hosts the daemon's unit runs this module before it starts the daemon.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import dagster as dg
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
)

from lol_dagster.monitoring.switched_off import SwitchedOff, note_switched_off
from lol_dagster.orchestration.future import put_right, put_ticks_right
from lol_dagster.orchestration.instance import POOL_LIMITS, prepare_instance
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database, in_a_line

_log = logging.getLogger(__name__)

REMOVED = {
    "poll_match_lists_schedule",
    "new_matches_sensor",
    "quarantined_games_sensor",
    "requested_games_sensor",
    "due_messages_sensor",
    "monitoring_sensor",
}
"""What version 0.1.0 had, and `due_work_sensor` does now."""
_LOOK_EVERY = 15.0
"""Seconds."""


def switch_on(instance: dg.DagsterInstance) -> list[str]:
    """Start each schedule and sensor that was stopped; returns their names. Pools are set by
    `prepare_instance`.

    Those that there are no more are forgotten: a stopped one would be so for good.
    """
    for state in instance.all_instigator_state():
        if state.instigator_name in REMOVED:
            instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)
    stopped = _stopped(instance)
    for state in stopped:
        # As Dagster's own `reset` leaves it: cursors stay.
        running = state.with_status(InstigatorStatus.DECLARED_IN_CODE)
        if isinstance(data := running.instigator_data, ScheduleInstigatorData):
            # Stopping forgets since when it runs. Without ticks, which are not kept for good, Dagster would
            # go through every minute since 1970, and start nothing meanwhile.
            since = ScheduleInstigatorData(data.cron_schedule, datetime.now(UTC).timestamp())
            running = running.with_data(since)
        instance.update_instigator_state(running)
    return sorted(state.instigator_name for state in stopped)


def look(instance: dg.DagsterInstance, database: Database, now: datetime) -> None:
    """Note what is switched off now."""
    found = [
        SwitchedOff("schedule", state.instigator_name, "", now) for state in _stopped(instance)
    ]
    limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    for pool, limit in POOL_LIMITS.items():
        if limits.get(pool) != limit:
            why = f"{limits.get(pool, 'no limit')} instead of {limit}"
            found.append(SwitchedOff("pool", pool, why, now))
    note_switched_off(database, sorted(found, key=lambda each: (each.kind, each.name)))


@contextlib.contextmanager
def looking(instance: dg.DagsterInstance, database: Database) -> Iterator[None]:
    """Look from a thread until the block ends."""
    over = threading.Event()

    def go_on() -> None:
        has_failed = False
        while not over.is_set():
            try:
                now = datetime.now(UTC)
                # A sensor whose last tick lies in the future would not run the checks, either.
                put_right(instance, database, now)
                look(instance, database, now)
                has_failed = False
            except Exception as error:  # noqa: BLE001 - whatever it is, it may succeed the next time
                if not has_failed:
                    _log.warning("cannot see what is switched off in Dagster: %s", in_a_line(error))
                has_failed = True
            over.wait(_LOOK_EVERY)

    thread = threading.Thread(target=go_on, name="switches", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=_LOOK_EVERY)


def _stopped(instance: dg.DagsterInstance) -> list[InstigatorState]:
    """Those that the code says run are `DECLARED_IN_CODE`, and all of ours do."""
    if instance.schedule_storage is None:
        return []  # an instance in memory
    states = instance.all_instigator_state()
    return [state for state in states if state.status == InstigatorStatus.STOPPED]


def main() -> None:
    """What `up` does in Dagster's storage before it starts the daemon, where that has a host of its own
    and none of our secrets.
    """
    with prepare_instance(Settings(_env_file=None)) as instance:
        put_ticks_right(instance, datetime.now(UTC))
        for name in switch_on(instance):
            click.echo(f"{name} was stopped in Dagster's UI: it is started again.")


if __name__ == "__main__":
    main()
