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
from lol_dagster_tests.delivery.conftest import DISCORD_TOKEN, SLACK_TOKEN, DeliverySetup
from lol_dagster_tests.delivery.kinds import ALL


def test_no_token_and_no_webhook_address_is_logged_or_written_down(
    delivery: DeliverySetup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for kind in ALL:
        message = delivery.message(delivery.channel(kind))
        delivery.say(message, "Defeat")
    delivery.discord.script("post", refuse(403, 50013), half_an_answer)
    delivery.slack.script("post", slack_error("channel_not_found"))
    delivery.slack.script("hook", reset_after_accept)
    for _ in range(3):
        delivery.run()
        delivery.pass_time(3601)
    with delivery.database.reading() as session:
        written = [
            value
            for row in [*session.scalars(select(Attempt)), *session.scalars(select(Message))]
            for value in vars(row).values()
        ]
    text = caplog.text + str([vars(record) for record in caplog.records]) + str(written)
    for secret in (DISCORD_TOKEN, SLACK_TOKEN, "secret-of-hook", "/services/T1"):
        assert secret not in text


def test_row_23_a_stale_deliverers_late_result_is_not_written(
    any_delivery: DeliverySetup, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one freezes after its call for longer than its lease; the second finds the
    message and writes that down; the first wakes up and must leave it alone."""
    delivery = any_delivery
    message = delivery.message(delivery.channel())

    def freeze() -> None:
        delivery.pass_time(61)
        assert delivery.run().delivered == 1

    delivery.crashes.at["after_call"] = freeze
    assert delivery.run().messages == ()
    row = delivery.row(message)
    assert (row.fence, row.evidence, delivery.discord.count("post")) == (2, "scan", 1)
    assert "fenced" in caplog.text
    assert sorted(delivery.attempts(message)) == [("POST", "accepted"), ("SCAN", "found")]


def test_a_deliverer_that_froze_before_its_intent_sends_nothing(delivery: DeliverySetup) -> None:
    message = delivery.message(delivery.channel())

    def freeze() -> None:
        delivery.pass_time(
            46
        )  # the lease (60 s) still stands, but no call (10 s + 5 s) fits into it

    delivery.crashes.at["after_claim"] = freeze
    delivery.run(timing=replace(delivery.deliverer()._outbox._timing, call=10.0))
    assert delivery.attempts(message) == [("POST", "accepted")]
    assert delivery.row(message).fence == 2


def test_a_deliverer_that_froze_after_its_intent_sends_nothing_and_leaves_no_doubt(
    delivery: DeliverySetup,
) -> None:
    message = delivery.message(delivery.channel())
    delivery.crashes.at["after_intent"] = lambda: delivery.pass_time(54)
    delivery.run()
    assert delivery.attempts(message) == [("POST", "put_off"), ("POST", "accepted")]
    assert delivery.discord.count("list") == 0
    with delivery.database.reading() as session:
        reasons = session.scalars(select(Attempt.detail).order_by(Attempt.id)).all()
    assert reasons == ["the claim grew old before the call", None]


def test_a_deliverer_that_was_replaced_before_its_intent_leaves_the_message_to_the_other(
    delivery: DeliverySetup,
) -> None:
    message = delivery.message(delivery.channel())

    def freeze() -> None:
        delivery.pass_time(61)
        assert delivery.run().delivered == 1

    delivery.crashes.at["after_claim"] = freeze
    assert delivery.run().messages == ()
    assert delivery.attempts(message) == [("POST", "accepted")]
    assert delivery.row(message).fence == 2


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
def test_a_deliverer_may_die_anywhere(
    any_delivery: DeliverySetup, label: str, scans: int, posted: int
) -> None:
    delivery = any_delivery
    channel = delivery.channel()
    message = delivery.message(channel)

    def die() -> None:
        raise Killed

    delivery.crashes.at[label] = die
    with pytest.raises(Killed):
        delivery.run()
    if label != "after_result":
        delivery.pass_time(59)
        if label != "claiming":
            assert delivery.run().messages == ()
        delivery.pass_time(2)
        delivery.run()
    assert delivery.titles(channel) == ["Victory"]
    assert (delivery.discord.count("list"), delivery.discord.count("post")) == (scans, posted)
    assert delivery.row(message).state == "delivered"


@pytest.mark.parametrize("kind", ["slack-bot", "discord-webhook"])
def test_settling_counts_from_when_the_call_may_have_begun_at_the_latest(
    delivery: DeliverySetup, kind: str
) -> None:
    """A slow disk: 43 s lie between the intent and the call, in which its process dies. What left then
    was given up on 10 s later, and may be accepted for another 30 s."""
    channel = delivery.channel(kind)
    message = delivery.message(channel)

    def be_slow() -> None:
        delivery.pass_time(43)

    def die() -> None:
        raise Killed

    delivery.crashes.at.update({"after_intent": be_slow, "before_call": die})
    with pytest.raises(Killed):
        delivery.run()
    delivery.pass_time(41)  # 84 s after the claim
    delivery.run()
    assert delivery.attempts(message) == [("POST", None)]
    delivery.pass_time(2)
    delivery.run()
    assert delivery.attempts(message)[1:] == [("SCAN", "absent"), ("POST", "accepted")]


def test_after_a_reboot_leases_are_dead_and_settling_begins_anew(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)

    def die() -> None:
        raise Killed

    delivery.crashes.at["before_call"] = die
    with pytest.raises(Killed):
        delivery.run()
    # Ten seconds later, of which the machine took five to boot: far from any lease's end by the
    # numbers, which are of another boot.
    now = delivery.now + timedelta(seconds=70)
    delivery.clock.epoch, delivery.clock.at = "boot:two", 5.0
    deliverer = delivery.deliverer()
    deliverer.deliver_due(now, wait_up_to=timedelta(0))
    row = delivery.row(message)
    assert (row.state, row.settle_until, delivery.slack.calls) == ("uncertain", 35.0, [])
    delivery.clock.at += 31
    deliverer.deliver_due(now + timedelta(seconds=31), wait_up_to=timedelta(0))
    assert delivery.titles(channel) == ["Victory"]


def test_the_next_time_something_is_due_knows_of_closed_channels(delivery: DeliverySetup) -> None:
    deliverer = delivery.deliverer()
    assert deliverer.next_due_at() is None
    channel = delivery.channel()
    delivery.message(channel)
    assert deliverer.next_due_at() == delivery.now
    delivery.discord.script("post", refuse(403, 50013))
    delivery.run()
    assert deliverer.next_due_at() == delivery.now + timedelta(hours=1)
    assert deliverer.due_now(delivery.now) == 0
