"""Refusals and rate limits: who waits for how long, and who goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from lol_dagster.storage.models import Channel
from lol_dagster_tests._support.fake_channels import (
    NOW,
    fail_before_accept,
    refuse,
    slack_error,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import Room


def test_row_12_a_server_that_cannot_be_reached_leaves_nothing_in_doubt(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    nowhere = room.settings.model_copy(update={"discord_url": "http://127.0.0.1:1"})
    assert room.sweep(settings=nowhere).deferred == 1
    row = room.row(message)
    assert (row.state, row.sent_maybe, row.first_sent_at) == ("pending", False, None)
    assert row.due_at == room.now + timedelta(seconds=7.5)  # half of 15 s: the jitter say 0.5
    room.pass_time(8)
    room.sweep()
    assert room.titles(channel) == ["Victory"]
    assert room.discord.count("list") == 0


def test_row_13_a_rate_limit_is_obeyed_to_the_millisecond(room: Room) -> None:
    channel = room.channel()
    room.message(channel, "first")
    room.message(channel, "second", order_at=NOW + timedelta(seconds=1))
    room.discord.script("post", refuse(429, 0, retry_after=1.337, **{"global": False}))
    room.sweep()
    assert room.discord.count("post") == 1
    room.pass_time(1.336)
    assert room.sweep().messages == ()
    room.pass_time(0.002)
    assert room.sweep().delivered == 2


def test_row_13_a_global_rate_limit_holds_all_channels_of_the_token(room: Room) -> None:
    one, two = room.channel(), room.channel()
    slack = room.channel("slack-bot")
    for channel in (one, two, slack):
        room.message(channel)
    room.discord.script("post", refuse(429, 0, retry_after=5.0, **{"global": True}))
    report = room.sweep()
    assert room.discord.count("post") == 1
    assert (report.delivered, room.titles(slack)) == (1, ["Victory"])
    room.pass_time(5.1)
    assert room.sweep().delivered == 2


def test_row_13_cloudflares_ban_holds_the_token_for_ten_minutes(room: Room) -> None:
    room.message(room.channel())
    room.message(room.channel())
    room.discord.script("post", lambda call: call.connection.send(answer(429, "error code: 1015")))
    room.sweep()
    room.pass_time(599)
    room.sweep()
    assert room.discord.count("post") == 1
    room.pass_time(2)
    assert room.sweep().delivered == 2


def test_an_exhausted_bucket_is_waited_for_without_a_429(room: Room) -> None:
    channel = room.channel()
    room.discord.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}
    for number in range(3):
        room.message(channel, f"{number}", order_at=NOW + timedelta(seconds=number))
    report = room.sweep(patience=10)
    assert report.delivered == 3
    assert room.clock.slept == pytest.approx([1.5, 1.5])


def test_slack_gets_one_message_a_second_and_channel(room: Room) -> None:
    channel = room.channel("slack-bot")
    for number in range(3):
        room.message(channel, f"{number}")
    assert room.sweep(patience=10).delivered == 3
    assert room.clock.slept == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("status", "code"), [(403, 50001), (403, 50013), (404, 10003), (403, 999999), (418, 0)]
)
def test_row_14_a_channel_that_refuses_us_is_blocked_alone_and_tried_once_an_hour(
    any_room: Room, status: int, code: int
) -> None:
    room = any_room
    blocked, healthy = room.channel(), room.channel()
    message = room.message(blocked, "first")
    room.message(blocked, "second", order_at=NOW + timedelta(seconds=1))
    room.message(healthy, "other", order_at=NOW + timedelta(seconds=2))
    room.discord.script("post", refuse(status, code), None, *[refuse(status, code)] * 2)

    report = room.sweep()

    assert (report.blocked, report.delivered, room.titles(healthy)) == (1, 1, ["other"])
    row = room.row(message)
    assert (row.state, row.sent_maybe) == ("blocked", False)
    assert room.deliverer().due_now(room.now) == 0
    for _ in range(2):
        before = room.discord.count("post")
        room.pass_time(3590)
        room.sweep()
        assert room.discord.count("post") == before
        room.pass_time(11)
        room.sweep()
        assert room.discord.count("post") == before + 1
    # It lets us in again: the next probe opens it, and all that waited goes out.
    room.pass_time(3601)
    room.sweep()
    assert sorted(room.titles(blocked)) == ["first", "second"]
    assert room.breaker(f"channel:{blocked}") is None


def test_a_new_address_is_tried_at_once(room: Room) -> None:
    channel = room.channel()
    room.message(channel)
    room.discord.script("post", refuse(404, 10003))
    room.sweep()
    with room.database.writing() as session:
        session.get_one(Channel, channel).address = "700000000000000099"
    assert room.sweep().delivered == 1
    assert room.breaker(f"channel:{channel}") is None


def test_row_14_a_rejected_token_blocks_its_channels_and_no_others(room: Room) -> None:
    one, two, slack = room.channel(), room.channel(), room.channel("slack-bot")
    for channel in (one, two, slack):
        room.message(channel)
    room.discord.script("post", refuse(401, 0))
    report = room.sweep()
    assert (room.discord.count("post"), report.delivered) == (1, 1)
    breaker = room.breaker("discord-token")
    assert breaker is not None
    assert breaker.reason == "Discord 401: refused with 0"

    renewed = room.settings.model_copy(update={"discord_bot_token": SecretStr("renewed")})
    assert room.sweep(settings=renewed).delivered == 2


def test_a_missing_token_is_told_by_the_name_of_its_setting(room: Room) -> None:
    channel, slack = room.channel(), room.channel("slack-bot")
    message = room.message(channel)
    room.message(slack)
    without = room.settings.model_copy(update={"discord_bot_token": None})
    assert room.sweep(settings=without).delivered == 1
    breaker = room.breaker("discord-token")
    assert breaker is not None
    assert (breaker.dead, breaker.reason) == (True, "LOL_DISCORD_BOT_TOKEN is not set")
    assert room.row(message).state == "pending"
    assert room.sweep().delivered == 1


@pytest.mark.parametrize(("status", "code"), [(404, 10015), (401, 50027)])
def test_row_14_a_webhook_that_is_gone_is_never_called_again(
    room: Room, status: int, code: int
) -> None:
    room.message(room.channel("discord-webhook"))
    room.discord.script("post", refuse(status, code))
    for _ in range(50):
        room.sweep()
        room.pass_time(3700)
    assert room.discord.count("post") == 1


def test_what_was_in_hand_while_another_deliverer_met_a_webhooks_end_is_told_at_the_new_one(
    any_room: Room,
) -> None:
    room = any_room
    channel = room.channel("discord-webhook")
    in_hand = room.message(channel, "in hand")
    room.message(channel, "meanwhile", order_at=NOW + timedelta(seconds=1))
    room.discord.script("post", refuse(404, 10015))
    room.crashes.at["after_claim"] = room.sweep  # the other one, between claim and intent
    room.sweep()
    row = room.row(in_hand)
    assert (row.state, row.sent_maybe, room.discord.count("post")) == ("pending", False, 1)
    assert (room.deliverer().due_now(room.now), room.deliverer().next_due_at()) == (0, None)

    renewed = room.discord_server.url("/webhooks/800000000000000099/renewed")
    with room.database.writing() as session:
        session.get_one(Channel, channel).address = renewed
    room.sweep(patience=5)
    assert sorted(room.titles(channel)) == ["in hand", "meanwhile"]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("discord-bot", refuse(400, 50035)),
        ("discord-bot", refuse(400, 50006)),
        ("discord-bot", refuse(400, 240000)),
        ("slack-bot", slack_error("invalid_blocks_format")),
        ("slack-bot", slack_error("msg_too_long")),
    ],
)
def test_row_15_a_refused_text_parks_only_itself(room: Room, kind: str, fault: object) -> None:
    channel = room.channel(kind)
    bad = room.message(channel, "bad")
    room.message(channel, "good", order_at=NOW + timedelta(seconds=1))
    for fake in (room.discord, room.slack):
        fake.script("post", fault)  # type: ignore[arg-type]
    report = room.sweep(patience=5)
    assert (report.needs_review, report.delivered) == (1, 1)
    row = room.row(bad)
    assert (row.state, row.sent_maybe) == ("needs_review", False)
    assert row.last_error


def test_a_text_that_cannot_be_rendered_parks_only_itself(room: Room) -> None:
    channel = room.channel()
    bad = room.message(channel, content={"title": 7})
    room.message(channel, "good", order_at=NOW + timedelta(seconds=1))
    report = room.sweep()
    assert (report.needs_review, report.delivered) == (1, 1)
    assert room.row(bad).state == "needs_review"


def test_five_failures_in_a_row_give_the_channel_a_rest_and_then_one_probe(room: Room) -> None:
    channel, healthy = room.channel("slack-bot"), room.channel()
    for number in range(8):
        room.message(channel, f"{number}")
    room.slack.script("post", *[fail_before_accept()] * 6)
    room.sweep(patience=2)
    assert room.slack.count("post") == 5
    room.message(healthy)
    assert room.sweep().delivered == 1
    room.pass_time(61)
    room.sweep()
    # The probe looked one uncertain message up, found it absent, and tried again: sixth failure.
    assert (room.slack.count("history"), room.slack.count("post")) == (1, 6)


def test_messages_of_a_removed_channel_are_dropped(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    with room.database.writing() as session:
        session.get_one(Channel, channel).removed_at = NOW
    room.sweep()
    assert (room.row(message).state, room.discord.calls) == ("dropped", [])
    assert room.deliverer().due_now(room.now) == 0
