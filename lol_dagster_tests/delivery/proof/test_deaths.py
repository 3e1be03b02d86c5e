"""Deliverers that freeze, die and boot anew; and what they leave in logs."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from lol_dagster.storage.models import Attempt, Message
from lol_dagster_tests._support.fake_channels import (
    half_an_answer,
    refuse,
    reset_after_accept,
    slack_error,
)
from lol_dagster_tests.delivery.conftest import DISCORD_TOKEN, SLACK_TOKEN, Room
from lol_dagster_tests.delivery.kinds import ALL


def test_no_token_and_no_webhook_address_is_logged_or_written_down(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for kind in ALL:
        message = room.message(room.channel(kind))
        room.say(message, "Defeat")
    room.discord.script("post", refuse(403, 50013), half_an_answer)
    room.slack.script("post", slack_error("channel_not_found"))
    room.slack.script("hook", reset_after_accept)
    for _ in range(3):
        room.sweep()
        room.pass_time(3601)
    with room.database.reading() as session:
        written = [
            value
            for row in [*session.scalars(select(Attempt)), *session.scalars(select(Message))]
            for value in vars(row).values()
        ]
    text = caplog.text + str([vars(record) for record in caplog.records]) + str(written)
    for secret in (DISCORD_TOKEN, SLACK_TOKEN, "secret-of-hook", "/services/T1"):
        assert secret not in text


def test_row_23_a_stale_deliverers_late_result_is_not_written(
    any_room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one freezes after its call for longer than its lease; the second finds the
    message and writes that down; the first wakes up and must leave it alone."""
    room = any_room
    message = room.message(room.channel())

    def freeze() -> None:
        room.pass_time(61)
        assert room.sweep().delivered == 1

    room.crashes.at["after_call"] = freeze
    assert room.sweep().messages == ()
    row = room.row(message)
    assert (row.fence, row.evidence, room.discord.count("post")) == (2, "scan", 1)
    assert "fenced" in caplog.text
    assert sorted(room.attempts(message)) == [("POST", "accepted"), ("SCAN", "found")]


def test_a_deliverer_that_froze_before_its_intent_sends_nothing(room: Room) -> None:
    message = room.message(room.channel())

    def freeze() -> None:
        room.pass_time(46)  # the lease (60 s) still stands, but no call (10 s + 5 s) fits into it

    room.crashes.at["after_claim"] = freeze
    room.sweep(timing=replace(room.deliverer()._outbox._timing, call=10.0))
    assert room.attempts(message) == [("POST", "accepted")]
    assert room.row(message).fence == 2


def test_a_deliverer_that_froze_after_its_intent_sends_nothing_and_leaves_no_doubt(
    room: Room,
) -> None:
    message = room.message(room.channel())
    room.crashes.at["after_intent"] = lambda: room.pass_time(54)
    room.sweep()
    assert room.attempts(message) == [("POST", "not_sent"), ("POST", "accepted")]
    assert room.discord.count("list") == 0


class Killed(BaseException):
    """A kill -9 as far as memory is concerned."""


@pytest.mark.parametrize(
    ("label", "scans", "posted"),
    [
        ("claiming", 0, 1),
        ("after_claim", 0, 1),
        ("intending", 0, 1),
        ("after_intent", 1, 1),
        ("before_call", 1, 1),
        ("after_call", 1, 1),
        ("concluding", 1, 1),
        ("after_result", 0, 1),
    ],
)
def test_a_deliverer_may_die_anywhere(any_room: Room, label: str, scans: int, posted: int) -> None:
    room = any_room
    channel = room.channel()
    message = room.message(channel)

    def die() -> None:
        raise Killed

    room.crashes.at[label] = die
    with pytest.raises(Killed):
        room.sweep()
    if label != "after_result":
        room.pass_time(59)
        if label != "claiming":
            assert room.sweep().messages == ()
        room.pass_time(2)
        room.sweep()
    assert room.titles(channel) == ["Victory"]
    assert (room.discord.count("list"), room.discord.count("post")) == (scans, posted)
    assert room.row(message).state == "delivered"


def test_after_a_reboot_leases_are_dead_and_settling_begins_anew(room: Room) -> None:
    channel = room.channel("slack-bot")
    message = room.message(channel)

    def die() -> None:
        raise Killed

    room.crashes.at["before_call"] = die
    with pytest.raises(Killed):
        room.sweep()
    # Ten seconds later, of which the machine took five to boot: far from any lease's end by the
    # numbers, which are of another boot.
    now = room.now + timedelta(seconds=70)
    room.clock.epoch, room.clock.at = "boot:two", 5.0
    deliverer = room.deliverer()
    deliverer.deliver_due(now, wait_up_to=timedelta(0))
    row = room.row(message)
    assert (row.state, row.settle_until, room.slack.calls) == ("uncertain", 35.0, [])
    room.clock.at += 31
    deliverer.deliver_due(now + timedelta(seconds=31), wait_up_to=timedelta(0))
    assert room.titles(channel) == ["Victory"]


def test_the_next_time_something_is_due_knows_of_closed_channels(room: Room) -> None:
    deliverer = room.deliverer()
    assert deliverer.next_due_at() is None
    channel = room.channel()
    room.message(channel)
    assert deliverer.next_due_at() == room.now
    room.discord.script("post", refuse(403, 50013))
    room.sweep()
    assert deliverer.next_due_at() == room.now + timedelta(hours=1)
    assert deliverer.due_now(room.now) == 0
