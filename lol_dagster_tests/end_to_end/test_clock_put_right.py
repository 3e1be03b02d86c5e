"""The machine's clock was ahead for a while and was put right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lol_dagster.orchestration.resources import WallClock
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

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
