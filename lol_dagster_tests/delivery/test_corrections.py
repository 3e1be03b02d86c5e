"""A text that changed: edited in place, once, and never posted again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lol_dagster.storage.models import Channel, Message
from lol_dagster_tests._support.fake_channels import (
    fail_after_accept,
    fail_before_accept,
    refuse,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import READABLE, posts


@pytest.mark.parametrize("kind", READABLE)
def test_row_28_a_changed_text_edits_the_posted_message_in_place(
    delivery: DeliverySetup, kind: str
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel, "Victory")
    delivery.run()
    remote_id = delivery.row(message).remote_id
    delivery.say(message, "Defeat")
    delivery.pass_time(3)

    report = delivery.run()

    assert (report.edited, posts(delivery)) == (1, 1)
    assert delivery.titles(channel) == ["Defeat"]
    row = delivery.row(message)
    assert (row.remote_id, row.remote_rev, row.due_at) == (remote_id, 2, None)
    assert delivery.attempts(message) == [("POST", "accepted"), ("PATCH", "accepted")]


def test_row_27_an_unchanged_text_makes_no_call(delivery: DeliverySetup) -> None:
    message = delivery.message(delivery.channel())
    delivery.run()
    calls = len(delivery.discord.calls)
    with delivery.database.writing() as session:
        session.get_one(Message, message).due_at = delivery.now
    assert delivery.run().edited == 1
    assert len([c for c in delivery.discord.calls[calls:] if c != "channel"]) == 0


def test_row_28_what_cannot_be_edited_is_left_standing_and_never_sent_again(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-webhook")
    message = delivery.message(channel)
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(3)
    (sent,) = delivery.run().messages
    assert sent.outcome == "unchanged"
    assert delivery.titles(channel) == ["Victory"]
    assert "cannot be edited" in (delivery.row(message).last_error or "")


@pytest.mark.parametrize(("kind", "patch"), [("discord-bot", "patch"), ("slack-bot", "update")])
def test_an_edit_that_cannot_be_read_back_is_made_again_and_holds_up_no_message(
    delivery: DeliverySetup, kind: str, patch: str
) -> None:
    """A bot may well post and edit where it may not read: the refused look closes nothing, and once
    the first PATCH has settled a second one can do no harm."""
    channel = delivery.channel(kind)
    corrected = delivery.message(channel, "Victory")
    delivery.run()
    delivery.discord.may_read_history = False
    delivery.slack.history_error = "missing_scope"
    for fake in (delivery.discord, delivery.slack):
        fake.script(patch, fail_before_accept())
    delivery.say(corrected, "Defeat")
    delivery.pass_time(3)
    delivery.run()
    delivery.pass_time(3700)
    delivery.message(channel, "newer", order_at=delivery.now)
    report = delivery.run(wait=5)
    assert (report.edited, report.delivered) == (1, 1)
    assert delivery.titles(channel) == ["Defeat", "newer"]
    outcomes = delivery.attempts(corrected)[1:]
    assert outcomes == [("PATCH", "uncertain"), ("GET", "blocked"), ("PATCH", "accepted")]


def test_an_edited_message_that_has_lost_its_marker_is_edited_once_more(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.discord.script("patch", fail_before_accept())
    delivery.say(message, "Defeat")
    delivery.pass_time(3)
    delivery.run()
    (posted,) = delivery.discord.messages[delivery.address(channel)]
    posted["embeds"] = []  # a moderator has hidden them
    delivery.pass_time(60)
    delivery.run()
    assert delivery.titles(channel) == ["Defeat"]
    outcomes = delivery.attempts(message)[1:]
    assert outcomes == [("PATCH", "uncertain"), ("GET", "unmarked"), ("PATCH", "accepted")]


def test_row_31_a_message_deleted_by_a_moderator_is_never_posted_again(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.run()
    delivery.discord.deleted.add(delivery.row(message).remote_id or "")
    delivery.say(message, "Defeat")
    delivery.run()
    delivery.say(message, "Remake")
    delivery.run()
    row = delivery.row(message)
    assert (row.state, row.remote_deleted, row.due_at) == ("delivered", True, None)
    assert (delivery.discord.count("post"), delivery.discord.count("patch")) == (1, 1)


def test_row_29_a_text_that_changes_while_uncertain_is_edited_when_found(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(6)
    delivery.run()
    assert (delivery.titles(channel), delivery.discord.count("post")) == (["Defeat"], 1)
    assert delivery.row(message).remote_rev == 2


def test_a_repeated_post_that_discord_answers_with_the_first_one_is_known_to_be_old(
    delivery: DeliverySetup,
) -> None:
    """The nonce was used for revision 1: posting revision 2 returns the message of revision 1."""
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.discord.script("post", fail_after_accept())
    delivery.discord.script("list", lambda call: call.connection.send(answer(200, "[]")))
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(6)
    delivery.run()
    assert (delivery.discord.count("post"), delivery.discord.count("patch")) == (2, 1)
    assert delivery.titles(channel) == ["Defeat"]


def test_a_text_that_changes_during_the_call_is_edited_right_after(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.crashes.at["after_call"] = lambda: delivery.say(message, "Defeat")
    delivery.run()
    assert (delivery.titles(channel), delivery.discord.count("post")) == (["Defeat"], 1)


def test_row_30_an_unclear_patch_is_compared_before_it_is_repeated(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", fail_before_accept(), fail_after_accept())
    for _ in range(3):
        delivery.run()
        delivery.pass_time(6)
    assert delivery.titles(channel) == ["Defeat"]
    assert delivery.attempts(message)[1:] == [
        ("PATCH", "uncertain"),
        ("GET", "seen"),
        ("PATCH", "uncertain"),
        ("GET", "seen"),
    ]
    assert delivery.row(message).remote_rev == 2


def test_row_31_an_edit_that_discord_puts_off_waits_an_hour(delivery: DeliverySetup) -> None:
    message = delivery.message(delivery.channel(), "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", refuse(429, 30046))
    delivery.run()
    assert delivery.row(message).due_at == delivery.now + timedelta(hours=1)


def test_what_stands_at_the_channels_former_address_counts_neither_as_deleted_nor_as_edited(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.run()
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).address = "700000000000000099"
    delivery.say(message, "Defeat")
    delivery.pass_time(3)
    (sent,) = delivery.run().messages
    row = delivery.row(message)
    assert (sent.outcome, row.remote_deleted, row.remote_rev) == ("unchanged", False, 1)
    assert row.last_error == "the text has changed since, and cannot be edited where it stands"
    assert delivery.discord.count("patch") == 0
