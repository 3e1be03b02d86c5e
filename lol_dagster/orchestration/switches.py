"""What can be switched off in Dagster's UI, and stays so over restarts: schedules, sensors, pools.

All of it is set as the code says before the daemon starts: `up` runs this module first. What is switched off after that is a failing check at once. The code server looks, from
a thread, since the sensor that runs the checks can be stopped, too.

    python -m lol_dagster.orchestration.switches
"""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

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
_GRACE = run_heartbeats.SILENT_AFTER
"""Seconds, after lost runs could not be looked for: whoever looks may not be the only one who was cut off from the
database, and workers have to beat first."""


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
    opened: _Opened | None = None
    next_look = 0.0
    switches = _Guarded("what is switched off in Dagster")
    lost_runs = _Guarded("which runs were lost with another host")
    while not over.is_set():
        with switches:
            opened = opened or _open(settings)
            if time.monotonic() >= next_look:
                now = datetime.now(UTC)
                # A sensor whose last tick lies in the future would not run the checks, either.
                put_right(opened.instance, opened.database, now)
                look(opened.instance, opened.database, now)
                next_look = time.monotonic() + _LOOK_EVERY
        with lost_runs:
            opened = opened or _open(settings)
            if not opened.database.is_sqlite:
                silent = opened.watch.look()
                if time.monotonic() >= lost_runs.failed_at + _GRACE:
                    fail_abandoned_runs(opened.instance, opened.database, silent)
        over.wait(run_heartbeats.LOOK_EVERY)
    if opened:
        opened.instance.dispose()
        opened.database.dispose()


class _Opened(NamedTuple):
    instance: dg.DagsterInstance
    database: Database
    watch: run_heartbeats.Watch


def _open(settings: Settings) -> _Opened:
    database = open_database(settings)
    instance = dg.DagsterInstance.from_config(str(settings.dagster_home))
    return _Opened(instance, database, run_heartbeats.Watch(database))


class _Guarded:
    """One of the things that are looked for: whatever it fails of, it may succeed the next time, and the other may now."""

    def __init__(self, what: str) -> None:
        """
        Args:
            what: Cannot be seen if it fails.
        """
        self.failed_at = -math.inf
        """By `time.monotonic`, the last time."""
        self._what = what
        self._is_failing = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, Exception):
            self.failed_at = time.monotonic()
            if not self._is_failing:
                _log.warning("cannot see %s: %s", self._what, in_a_line(error))
        self._is_failing = error is not None
        return isinstance(error, Exception)


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
