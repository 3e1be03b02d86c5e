"""Refusals and rate limits: who waits for how long, and who goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from lol_dagster.storage.models import Channel
from lol_dagster_tests._support.fake_channels import (
    NOW,
    Fault,
    fail_before_accept,
    refuse,
    slack_error,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import posts


def test_row_12_a_server_that_cannot_be_reached_leaves_nothing_in_doubt(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    nowhere = delivery.settings.model_copy(update={"discord_url": "http://127.0.0.1:1"})
    assert delivery.run(settings=nowhere).deferred == 1
    row = delivery.row(message)
    assert (row.state, row.sent_maybe, row.first_sent_at) == ("pending", False, None)
    assert row.due_at == delivery.now + timedelta(seconds=7.5)  # half of 15 s: the jitter say 0.5
    delivery.pass_time(8)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]
    assert delivery.discord.count("list") == 0


def test_row_13_a_rate_limit_is_obeyed_to_the_millisecond(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    delivery.message(channel, "first")
    delivery.message(channel, "second", order_at=NOW + timedelta(seconds=1))
    delivery.discord.script("post", refuse(429, 0, retry_after=1.337, **{"global": False}))
    delivery.run()
    assert delivery.discord.count("post") == 1
    delivery.pass_time(1.336)
    assert delivery.run().messages == ()
    delivery.pass_time(0.002)
    assert delivery.run().delivered == 2


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("discord-bot", refuse(429, 0, retry_after=0)),
        ("discord-webhook", refuse(429, 0, retry_after=-1)),
        ("slack-bot", refuse(429, 0, headers={"Retry-After": "0"})),
    ],
)
def test_row_13_to_be_asked_to_wait_for_no_time_is_no_reason_to_hurry(
    delivery: DeliverySetup, kind: str, refusal: Fault
) -> None:
    channel = delivery.channel(kind)
    delivery.message(channel)
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", *[refusal] * 20)
    delivery.run()
    assert posts(delivery) == 1
    delivery.pass_time(1.1)
    delivery.run(wait=5)
    assert posts(delivery) == 21
    assert delivery.titles(channel) == ["Victory"]


def test_row_13_a_global_rate_limit_holds_all_channels_of_the_token(
    delivery: DeliverySetup,
) -> None:
    one, two = delivery.channel(), delivery.channel()
    slack = delivery.channel("slack-bot")
    for channel in (one, two, slack):
        delivery.message(channel)
    delivery.discord.script("post", refuse(429, 0, retry_after=5.0, **{"global": True}))
    report = delivery.run()
    assert delivery.discord.count("post") == 1
    assert (report.delivered, delivery.titles(slack)) == (1, ["Victory"])
    delivery.pass_time(5.1)
    assert delivery.run().delivered == 2


def test_row_13_cloudflares_ban_holds_the_token_for_ten_minutes(delivery: DeliverySetup) -> None:
    delivery.message(delivery.channel())
    delivery.message(delivery.channel())
    delivery.discord.script(
        "post", lambda call: call.connection.send(answer(429, "error code: 1015"))
    )
    delivery.run()
    delivery.pass_time(599)
    delivery.run()
    assert delivery.discord.count("post") == 1
    delivery.pass_time(2)
    assert delivery.run().delivered == 2


def test_an_exhausted_bucket_is_waited_for_without_a_429(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    delivery.discord.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}
    for number in range(3):
        delivery.message(channel, f"{number}", order_at=NOW + timedelta(seconds=number))
    report = delivery.run(wait=10)
    assert report.delivered == 3
    assert delivery.clock.slept == pytest.approx([1.5, 1.5])


def test_slack_gets_one_message_a_second_and_channel(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot")
    for number in range(3):
        delivery.message(channel, f"{number}")
    assert delivery.run(wait=10).delivered == 3
    assert delivery.clock.slept == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, 50001), (403, 50013), (404, 10003), (400, 50083), (403, 999999), (418, 0)],
)
def test_row_14_a_channel_that_refuses_us_is_blocked_alone_and_tried_once_an_hour(
    any_delivery: DeliverySetup, status: int, code: int
) -> None:
    delivery = any_delivery
    blocked, healthy = delivery.channel(), delivery.channel()
    message = delivery.message(blocked, "first")
    delivery.message(blocked, "second", order_at=NOW + timedelta(seconds=1))
    delivery.message(healthy, "other", order_at=NOW + timedelta(seconds=2))
    delivery.discord.script("post", refuse(status, code), None, *[refuse(status, code)] * 2)

    report = delivery.run()

    assert (report.blocked, report.delivered, delivery.titles(healthy)) == (1, 1, ["other"])
    row = delivery.row(message)
    assert (row.state, row.sent_maybe) == ("blocked", False)
    assert delivery.deliverer().due_now(delivery.now) == 0
    for _ in range(2):
        before = delivery.discord.count("post")
        delivery.pass_time(3590)
        delivery.run()
        assert delivery.discord.count("post") == before
        delivery.pass_time(11)
        delivery.run()
        assert delivery.discord.count("post") == before + 1
    # It lets us in again: the next probe opens it, and all that waited goes out.
    delivery.pass_time(3601)
    delivery.run()
    assert sorted(delivery.titles(blocked)) == ["first", "second"]
    assert delivery.breaker(f"channel:{blocked}") is None


def test_a_service_that_hangs_holds_up_no_other_ones_news(any_delivery: DeliverySetup) -> None:
    """Each call to it takes its whole time, and its messages are older."""
    delivery = any_delivery
    hanging, slack = delivery.channel(), delivery.channel("slack-bot")
    for number in range(3):
        delivery.message(hanging, f"{number}", order_at=NOW + timedelta(seconds=number))
    delivery.message(slack, "news", order_at=NOW + timedelta(seconds=9))
    delivery.message(delivery.channel("slack-bot"), "more", order_at=NOW + timedelta(seconds=10))
    delivery.discord.script("post", *[fail_before_accept()] * 3)
    calls: list[str] = []
    for fake in (delivery.discord, delivery.slack):
        fake.on_arrival = lambda request: calls.append(request.target.split("/")[-1])
    delivery.run()
    news = [each for each in calls if each in {"messages", "chat.postMessage"}]
    assert news == ["messages", "chat.postMessage", "chat.postMessage", "messages", "messages"]


def test_a_new_address_is_tried_at_once(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    delivery.message(channel)
    delivery.discord.script("post", refuse(404, 10003))
    delivery.run()
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).address = "700000000000000099"
    assert delivery.run().delivered == 1
    assert delivery.breaker(f"channel:{channel}") is None


def test_row_14_a_rejected_token_blocks_its_channels_and_no_others(delivery: DeliverySetup) -> None:
    one, two, slack = delivery.channel(), delivery.channel(), delivery.channel("slack-bot")
    for channel in (one, two, slack):
        delivery.message(channel)
    delivery.discord.script("post", refuse(401, 0))
    report = delivery.run()
    assert (delivery.discord.count("post"), report.delivered) == (1, 1)
    breaker = delivery.breaker("discord-token")
    assert breaker is not None
    assert breaker.reason == "Discord 401: refused with 0"

    renewed = delivery.settings.model_copy(update={"discord_bot_token": SecretStr("renewed")})
    assert delivery.run(settings=renewed).delivered == 2


def test_a_missing_token_is_named_by_its_setting(delivery: DeliverySetup) -> None:
    channel, slack = delivery.channel(), delivery.channel("slack-bot")
    message = delivery.message(channel)
    delivery.message(slack)
    without = delivery.settings.model_copy(update={"discord_bot_token": None})
    assert delivery.run(settings=without).delivered == 1
    breaker = delivery.breaker("discord-token")
    assert breaker is not None
    assert (breaker.dead, breaker.reason) == (True, "LOL_DISCORD_BOT_TOKEN is not set")
    assert delivery.row(message).state == "pending"
    assert delivery.run().delivered == 1


@pytest.mark.parametrize(("status", "code"), [(404, 10015), (401, 50027)])
def test_row_14_a_webhook_that_is_gone_is_never_called_again(
    delivery: DeliverySetup, status: int, code: int
) -> None:
    delivery.message(delivery.channel("discord-webhook"))
    delivery.discord.script("post", refuse(status, code))
    for _ in range(50):
        delivery.run()
        delivery.pass_time(3700)
    assert delivery.discord.count("post") == 1


def test_what_was_in_hand_while_another_deliverer_met_a_webhooks_end_is_posted_at_the_new_one(
    any_delivery: DeliverySetup,
) -> None:
    delivery = any_delivery
    channel = delivery.channel("discord-webhook")
    in_hand = delivery.message(channel, "in hand")
    delivery.message(channel, "meanwhile", order_at=NOW + timedelta(seconds=1))
    delivery.discord.script("post", refuse(404, 10015))
    delivery.crashes.at["after_claim"] = delivery.run  # the other one, between claim and intent
    delivery.run()
    row = delivery.row(in_hand)
    assert (row.state, row.sent_maybe, delivery.discord.count("post")) == ("pending", False, 1)
    assert (delivery.deliverer().due_now(delivery.now), delivery.deliverer().next_due_at()) == (
        0,
        None,
    )

    renewed = delivery.discord_server.url("/webhooks/800000000000000099/renewed")
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).address = renewed
    delivery.run(wait=5)
    assert sorted(delivery.titles(channel)) == ["in hand", "meanwhile"]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("discord-bot", refuse(400, 50035)),
        ("discord-bot", refuse(400, 50006)),
        ("discord-bot", refuse(400, 200001)),
        ("discord-bot", refuse(400, 240000)),
        ("slack-bot", slack_error("invalid_blocks_format")),
        ("slack-bot", slack_error("msg_too_long")),
    ],
)
def test_row_15_a_refused_text_stops_only_itself(
    delivery: DeliverySetup, kind: str, fault: object
) -> None:
    channel = delivery.channel(kind)
    bad = delivery.message(channel, "bad")
    delivery.message(channel, "good", order_at=NOW + timedelta(seconds=1))
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fault)  # type: ignore[arg-type]
    report = delivery.run(wait=5)
    assert (report.needs_review, report.delivered) == (1, 1)
    row = delivery.row(bad)
    assert (row.state, row.sent_maybe) == ("needs_review", False)
    assert row.last_error


@pytest.mark.parametrize(
    "stored",
    [
        {"title": 7},
        {"title": "", "summary": "", "sections": ["of another version"]},
        {
            "title": "",
            "summary": "",
            "sections": [{"lines": [{"icon": {"of": "another version"}}]}],
        },
    ],
)
def test_a_text_that_cannot_be_rendered_stops_only_itself(
    delivery: DeliverySetup, stored: dict[str, Any]
) -> None:
    channel = delivery.channel()
    bad = delivery.message(channel, content=stored)
    delivery.message(channel, "good", order_at=NOW + timedelta(seconds=1))
    report = delivery.run()
    assert (report.needs_review, report.delivered) == (1, 1)
    assert delivery.row(bad).state == "needs_review"


def test_five_failures_in_a_row_give_the_channel_a_rest_and_then_one_probe(
    delivery: DeliverySetup,
) -> None:
    channel, healthy = delivery.channel("slack-bot"), delivery.channel()
    for number in range(8):
        delivery.message(channel, f"{number}")
    delivery.slack.script("post", *[fail_before_accept()] * 6)
    delivery.run(wait=2)
    assert delivery.slack.count("post") == 5
    delivery.message(healthy)
    assert delivery.run().delivered == 1
    delivery.pass_time(61)
    delivery.run()
    # One was looked for, as reading has not failed, and tried the channel: the sixth failure.
    assert (delivery.slack.count("history"), delivery.slack.count("post")) == (1, 6)


def test_messages_of_a_removed_channel_are_dropped(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).removed_at = NOW
    delivery.run()
    assert (delivery.row(message).state, delivery.discord.calls) == ("dropped", [])
    assert delivery.deliverer().due_now(delivery.now) == 0
