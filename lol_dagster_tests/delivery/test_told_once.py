"""The shell against channels on real sockets: what is posted, what is written down, what is not."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from lol_dagster.storage.models import Attempt, Channel, ChannelProbe, Match, Message, MessageGame
from lol_dagster_tests.delivery.conftest import DISCORD_TOKEN, SLACK_TOKEN, Room
from lol_dagster_tests.delivery.fakes import (
    NOW,
    fail_after_accept,
    fail_before_accept,
    half_an_answer,
    refuse,
    reset_after_accept,
    slack_error,
)
from lol_dagster_tests.raw_server import Request, answer

BOTS = ["discord-bot", "slack-bot"]
READABLE = [*BOTS, "discord-webhook"]
ALL = [*READABLE, "slack-webhook"]


def posts(room: Room) -> int:
    return room.discord.count("post") + room.slack.count("post") + room.slack.count("hook")


@pytest.mark.parametrize("kind", ALL)
def test_a_due_message_is_posted_once_and_never_again(any_room: Room, kind: str) -> None:
    channel = any_room.channel(kind)
    message = any_room.message(channel, "Victory")

    report = any_room.sweep()
    again = any_room.sweep()

    assert (report.delivered, again.messages, posts(any_room)) == (1, (), 1)
    assert any_room.titles(channel) == ["Victory"]
    row = any_room.row(message)
    assert (row.state, row.evidence, row.due_at, row.remote_rev) == (
        "delivered",
        "response",
        None,
        1,
    )
    assert any_room.attempts(message) == [("POST", "accepted")]


def test_the_report_tells_games_channel_and_where_to_look(room: Room) -> None:
    channel = room.channel("discord-bot", address="700000000000000077")
    message = room.message(channel)
    with room.database.writing() as session:
        session.add(Match(match_id="NA1_1", listed_at=NOW))
        session.flush()
        session.add(MessageGame(channel_id=channel, match_id="NA1_1", message_id=message))

    (carried,) = room.sweep().messages

    remote_id = room.row(message).remote_id
    assert (carried.match_ids, carried.outcome) == (("NA1_1",), "delivered")
    assert carried.link == f"https://discord.com/channels/42/700000000000000077/{remote_id}"


def test_slacks_link_is_the_permalink(room: Room) -> None:
    channel = room.channel("slack-bot", address="C0123")
    message = room.message(channel)
    (carried,) = room.sweep().messages
    digits = (room.row(message).remote_id or "").replace(".", "")
    assert carried.link == f"https://friends.slack.com/archives/C0123/p{digits}"


def test_only_the_messages_of_the_chosen_games_are_carried(room: Room) -> None:
    channel = room.channel()
    chosen, other = room.message(channel, "chosen"), room.message(channel, "other")
    with room.database.writing() as session:
        for match_id, message in [("NA1_1", chosen), ("NA1_2", other)]:
            session.add(Match(match_id=match_id, listed_at=NOW))
            session.flush()
            session.add(MessageGame(channel_id=channel, match_id=match_id, message_id=message))

    room.sweep(only_match_ids=["NA1_1"])

    assert room.titles(channel) == ["chosen"]
    assert room.deliverer().due_now(room.now) == 1


def test_messages_of_a_channel_go_out_in_the_order_in_which_the_games_ended(room: Room) -> None:
    channel = room.channel()
    for minutes in (30, 10, 20):
        room.message(channel, f"{minutes}", order_at=NOW + timedelta(minutes=minutes))
    room.sweep()
    assert room.titles(channel) == ["10", "20", "30"]


@pytest.mark.parametrize("kind", ALL)
def test_the_intent_is_durable_before_a_byte_arrives(any_room: Room, kind: str) -> None:
    message = any_room.message(any_room.channel(kind))
    seen: list[tuple[bool, str, list[tuple[str, str | None]]]] = []

    def look(request: Request) -> None:
        if request.method == "POST" and b"Victory" in request.body:
            row = any_room.row(message)
            seen.append((row.sent_maybe, row.state, any_room.attempts(message)))

    any_room.discord.on_arrival = any_room.slack.on_arrival = look
    any_room.sweep()
    assert seen == [(True, "sending", [("POST", None)])]


def test_discord_gets_the_fixed_nonce_and_nobody_can_be_pinged(room: Room) -> None:
    message = room.message(room.channel())
    room.sweep()
    (body,) = room.discord.bodies
    assert body["nonce"] == room.row(message).nonce
    assert body["enforce_nonce"] is True
    assert body["allowed_mentions"] == {"parse": []}
    assert room.discord_server.requests[0].headers["user-agent"].startswith("DiscordBot (")


# --- a send whose fate is not known --------------------------------------------------------------

AFTER_ACCEPT = {
    "500": fail_after_accept(500),
    "502": fail_after_accept(502),
    "504": fail_after_accept(504),
    "522": fail_after_accept(522),
    "200 that is no JSON": fail_after_accept(200),
    "204": fail_after_accept(204),
    "reset": reset_after_accept,
    "half an answer": half_an_answer,
    "408": fail_after_accept(408),
    "302": fail_after_accept(302),
}


@pytest.mark.parametrize("fault", AFTER_ACCEPT)
@pytest.mark.parametrize("kind", READABLE)
def test_an_unclear_answer_is_looked_up_instead_of_repeated(
    room: Room, kind: str, fault: str
) -> None:
    channel = room.channel(kind)
    message = room.message(channel)
    for fake in (room.discord, room.slack):
        fake.script("post", AFTER_ACCEPT[fault])

    first = room.sweep()
    assert (first.uncertain, room.row(message).state) == (1, "uncertain")
    room.pass_time(31)
    second = room.sweep()

    assert (second.delivered, posts(room)) == (1, 1)
    assert room.titles(channel) == ["Victory"]
    assert room.row(message).evidence == "scan"
    assert room.attempts(message) == [("POST", "uncertain"), ("SCAN", "found")]


@pytest.mark.parametrize("kind", READABLE)
def test_nothing_is_looked_up_before_the_settling_time_is_over(room: Room, kind: str) -> None:
    message = room.message(room.channel(kind))
    for fake in (room.discord, room.slack):
        fake.script("post", fail_after_accept())
    room.sweep()
    due_at = room.row(message).due_at
    settle = room.deliverer()._transports[kind].capabilities.settle
    assert due_at == room.now + timedelta(seconds=settle)
    room.pass_time(settle - 0.1)
    assert room.sweep().messages == ()


def test_a_message_that_is_proven_absent_is_posted_again_with_the_same_nonce(room: Room) -> None:
    channel = room.channel()
    # The witness: a message of ours that the history shows.
    room.message(channel, "earlier")
    room.sweep()
    message = room.message(channel, "Victory")
    room.discord.script("post", fail_before_accept(503))
    nonces: list[str] = []

    def keep_nonce(request: Request) -> None:
        if request.method == "POST":
            nonces.append(json.loads(request.body)["nonce"])

    room.discord.on_arrival = keep_nonce
    room.sweep()
    room.pass_time(6)
    room.sweep()

    assert room.titles(channel) == ["earlier", "Victory"]
    assert nonces == [room.row(message).nonce] * 2
    assert room.attempts(message) == [
        ("POST", "uncertain"),
        ("SCAN", "absent"),
        ("POST", "accepted"),
    ]


def test_an_empty_channel_is_believed_when_a_single_message_may_be_asked_for(room: Room) -> None:
    channel = room.channel()
    room.message(channel)
    room.discord.script("post", fail_before_accept())
    room.sweep()
    room.pass_time(6)
    room.sweep()
    assert room.titles(channel) == ["Victory"]
    # The witness: GET of an id that cannot exist was answered with "unknown message".
    assert room.discord.count("get") == 1


def test_an_empty_history_without_permission_proves_nothing(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.discord.may_read_history = False
    room.discord.nonce_window = False
    for _ in range(4):
        room.sweep()
        room.pass_time(3600)
    assert room.discord.count("post") == 1
    row = room.row(message)
    assert row.state == "uncertain"
    assert row.last_error == "the bot lacks the permission to read the channel's history"
    with room.database.reading() as session:
        assert session.get_one(ChannelProbe, channel).blind

    room.discord.may_read_history = True
    room.sweep()
    assert (room.row(message).state, room.titles(channel)) == ("delivered", ["Victory"])
    with room.database.reading() as session:
        assert not session.get_one(ChannelProbe, channel).blind


def test_a_history_in_which_our_markers_are_lost_proves_nothing(room: Room) -> None:
    channel = room.channel()
    room.message(channel, "earlier")
    room.sweep()
    room.message(channel, "Victory")
    room.discord.script("post", fail_after_accept())
    room.sweep()
    for each in room.discord.messages[room.address(channel)]:
        each["embeds"][0]["url"] = "https://example.org/"
    room.discord.nonce_window = False
    room.pass_time(60)
    room.sweep()
    assert room.discord.count("post") == 2


def test_a_message_that_stays_uncertain_is_parked_in_the_end(room: Room) -> None:
    message = room.message(room.channel())
    room.discord.script("post", fail_after_accept())
    room.discord.may_read_history = False
    for _ in range(30):
        room.sweep()
        room.pass_time(3600)
    assert room.row(message).state == "parked"
    assert room.discord.count("post") == 1


def test_five_server_errors_that_posted_nothing_park_the_message(room: Room) -> None:
    """Discord answers some payloads with 500 for ever (discord-api-docs#6965)."""
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", *[fail_before_accept(500)] * 9)
    for _ in range(20):
        room.sweep()
        room.pass_time(4000)
    assert room.discord.count("post") == 5
    row = room.row(message)
    assert (row.state, row.proven_absent) == ("parked", 5)


def test_all_pages_of_a_busy_channel_are_read(room: Room) -> None:
    channel = room.channel()
    address = room.address(channel)
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    mine = room.discord.messages[address].pop()
    first = int(mine["id"])
    others = [
        {"id": str(first - 300 + n), "channel_id": address, "author": {"id": "1"}, "embeds": []}
        for n in range(250)
    ]
    room.discord.messages[address] = [*others, mine]
    room.pass_time(6)
    room.sweep()
    assert room.row(message).evidence == "scan"
    assert room.discord.count("list") == 3


def test_somebody_elses_copy_of_our_marker_is_not_ours(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    room.discord.messages[room.address(channel)][0]["author"]["id"] = "1"
    room.discord.nonces.clear()
    room.pass_time(6)
    room.sweep()
    assert room.attempts(message)[1:] == [("SCAN", "absent"), ("POST", "accepted")]


def test_a_second_copy_is_taken_away_and_the_first_kept(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    stored = room.discord.messages[room.address(channel)]
    first = stored[0]["id"]
    stored.append({**stored[0], "id": str(int(first) + 5)})
    room.pass_time(6)
    room.sweep()
    assert room.row(message).remote_id == first
    assert room.discord.deleted == {str(int(first) + 5)}
    assert ("DELETE", "gone") in room.attempts(message)


def test_a_message_that_was_deleted_while_uncertain_is_not_posted_again(room: Room) -> None:
    """Discord answers 10008 to the nonce of a message that it posted and somebody deleted."""
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    room.discord.deleted.add(room.discord.messages[room.address(channel)][0]["id"])
    room.pass_time(6)
    room.sweep()
    row = room.row(message)
    assert (row.state, row.evidence, row.remote_gone) == ("delivered", "nonce_deleted", True)
    assert room.titles(channel) == []


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable"])
def test_slacks_internal_errors_may_have_posted(room: Room, error: str) -> None:
    channel = room.channel("slack-bot")
    message = room.message(channel)
    room.slack.script("post", slack_error(error, after_accept=True))
    assert room.sweep().uncertain == 1
    room.pass_time(31)
    room.sweep()
    assert (room.titles(channel), room.slack.count("post")) == (["Victory"], 1)
    assert room.attempts(message) == [("POST", "uncertain"), ("SCAN", "found")]


@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel"])
def test_slack_says_when_the_history_cannot_be_read(room: Room, error: str) -> None:
    channel = room.channel("slack-bot")
    message = room.message(channel)
    room.slack.script("post", slack_error("internal_error"))
    room.slack.history_error = error
    room.sweep()
    room.pass_time(31)
    room.sweep()
    assert room.row(message).state == "uncertain"
    assert room.attempts(message)[-1] == ("SCAN", "blind")
    assert room.slack.count("post") == 1


@pytest.mark.parametrize("kind", ["discord-webhook", "slack-webhook"])
def test_a_webhook_alone_parks_what_nobody_can_look_up(room: Room, kind: str) -> None:
    room.settings = room.settings.model_copy(update={"discord_bot_token": None})
    message = room.message(room.channel(kind))
    room.discord.script("post", fail_after_accept())
    room.slack.script("hook", fail_after_accept())
    for _ in range(3):
        room.sweep()
        room.pass_time(3600)
    assert room.row(message).state == "parked"
    assert posts(room) == 1


@pytest.mark.parametrize("kind", ["discord-webhook", "slack-webhook"])
def test_a_webhook_alone_posts_again_where_the_operator_wants_that(room: Room, kind: str) -> None:
    room.settings = room.settings.model_copy(update={"discord_bot_token": None})
    channel = room.channel(kind, uncertain="resend")
    message = room.message(channel)
    room.discord.script("post", fail_before_accept())
    room.slack.script("hook", fail_before_accept())
    room.sweep()
    room.pass_time(31)
    room.sweep()
    assert (room.row(message).state, room.titles(channel)) == ("delivered", ["Victory"])


def test_a_bot_that_is_known_to_read_nothing_trusts_the_nonce_for_a_minute(room: Room) -> None:
    channel = room.channel()
    with room.database.writing() as session:
        session.add(ChannelProbe(channel_id=channel, can_read_back=False))
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    room.pass_time(6)
    room.sweep()
    assert (room.discord.count("post"), room.titles(channel)) == (2, ["Victory"])
    assert room.attempts(message) == [("POST", "uncertain"), ("POST", "accepted")]

    late = room.message(channel, "late")
    room.discord.script("post", fail_after_accept())
    room.sweep()
    room.pass_time(61)
    room.sweep()
    assert room.row(late).state == "parked"


# --- refusals ------------------------------------------------------------------------------------


def test_a_server_that_cannot_be_reached_is_tried_again_and_nothing_is_in_doubt(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    nowhere = room.settings.model_copy(update={"discord_url": "http://127.0.0.1:1"})
    assert room.sweep(settings=nowhere).later == 1
    row = room.row(message)
    assert (row.state, row.sent_maybe, row.first_sent_at) == ("pending", False, None)
    assert row.due_at == room.now + timedelta(seconds=7.5)  # half of 15 s: the dice say 0.5
    room.pass_time(8)
    room.sweep()
    assert room.titles(channel) == ["Victory"]
    assert room.discord.count("list") == 0


def test_a_rate_limit_is_obeyed_to_the_millisecond(room: Room) -> None:
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


def test_a_global_rate_limit_holds_all_channels_of_the_token(room: Room) -> None:
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


def test_cloudflares_ban_holds_the_token_for_ten_minutes(room: Room) -> None:
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
def test_a_channel_that_refuses_us_is_blocked_alone_and_tried_once_an_hour(
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


def test_a_rejected_token_blocks_its_channels_and_no_others(room: Room) -> None:
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
def test_a_webhook_that_is_gone_is_never_called_again(room: Room, status: int, code: int) -> None:
    room.message(room.channel("discord-webhook"))
    room.discord.script("post", refuse(status, code))
    for _ in range(50):
        room.sweep()
        room.pass_time(3700)
    assert room.discord.count("post") == 1


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
def test_a_refused_text_parks_only_itself(room: Room, kind: str, fault: object) -> None:
    channel = room.channel(kind)
    bad = room.message(channel, "bad")
    room.message(channel, "good", order_at=NOW + timedelta(seconds=1))
    for fake in (room.discord, room.slack):
        fake.script("post", fault)  # type: ignore[arg-type]
    report = room.sweep(patience=5)
    assert (report.parked, report.delivered) == (1, 1)
    row = room.row(bad)
    assert (row.state, row.sent_maybe) == ("parked", False)
    assert row.last_error


def test_a_text_that_cannot_be_rendered_parks_only_itself(room: Room) -> None:
    channel = room.channel()
    bad = room.message(channel, content={"title": 7})
    room.message(channel, "good", order_at=NOW + timedelta(seconds=1))
    report = room.sweep()
    assert (report.parked, report.delivered) == (1, 1)
    assert room.row(bad).state == "parked"


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


# --- corrections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", READABLE)
def test_a_changed_text_edits_the_posted_message_in_place(room: Room, kind: str) -> None:
    channel = room.channel(kind)
    message = room.message(channel, "Victory")
    room.sweep()
    remote_id = room.row(message).remote_id
    room.say(message, "Defeat")
    room.pass_time(3)

    report = room.sweep()

    assert (report.edited, posts(room)) == (1, 1)
    assert room.titles(channel) == ["Defeat"]
    row = room.row(message)
    assert (row.remote_id, row.remote_rev, row.due_at) == (remote_id, 2, None)
    assert room.attempts(message) == [("POST", "accepted"), ("PATCH", "accepted")]


def test_an_unchanged_text_makes_no_call(room: Room) -> None:
    message = room.message(room.channel())
    room.sweep()
    calls = len(room.discord.calls)
    with room.database.writing() as session:
        session.get_one(Message, message).due_at = room.now
    assert room.sweep().edited == 1
    assert len([c for c in room.discord.calls[calls:] if c != "channel"]) == 0


def test_what_cannot_be_edited_is_left_standing_and_never_sent_again(room: Room) -> None:
    channel = room.channel("slack-webhook")
    message = room.message(channel)
    room.sweep()
    room.say(message, "Defeat")
    room.pass_time(3)
    (carried,) = room.sweep().messages
    assert carried.outcome == "unchanged"
    assert room.titles(channel) == ["Victory"]
    assert "cannot edit" in (room.row(message).last_error or "")


def test_a_message_deleted_by_a_moderator_is_never_posted_again(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.sweep()
    room.discord.deleted.add(room.row(message).remote_id or "")
    room.say(message, "Defeat")
    room.sweep()
    room.say(message, "Remake")
    room.sweep()
    row = room.row(message)
    assert (row.state, row.remote_gone, row.due_at) == ("delivered", True, None)
    assert (room.discord.count("post"), room.discord.count("patch")) == (1, 1)


def test_a_text_that_changes_while_its_post_is_uncertain_is_edited_when_found(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel, "Victory")
    room.discord.script("post", fail_after_accept())
    room.sweep()
    room.say(message, "Defeat")
    room.pass_time(6)
    room.sweep()
    assert (room.titles(channel), room.discord.count("post")) == (["Defeat"], 1)
    assert room.row(message).remote_rev == 2


def test_a_repeated_post_that_discord_answers_with_the_first_one_is_known_to_be_old(
    room: Room,
) -> None:
    """The nonce was used for revision 1: posting revision 2 returns the message of revision 1."""
    channel = room.channel()
    message = room.message(channel, "Victory")
    room.discord.script("post", fail_after_accept())
    room.discord.script("list", lambda call: call.connection.send(answer(200, "[]")))
    room.sweep()
    room.say(message, "Defeat")
    room.pass_time(6)
    room.sweep()
    assert (room.discord.count("post"), room.discord.count("patch")) == (2, 1)
    assert room.titles(channel) == ["Defeat"]


def test_a_text_that_changes_during_the_call_is_edited_right_after(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel, "Victory")
    room.crashes.at["after_call"] = lambda: room.say(message, "Defeat")
    room.sweep()
    assert (room.titles(channel), room.discord.count("post")) == (["Defeat"], 1)


def test_an_unclear_patch_is_compared_before_it_is_repeated(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel, "Victory")
    room.sweep()
    room.say(message, "Defeat")
    room.discord.script("patch", fail_before_accept(), fail_after_accept())
    for _ in range(3):
        room.sweep()
        room.pass_time(6)
    assert room.titles(channel) == ["Defeat"]
    assert room.attempts(message)[1:] == [
        ("PATCH", "uncertain"),
        ("GET", "seen"),
        ("PATCH", "uncertain"),
        ("GET", "seen"),
    ]
    assert room.row(message).remote_rev == 2


def test_an_edit_that_discord_puts_off_waits_an_hour(room: Room) -> None:
    message = room.message(room.channel(), "Victory")
    room.sweep()
    room.say(message, "Defeat")
    room.discord.script("patch", refuse(429, 30046))
    room.sweep()
    assert room.row(message).due_at == room.now + timedelta(hours=1)


# --- secrets and logs ----------------------------------------------------------------------------


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


# --- sharing -------------------------------------------------------------------------------------


def test_a_stale_deliverers_late_result_is_not_written(
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
    deliverer.deliver_due(now, patience=timedelta(0))
    row = room.row(message)
    assert (row.state, row.settle_until, room.slack.calls) == ("uncertain", 35.0, [])
    room.clock.at += 31
    deliverer.deliver_due(now + timedelta(seconds=31), patience=timedelta(0))
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
