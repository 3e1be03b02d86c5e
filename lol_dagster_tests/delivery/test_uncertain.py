"""A send whose fate is not known: looked up, and repeated only when it is proven absent."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from lol_dagster.storage.models import ChannelProbe
from lol_dagster_tests._support.fake_channels import (
    Fault,
    fail_after_accept,
    fail_before_accept,
    half_an_answer,
    reset_after_accept,
    slack_error,
)
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import READABLE, posts
from lol_dagster_tests.delivery.proof.test_deaths import Killed

SERVER_ERRORS = (500, 502, 503, 504, 520, 521, 522, 523, 524)
BROKEN_ANSWERS = {
    "200 that is no JSON": fail_after_accept(200),
    "204": fail_after_accept(204),
    "302": fail_after_accept(302),
    "408": fail_after_accept(408),
    "reset": reset_after_accept,
    "half an answer": half_an_answer,
}


@pytest.mark.parametrize("status", SERVER_ERRORS)
@pytest.mark.parametrize("kind", READABLE)
def test_row_07_a_server_error_is_looked_up_instead_of_repeated(
    room: Room, kind: str, status: int
) -> None:
    _look_up_after(room, kind, fail_after_accept(status))


@pytest.mark.parametrize("fault", BROKEN_ANSWERS)
@pytest.mark.parametrize("kind", READABLE)
def test_row_10_a_broken_answer_is_looked_up_instead_of_repeated(
    room: Room, kind: str, fault: str
) -> None:
    _look_up_after(room, kind, BROKEN_ANSWERS[fault])


def _look_up_after(room: Room, kind: str, fault: Fault) -> None:
    channel = room.channel(kind)
    message = room.message(channel)
    for fake in (room.discord, room.slack):
        fake.script("post", fault)

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


def test_row_08_what_is_proven_absent_is_posted_again_with_the_same_nonce(room: Room) -> None:
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


def test_row_25_an_empty_history_without_permission_proves_nothing(room: Room) -> None:
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
        assert session.get_one(ChannelProbe, channel).unreadable_history

    room.discord.may_read_history = True
    room.sweep()
    assert (room.row(message).state, room.titles(channel)) == ("delivered", ["Victory"])
    with room.database.reading() as session:
        assert not session.get_one(ChannelProbe, channel).unreadable_history


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
    assert room.row(message).state == "needs_review"
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
    assert (row.state, row.proven_absent) == ("needs_review", 5)


def test_one_server_error_is_counted_once_however_often_its_absence_is_seen(room: Room) -> None:
    """Deliverers die between the look and the next POST, again and again."""
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_before_accept(500))
    room.sweep()
    for _ in range(6):
        room.pass_time(61)

        def die() -> None:
            raise Killed

        room.crashes.at["after_result"] = die
        with pytest.raises(Killed):
            room.sweep()
    assert room.row(message).proven_absent == 1
    room.pass_time(61)
    room.sweep()
    assert room.titles(channel) == ["Victory"]


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
    assert ("DELETE", "deleted") in room.attempts(message)


def test_row_26_what_was_deleted_while_uncertain_is_not_posted_again(room: Room) -> None:
    """Discord answers 10008 to the nonce of a message that it posted and somebody deleted."""
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    room.discord.deleted.add(room.discord.messages[room.address(channel)][0]["id"])
    room.pass_time(6)
    room.sweep()
    row = room.row(message)
    assert (row.state, row.evidence, row.remote_deleted) == ("delivered", "nonce_deleted", True)
    assert room.titles(channel) == []


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable"])
def test_row_16_slacks_internal_errors_may_have_posted(room: Room, error: str) -> None:
    channel = room.channel("slack-bot")
    message = room.message(channel)
    room.slack.script("post", slack_error(error, after_accept=True))
    assert room.sweep().uncertain == 1
    room.pass_time(31)
    room.sweep()
    assert (room.titles(channel), room.slack.count("post")) == (["Victory"], 1)
    assert room.attempts(message) == [("POST", "uncertain"), ("SCAN", "found")]


@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel"])
def test_row_25_slack_says_when_the_history_cannot_be_read(room: Room, error: str) -> None:
    channel = room.channel("slack-bot")
    message = room.message(channel)
    room.slack.script("post", slack_error("internal_error"))
    room.slack.history_error = error
    room.sweep()
    room.pass_time(31)
    room.sweep()
    assert room.row(message).state == "uncertain"
    assert room.attempts(message)[-1] == ("SCAN", "unreadable_history")
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
    assert room.row(message).state == "needs_review"
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
    assert room.row(late).state == "needs_review"
