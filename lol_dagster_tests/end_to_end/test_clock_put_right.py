"""The machine's clock was ahead for a while and was put right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lol_dagster.orchestration.resources import WallClock
from lol_dagster.settings import Settings
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.process_harness import running_app
from lol_dagster_tests._support.shifted_clock import ShiftedClock, shifted_clock
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

__all__ = ["shifted_clock"]

DAY = timedelta(days=1)


@pytest.mark.parametrize("ahead", [DAY, timedelta(days=40)])
def test_once_does_what_is_due_after_the_clock_was_ahead(world: World, ahead: timedelta) -> None:
    world.add_team("Gamers", "Ann", kind="slack-bot")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    app = world.app
    app.clock = WallClock(lambda: datetime.now(UTC) + ahead)
    assert world.once()["delivered"] == 1
    app.clock = WallClock()
    world.finish("NA1_5000000002", participants=[participant("Ann")])
    # Slack's channel takes a message a second, and the next one was due a second after tomorrow's.
    assert world.once()["delivered"] == 1
    assert len(world.posted("Gamers")) == 2


@pytest.mark.soak_operations
@pytest.mark.timeout(1500)
def test_the_daemon_goes_on_after_its_clock_was_a_day_ahead(
    world: World, settings: Settings, shifted_clock: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sensors at once; its schedules, of which it remembers the last ticks, and its queue of runs after
    `up` has restarted it, as its heartbeats cease: three minutes of waiting. What it depends on is proven
    with time in hand: orchestration/test_future.py, and `…clock_was_ahead_falls_silent` in test_dagster_services.py.
    """
    world.add_team("Gamers", "Ann")
    for name, value in shifted_clock.environment.items():
        monkeypatch.setenv(name, value)
    shifted_clock.shift(int(DAY.total_seconds()))
    with running_app(world, settings) as app:
        app.wait_until_up()
        app.list_game("NA1_5000000001", "Ann")
        # Its end lies a day back by that clock: it goes into a catch-up message, without its id.
        wait_for("message", lambda: world.posted("Gamers"), seconds=300)
        shifted_clock.shift(0)
        app.list_game("NA1_5000000002", "Ann")
        # It takes three minutes until the daemon is missed, whose queue of runs waits for tomorrow.
        app.wait_until_delivered("Gamers", "NA1_5000000002", seconds=600)
        # A game that only the schedule can find.
        world.finish("NA1_5000000003", participants=[participant("Ann")])
        app.wait_until_delivered("Gamers", "NA1_5000000003", seconds=600)
