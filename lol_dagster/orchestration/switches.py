"""What can be switched off in Dagster's UI, and stays so over restarts: schedules, sensors, pools.

All of it is set as the code says before the daemon starts: `up` runs this module first. What is switched off after that is a failing check at once. The code server looks, from
a thread, since the sensor that runs the checks can be stopped, too.

    python -m lol_dagster.orchestration.switches
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import dagster as dg
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
)

from lol_dagster.errors import UserError
from lol_dagster.monitoring.switched_off import SwitchedOff, note_switched_off
from lol_dagster.orchestration.future import put_right
from lol_dagster.orchestration.instance import pool_limits, prepare_instance
from lol_dagster.orchestration.runs import fail_abandoned_runs
from lol_dagster.services import run_heartbeats
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database, in_a_line
from lol_dagster.storage.schema import open_database

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
_LOOK_EVERY = 30.0
"""Seconds: as often as the checks are run. To look takes some 25 ms of processor."""
_LOOK_FOR_LOST_RUNS_EVERY = 10.0
"""Seconds, where runs may be another host's. They have been silent for a minute by then."""
_GRACE = run_heartbeats.SILENT_AFTER
"""Seconds, after a database could not be had: whoever looks may not be the only one who was cut off from it, and
workers have to beat first."""


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
    for pool, limit in pool_limits(instance).items():
        if limits.get(pool) != limit:
            why = f"{limits.get(pool, 'no limit')} instead of {limit}"
            found.append(SwitchedOff("pool", pool, why, now))
    note_switched_off(database, sorted(found, key=lambda each: (each.kind, each.name)))


@contextlib.contextmanager
def looking(settings: Settings) -> Iterator[None]:
    """Look from a thread until the block ends, also for runs whose workers were lost with another host."""
    over = threading.Event()
    thread = threading.Thread(target=_go_on, args=(settings, over), name="switches", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=_LOOK_EVERY)


def _go_on(settings: Settings, over: threading.Event) -> None:
    opened: tuple[dg.DagsterInstance, Database] | None = None
    has_failed = False
    next_look = next_for_lost_runs = 0.0
    while not over.is_set():
        try:
            opened = opened or (
                dg.DagsterInstance.from_config(str(settings.dagster_home)),
                open_database(settings),
            )
            if time.monotonic() >= next_look:
                now = datetime.now(UTC)
                # A sensor whose last tick lies in the future would not run the checks, either.
                put_right(*opened, now)
                look(*opened, now)
                next_look = time.monotonic() + _LOOK_EVERY
            if not opened[1].is_sqlite and time.monotonic() >= next_for_lost_runs:
                fail_abandoned_runs(*opened)
            has_failed = False
        except Exception as error:  # noqa: BLE001 - whatever it is, it may succeed the next time
            next_for_lost_runs = time.monotonic() + _GRACE
            if not has_failed:
                _log.warning("cannot see what is switched off in Dagster: %s", in_a_line(error))
            has_failed = True
        over.wait(_LOOK_FOR_LOST_RUNS_EVERY)
    for each in opened or ():
        each.dispose()


def _stopped(instance: dg.DagsterInstance) -> list[InstigatorState]:
    """Those that the code says run are `DECLARED_IN_CODE`, and all of ours do."""
    if instance.schedule_storage is None:
        return []  # an instance in memory
    states = instance.all_instigator_state()
    return [state for state in states if state.status == InstigatorStatus.STOPPED]


def main() -> None:
    """Prepare Dagster's storage for the daemon, and say what was switched off."""
    settings = load_settings()
    try:
        instance = prepare_instance(settings)
    except UserError as error:
        click.echo(error)
        sys.exit(2)
    with instance:
        put_right(instance, open_database(settings), datetime.now(UTC))
        for name in switch_on(instance):
            click.echo(f"{name} was stopped in Dagster's UI: it is started again.")


if __name__ == "__main__":
    main()
