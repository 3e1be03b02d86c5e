"""Killed at each step while a channel's quiet hours hold messages back, while the message about the night is
written, and when they end: delivered once all the same, and not before.
"""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from sqlalchemy import func, select

from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.model import QUIET
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.models import Message, MessageGame
from lol_dagster_tests._support.fake_channels import NOW
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.processes import FORKED
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import BOTS, posts
from lol_dagster_tests.delivery.proof.harness import Harness
from lol_dagster_tests.delivery.proof.test_crash_grid import POST
from lol_dagster_tests.delivery.proof.test_processes import UNSEEN
from lol_dagster_tests.delivery.proof.worker import LABELS, Strike, WorkersClock
from lol_dagster_tests.messages.writing import world, write

WHILE_HELD = ("claiming", "after_claim")
"""What a deliverer passes that holds a message back: it intends nothing."""
MORNING = 3 * 3600.0
"""Seconds from now."""


def a_night() -> str:
    """Hours that began an hour ago and end in two."""
    now = datetime.now(UTC)
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"


def hold(harness: Harness) -> None:
    """A deliverer that lives finds that it is night, when the leases of the dead are over."""
    harness.end_leases()
    clock = WorkersClock(clock_for(harness.database), harness.folder)
    transports = all_transports(harness.settings, harness.timing)
    deliverer = Deliverer(harness.database, transports, clock, timing=harness.timing)

    def all_held() -> bool:
        deliverer.deliver_due(clock.wall(), wait_up_to=timedelta(0))
        with harness.database.reading() as session:
            rows = session.scalars(select(Message)).all()
        return all((row.state, row.last_error) == ("pending", QUIET) for row in rows)

    wait_for("night's rest", all_held, seconds=60)


@pytest.mark.parametrize("kind", BOTS)
def test_row_35_killed_anywhere_around_quiet_hours_a_message_is_posted_once_when_they_end(
    harness: Harness, kind: str
) -> None:
    night = a_night()
    places = [harness.channel(kind, quiet_hours=night) for _ in LABELS]
    matches = [harness.say(channel) for channel, _ in places]
    strikes = list(zip(matches, map(Strike, WHILE_HELD)))  # noqa: B905 - the first two
    assert harness.strike(strikes) == {-signal.SIGKILL: len(WHILE_HELD)}
    hold(harness)
    for match_id in matches:
        harness.change(match_id)  # as when a further game joins
    hold(harness)
    assert harness.world.truth.posted == []

    harness.fault(*(f"{POST[kind]}@{place}={UNSEEN}*1" for _, place in places))
    killed = harness.strike(zip(matches, map(Strike, LABELS), strict=True), wall_skew=MORNING)
    assert killed == {-signal.SIGKILL: len(LABELS)}, harness.stderr[-4000:]
    verdict = harness.finish(wall_skew=MORNING)
    assert verdict.wrong == {}
    assert len(verdict.delivered) == len(harness.world.truth.posted) == len(LABELS)


Moment = Literal["before the commit", "after the commit"]


def write_and_die(url: str, settings: Settings, match_id: str, moment: Moment) -> None:
    """The stage `messages` in a process that is killed."""
    with Database(url, keyring(settings)).writing() as session:
        write(session, match_id)
        session.flush()
        if moment == "before the commit":
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def test_row_35_killed_while_the_nights_message_is_written_each_game_is_in_it_once(
    delivery: DeliverySetup,
) -> None:
    ann, channel = world(delivery.database, quiet_hours="20:00-22:00", address="700000000000000001")
    url = delivery.database.url.render_as_string(hide_password=False)
    delivery.pass_time(300)
    moments: list[Moment] = ["before the commit", "after the commit", "before the commit"]
    for number, moment in enumerate(moments, start=1):
        match_id = f"EUW1_{number}"
        with delivery.database.writing() as session:
            add_game(session, match_id, played(ann), ended_at=NOW + timedelta(minutes=number))
        process = FORKED.Process(
            target=write_and_die, args=(url, delivery.settings, match_id, moment)
        )
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        delivery.run()  # holds what is there
        with delivery.database.writing() as session:
            write(session, match_id)  # as its game is still due
        delivery.run()
    with delivery.database.reading() as session:
        message = session.scalars(select(Message)).one()
        games = session.scalar(select(func.count()).select_from(MessageGame))
    assert (message.kind, message.last_error, games, posts(delivery)) == (
        "catch_up", QUIET, len(moments), 0,
    )  # fmt: skip
    delivery.pass_time(2 * 3600)
    delivery.run()
    assert delivery.titles(channel.id) == ["3 games in the quiet hours"]
    (body,) = delivery.discord.bodies
    assert body["embeds"][0]["description"].count("Jinx") == len(moments)
