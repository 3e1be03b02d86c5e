"""Looking at told messages where they were told: what is found, and that nothing is changed."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from lol_dagster.delivery.audit import AuditReport, audit_messages
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.monitoring import trouble
from lol_dagster.storage.models import Message, MessageAudit
from lol_dagster_tests._support.fake_channels import refuse, slack_error
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import READABLE, posts


def audit(room: Room, **values: Any) -> AuditReport:
    return audit_messages(
        room.database,
        all_transports(room.settings),
        now=room.now,
        clock=room.clock,
        rng=random.Random(1),
        **values,
    )


def told(room: Room, kind: str = "discord-bot") -> tuple[int, str]:
    """A channel, and a message that was told there."""
    channel = room.channel(kind)
    message = room.message(channel)
    room.sweep()
    assert room.row(message).state == "delivered"
    room.pass_time(60)
    return channel, message


def posted(room: Room, channel: int) -> list[dict[str, Any]]:
    """The messages in the channel, as it keeps them."""
    address = room.address(channel)
    if address[0] == "C":
        return room.slack.messages[address]
    webhook = address.split("webhooks/")[1].split("/")[0] if "webhooks/" in address else None
    return room.discord.messages[f"1{webhook}" if webhook else address]


def misstanding(room: Room) -> tuple[str, ...]:
    with room.database.reading() as session:
        return trouble.find(session, trouble.audit_failures()).first


@pytest.mark.parametrize("kind", READABLE)
def test_a_message_that_stands_once_is_found_so_and_nothing_is_changed(
    any_room: Room, kind: str
) -> None:
    channel, message = told(any_room, kind)
    before = any_room.row(message)
    report = audit(any_room)
    assert (report.findings, report.wrong, report.unseen) == ({message: "stands"}, {}, ())
    assert (posts(any_room), any_room.titles(channel)) == (1, ["Victory"])
    after = any_room.row(message)
    assert (after.state, after.fence, after.remote_id) == (
        "delivered",
        before.fence,
        before.remote_id,
    )
    assert any_room.attempts(message)[1:] == [("GET", "seen"), ("SCAN", "found")]
    assert misstanding(any_room) == ()


@pytest.mark.parametrize("kind", READABLE)
def test_a_second_copy_is_found(any_room: Room, kind: str) -> None:
    channel, message = told(any_room, kind)
    (first,) = posted(any_room, channel)
    key = "ts" if kind == "slack-bot" else "id"
    other = f"{float(first[key]) + 1:.6f}" if key == "ts" else str(int(first[key]) + 1)
    posted(any_room, channel).append({**first, key: other})
    assert audit(any_room).findings == {message: "duplicate"}
    assert misstanding(any_room) == (message,)


@pytest.mark.parametrize("kind", READABLE)
def test_a_message_that_somebody_deleted_is_a_fact_and_no_failure(
    any_room: Room, kind: str
) -> None:
    channel, message = told(any_room, kind)
    posted(any_room, channel).clear()
    report = audit(any_room)
    assert (report.findings, report.wrong) == ({message: "deleted"}, {})
    assert misstanding(any_room) == ()
    any_room.sweep()
    assert posts(any_room) == 1


def test_a_copy_beside_a_deleted_message_is_found(room: Room) -> None:
    channel, message = told(room)
    (first,) = posted(room, channel)
    posted(room, channel)[:] = [{**first, "id": str(int(first["id"]) + 1)}]
    assert audit(room).findings == {message: "duplicate"}


def test_an_older_text_and_an_altered_one_are_found(room: Room) -> None:
    channel, message = told(room)
    (first,) = posted(room, channel)
    old = [dict(embed) for embed in first["embeds"]]
    room.say(message, "Defeat")
    room.sweep()
    new = first["embeds"]
    first["embeds"] = old
    assert audit(room).findings == {message: "older_text"}
    first["embeds"] = []
    assert audit(room).findings == {message: "altered"}
    assert misstanding(room) == (message,)
    first["embeds"] = new
    assert audit(room).findings == {message: "stands"}
    assert misstanding(room) == ()


def test_altered_messages_say_nothing_against_their_channel(room: Room) -> None:
    """Five failures in a row would close it; these are answers."""
    channel = room.channel()
    messages = [room.message(channel, f"game {number}") for number in range(5)]
    room.sweep(patience=60)
    for each in posted(room, channel):
        each["embeds"] = []
    assert audit(room).findings == dict.fromkeys(messages, "altered")
    later = room.message(channel, "later")
    room.sweep()
    assert room.row(later).state == "delivered"


def test_a_history_that_slack_cannot_read_just_now_says_nothing_of_the_message(room: Room) -> None:
    """Slack answers 200, whatever happened."""
    _, message = told(room, "slack-bot")
    room.slack.script("history", slack_error("internal_error"))
    report = audit(room)
    assert (report.findings, report.unseen) == ({}, (message,))


def test_a_message_that_the_history_does_not_show_is_found(room: Room) -> None:
    """A look after an unanswered send would take such a one for absent, and it would be repeated."""
    channel, message = told(room, "slack-bot")
    (first,) = posted(room, channel)
    empty = answer(200, json.dumps({"ok": True, "messages": [], "has_more": False}))
    room.slack.script("history", None, lambda call: call.connection.send(empty))
    assert audit(room).findings == {message: "hidden"}
    assert first["ts"] == room.row(message).remote_id


def test_what_stands_wrong_is_looked_at_again_however_old(room: Room) -> None:
    channel, message = told(room)
    (first,) = posted(room, channel)
    kept, first["embeds"] = first["embeds"], []
    audit(room)
    room.pass_time(timedelta(days=9).total_seconds())
    first["embeds"] = kept
    assert audit(room).findings == {message: "stands"}


def test_a_sample_of_what_was_told_lately_is_taken(room: Room) -> None:
    channel = room.channel()
    for number in range(6):
        room.message(channel, f"{number}")
    room.sweep()
    assert len(audit(room, size=4).findings) == 4
    room.pass_time(timedelta(days=3).total_seconds())
    assert audit(room, size=4).findings == {}


def test_a_closed_channel_is_left_alone_and_a_webhooks_end_closes_one(room: Room) -> None:
    channel, message = told(room, "discord-webhook")
    room.discord.script("get", refuse(404, 10015))
    assert audit(room).unseen == (message,)
    assert room.breaker(f"channel:{channel}") is not None
    asked = len(room.discord_server.requests)
    assert audit(room) == AuditReport({}, ())
    assert len(room.discord_server.requests) == asked


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_a_bot_that_may_post_and_not_read_goes_on_posting_after_an_audit(
    room: Room, kind: str
) -> None:
    """Who is refused a look is not refused to send: nothing waits for an hour because of that."""
    channel, message = told(room, kind)
    room.discord.may_read_history = False
    room.slack.history_error = "missing_scope"
    assert audit(room).unseen == (message,)
    room.message(channel, "Defeat")
    assert room.sweep().delivered == 1


def test_a_message_that_was_told_long_before_its_row_was_made_is_found(room: Room) -> None:
    """After a restored backup a game is worked out anew, and its old message found in the channel:
    the history shows that message from the game's end on, not from the row's creation.
    """
    channel, first = told(room)
    with room.database.writing() as session:
        row = session.get_one(Message, first)
        # An hour later, as far as the row knows.
        row.created_at += timedelta(hours=1)
        assert row.after_id is not None
    room.pass_time(timedelta(hours=1).total_seconds())
    room.message(channel, "Defeat")  # or there would be nothing in the history to believe it by
    room.sweep()
    assert audit(room).findings[first] == "stands"


def test_an_audit_ends_in_time(room: Room) -> None:
    told(room)
    assert audit(room, budget=timedelta(0)).findings == {}


def test_a_message_that_is_about_to_be_edited_is_not_looked_at(room: Room) -> None:
    _, message = told(room)
    room.say(message, "Defeat")
    assert audit(room).findings == {}
    with room.database.reading() as session:
        assert session.get(MessageAudit, message) is None
