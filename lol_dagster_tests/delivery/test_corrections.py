"""A text that changed: edited in place, once, and never posted again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lol_dagster.storage.models import Message
from lol_dagster_tests._support.fake_channels import (
    fail_after_accept,
    fail_before_accept,
    refuse,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import READABLE, posts


@pytest.mark.parametrize("kind", READABLE)
def test_row_28_a_changed_text_edits_the_posted_message_in_place(room: Room, kind: str) -> None:
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


def test_row_27_an_unchanged_text_makes_no_call(room: Room) -> None:
    message = room.message(room.channel())
    room.sweep()
    calls = len(room.discord.calls)
    with room.database.writing() as session:
        session.get_one(Message, message).due_at = room.now
    assert room.sweep().edited == 1
    assert len([c for c in room.discord.calls[calls:] if c != "channel"]) == 0


def test_row_28_what_cannot_be_edited_is_left_standing_and_never_sent_again(room: Room) -> None:
    channel = room.channel("slack-webhook")
    message = room.message(channel)
    room.sweep()
    room.say(message, "Defeat")
    room.pass_time(3)
    (carried,) = room.sweep().messages
    assert carried.outcome == "unchanged"
    assert room.titles(channel) == ["Victory"]
    assert "cannot edit" in (room.row(message).last_error or "")


@pytest.mark.parametrize(("kind", "patch"), [("discord-bot", "patch"), ("slack-bot", "update")])
def test_an_edit_that_cannot_be_read_back_is_made_again_and_holds_up_no_message(
    room: Room, kind: str, patch: str
) -> None:
    """A bot may well post and edit where it may not read: the refused look closes nothing, and once
    the first PATCH has settled a second one can do no harm."""
    channel = room.channel(kind)
    corrected = room.message(channel, "Victory")
    room.sweep()
    room.discord.may_read_history = False
    room.slack.history_error = "missing_scope"
    for fake in (room.discord, room.slack):
        fake.script(patch, fail_before_accept())
    room.say(corrected, "Defeat")
    room.pass_time(3)
    room.sweep()
    room.pass_time(3700)
    room.message(channel, "later", order_at=room.now)
    report = room.sweep(patience=5)
    assert (report.edited, report.delivered) == (1, 1)
    assert room.titles(channel) == ["Defeat", "later"]
    outcomes = room.attempts(corrected)[1:]
    assert outcomes == [("PATCH", "uncertain"), ("GET", "blocked"), ("PATCH", "accepted")]


def test_an_edited_message_that_has_lost_its_marker_is_edited_once_more(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel, "Victory")
    room.sweep()
    room.discord.script("patch", fail_before_accept())
    room.say(message, "Defeat")
    room.pass_time(3)
    room.sweep()
    (posted,) = room.discord.messages[room.address(channel)]
    posted["embeds"] = []  # a moderator has hidden them
    room.pass_time(60)
    room.sweep()
    assert room.titles(channel) == ["Defeat"]
    outcomes = room.attempts(message)[1:]
    assert outcomes == [("PATCH", "uncertain"), ("GET", "unmarked"), ("PATCH", "accepted")]


def test_row_31_a_message_deleted_by_a_moderator_is_never_posted_again(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.sweep()
    room.discord.deleted.add(room.row(message).remote_id or "")
    room.say(message, "Defeat")
    room.sweep()
    room.say(message, "Remake")
    room.sweep()
    row = room.row(message)
    assert (row.state, row.remote_deleted, row.due_at) == ("delivered", True, None)
    assert (room.discord.count("post"), room.discord.count("patch")) == (1, 1)


def test_row_29_a_text_that_changes_while_uncertain_is_edited_when_found(room: Room) -> None:
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


def test_row_30_an_unclear_patch_is_compared_before_it_is_repeated(room: Room) -> None:
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


def test_row_31_an_edit_that_discord_puts_off_waits_an_hour(room: Room) -> None:
    message = room.message(room.channel(), "Victory")
    room.sweep()
    room.say(message, "Defeat")
    room.discord.script("patch", refuse(429, 30046))
    room.sweep()
    assert room.row(message).due_at == room.now + timedelta(hours=1)
