"""A text that changed: edited in place, once, and never posted again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import delete

from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.model import Timing
from lol_dagster.storage.models import Attempt, Channel, Message
from lol_dagster_tests._support.fake_channels import (
    NOW,
    fail_after_accept,
    fail_before_accept,
    rate_limited,
    refuse,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import DeliverySetup, content
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
    # After the settling time of 5 s; after the second failure half (the jitter) of 30 s.
    for seconds in (6, 16, 0):
        delivery.run()
        delivery.pass_time(seconds)
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


def test_a_text_that_changes_while_the_last_one_is_refused_is_still_sent(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "x" * 5000)
    delivery.discord.script("patch", refuse(400, 50035))
    delivery.crashes.at["after_call"] = lambda: delivery.say(message, "Defeat")
    delivery.run()
    row = delivery.row(message)
    assert (delivery.titles(channel), row.remote_rev, row.last_error) == (["Defeat"], 3, None)


def test_a_text_that_changes_while_the_first_one_is_refused_is_still_posted(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "x" * 5000)
    delivery.discord.script("post", refuse(400, 50035))
    delivery.crashes.at["after_call"] = lambda: delivery.say(message, "Victory")
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])


def test_a_text_that_is_refused_is_given_up_and_the_next_one_is_sent(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "x" * 5000)
    delivery.discord.script("patch", refuse(400, 50035))
    delivery.run()
    row = delivery.row(message)
    assert (row.due_at, row.last_error) == (None, "Discord 400, code 50035: refused with 50035")
    delivery.say(message, "Defeat")
    delivery.run()
    assert delivery.titles(channel) == ["Defeat"]


def use_up_rounds(delivery: DeliverySetup, message: str, left: int) -> None:
    """A correction that has failed, until so many rounds are left to it."""
    with delivery.database.writing() as session:
        session.get_one(Message, message).edit_rounds = Timing().edit_rounds - left


def let_another_pass(delivery: DeliverySetup) -> None:
    """So that it is not the service that fails."""
    delivery.message(delivery.channel(), "another")
    delivery.run()


def test_a_text_that_changes_while_the_rounds_of_the_last_one_are_used_up_has_its_own(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    let_another_pass(delivery)
    delivery.say(message, "Draw")
    use_up_rounds(delivery, message, left=1)
    delivery.discord.script("patch", fail_before_accept(500))
    delivery.crashes.at["after_call"] = lambda: delivery.say(message, "Defeat")
    delivery.run()
    row = delivery.row(message)
    assert (row.edit_rounds, row.last_error) == (1, "Discord 500: unavailable")
    delivery.pass_time(6)
    delivery.run()
    assert delivery.titles(channel) == ["Defeat"]


def test_a_new_text_waits_until_the_edit_that_was_given_up_has_settled(
    delivery: DeliverySetup,
) -> None:
    """It went unanswered, and may still land: after the new one, if that were sent at once."""
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    let_another_pass(delivery)
    delivery.say(message, "Draw")
    use_up_rounds(delivery, message, left=1)
    delivery.discord.script("patch", fail_before_accept(500))
    delivery.run()
    assert delivery.row(message).due_at is None
    delivery.say(message, "Defeat")
    delivery.run()
    assert delivery.discord.count("patch") == 1
    delivery.pass_time(6)
    delivery.run()
    assert delivery.attempts(message)[-2:] == [("GET", "seen"), ("PATCH", "accepted")]
    assert delivery.titles(channel) == ["Defeat"]


@pytest.mark.parametrize(("kind", "patch"), [("discord-bot", "patch"), ("slack-bot", "update")])
def test_an_edit_that_is_put_off_by_a_rate_limit_is_no_failed_edit(
    delivery: DeliverySetup, kind: str, patch: str
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.pass_time(2)  # Slack takes a message a second
    delivery.say(message, "Defeat")
    for fake in (delivery.discord, delivery.slack):
        fake.script(patch, *[rate_limited(3)] * 60)
    for _ in range(60):
        delivery.run()
        row = delivery.row(message)
        assert (row.edit_rounds, row.due_at) == (0, delivery.now + timedelta(seconds=3))
        delivery.pass_time(3)
    delivery.run()
    assert delivery.titles(channel) == ["Defeat"]
    assert delivery.attempts(message)[1:] == [("PATCH", "put_off")] * 60 + [("PATCH", "accepted")]


def test_an_edit_whose_look_is_put_off_is_no_failed_edit(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", fail_before_accept(500))
    delivery.discord.script("get", *[rate_limited(3)] * 60)
    delivery.run()
    delivery.pass_time(6)
    for _ in range(60):
        delivery.run()
        assert delivery.row(message).edit_rounds == 1  # the PATCH's own
        delivery.pass_time(3)
    delivery.run()
    assert delivery.titles(channel) == ["Defeat"]


def test_an_edit_that_discord_puts_off_for_a_day_is_made_then(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", *[refuse(429, 30046)] * 60)
    for _ in range(60):
        delivery.run()
        delivery.pass_time(3600)
    delivery.run()
    assert delivery.titles(channel) == ["Defeat"]


def test_what_is_found_after_a_restoration_is_corrected(any_delivery: DeliverySetup) -> None:
    """The lost installation has counted revisions of its own: its first one is not ours."""
    channel = any_delivery.channel()
    message = any_delivery.message(channel, "of the lost one")
    any_delivery.run()
    with any_delivery.database.writing() as session:
        session.execute(delete(Attempt))
        session.execute(delete(Message))
        add_message(
            session,
            message,
            channel_id=channel,
            kind="game",
            subject="NA1_1",
            order_at=NOW,
            content=content("of this one"),
            now=any_delivery.now,
            maybe_delivered=True,
        )
    any_delivery.run()
    any_delivery.pass_time(6)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["of this one"]
    row = any_delivery.row(message)
    assert (row.evidence, row.remote_rev == row.desired_rev, row.due_at) == ("scan", True, None)


def test_an_edit_that_is_accepted_and_shows_no_effect_is_a_failed_one(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    (posted,) = delivery.discord.messages[delivery.address(channel)]
    unchanged = json.dumps(posted)
    delivery.discord.script("patch", lambda call: call.connection.send(answer(200, unchanged)))
    delivery.run()
    row = delivery.row(message)
    # Half (the jitter) of 15 s.
    assert (row.edit_rounds, row.due_at) == (1, delivery.now + timedelta(seconds=7.5))
    assert row.last_error == "the text stays at revision 1"
