"""Rows of the fault matrix for the kinds of channels that the other tests of the row leave out."""

from __future__ import annotations

import os
import signal

import pytest

from lol_dagster_tests._support.fake_channels import (
    Fault,
    fail_after_accept,
    fail_before_accept,
    slack_error,
)
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import ALL, READABLE, posts
from lol_dagster_tests.delivery.proof.harness import Harness
from lol_dagster_tests.delivery.proof.test_fault_matrix import ALONE, without_reader


def script(delivery: DeliverySetup, fault: Fault) -> None:
    """The next send goes wrong, whichever kind of channel it goes to."""
    delivery.discord.script("post", fault)
    for operation in ("post", "hook"):
        delivery.slack.script(operation, fault)


def run_until_settled(delivery: DeliverySetup) -> None:
    for _ in range(3):
        delivery.run()
        delivery.pass_time(61)


def test_row_04_killed_before_the_answer_a_webhook_alone_holds_it(harness: Harness) -> None:
    harness.fault("slack-hook.post=no-answer*1")
    worker = harness.start(only=harness.say(harness.channel("slack-webhook")[0]))
    wait_for("call", lambda: harness.world.truth.calls("slack-hook.post"), seconds=30)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    harness.join([worker])
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.needs_review) == len(harness.world.truth.posted) == 1


@pytest.mark.parametrize(
    ("policy", "accepted", "shown"),
    [("review", True, 1), ("review", False, 0), ("resend", True, 2), ("resend", False, 1)],
)
@pytest.mark.parametrize("kind", ALONE)
def test_rows_07_and_08_a_server_error_to_a_webhook_alone_is_as_its_policy_says(
    delivery: DeliverySetup, kind: str, policy: str, accepted: bool, shown: int
) -> None:
    without_reader(delivery)
    message = delivery.message(delivery.channel(kind, uncertain=policy))
    script(delivery, fail_after_accept() if accepted else fail_before_accept())
    run_until_settled(delivery)
    assert delivery.row(message).state == ("needs_review" if policy == "review" else "delivered")
    assert posts(delivery) == (1 if policy == "review" else 2)
    fakes = (delivery.discord, delivery.slack)
    assert sum(len(each) for fake in fakes for each in fake.messages.values()) == shown


@pytest.mark.parametrize("kind", READABLE)
def test_row_08_what_is_proven_absent_is_posted_again(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    script(delivery, fail_before_accept())
    run_until_settled(delivery)
    assert delivery.titles(channel) == ["Victory"]
    assert delivery.attempts(message) == [
        ("POST", "uncertain"),
        ("SCAN", "absent"),
        ("POST", "accepted"),
    ]


@pytest.mark.parametrize("kind", ALL)
def test_row_12_no_connection_leaves_no_kind_of_channel_in_doubt(
    delivery: DeliverySetup, kind: str
) -> None:
    message = delivery.message(delivery.channel(kind, address=_nowhere(kind)))
    urls = dict.fromkeys(("discord_url", "slack_url", "slack_hooks_url"), "http://127.0.0.1:1")
    delivery.run(settings=delivery.settings.model_copy(update=urls))
    row = delivery.row(message)
    assert (row.state, row.sent_maybe) == ("pending", False)
    assert delivery.attempts(message) == [("POST", "not_sent")]


def _nowhere(kind: str) -> str | None:
    return "http://127.0.0.1:1/services/T1/B1/HOOK" if kind == "slack-webhook" else None


def test_row_14_slacks_refusal_is_tried_once_an_hour(delivery: DeliverySetup) -> None:
    delivery.message(delivery.channel("slack-bot"))
    delivery.slack.script("post", *[slack_error("channel_not_found")] * 9)
    for _ in range(4 * 60):
        delivery.run()
        delivery.pass_time(60)
    assert 4 <= delivery.slack.count("post") <= 5  # in four hours, and one at the beginning


def test_row_22_frozen_after_its_last_check_a_webhook_alone_shows_it_once_and_holds_it(
    harness: Harness,
) -> None:
    match_id = harness.say(harness.channel("slack-webhook")[0])
    frozen = harness.freeze(match_id, "before_call")
    assert len(harness.finish().needs_review) == 1
    harness.thaw(frozen)
    verdict = harness.verdict()
    assert verdict.wrong == {}
    assert len(verdict.needs_review) == len(harness.world.truth.posted) == 1


def test_row_26_deleted_while_uncertain_slack_shows_one_at_most(delivery: DeliverySetup) -> None:
    """Posted again, as nothing tells that it was deleted: assumption A5 of docs/delivery.md."""
    channel = delivery.channel("slack-bot")
    delivery.message(channel)
    delivery.slack.script("post", fail_after_accept())
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]
    delivery.slack.messages[delivery.address(channel)].clear()
    delivery.pass_time(31)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]


def test_row_28_a_webhook_alone_edits_by_its_own_token(delivery: DeliverySetup) -> None:
    without_reader(delivery)
    channel = delivery.channel("discord-webhook")
    message = delivery.message(channel)
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(3)
    assert delivery.run().edited == 1
    assert (delivery.titles(channel), posts(delivery)) == (["Defeat"], 1)
    assert delivery.discord.authorizations == {""}


@pytest.mark.parametrize("kind", ALONE)
def test_row_29_a_text_that_changes_while_a_webhook_alone_is_uncertain_is_held(
    delivery: DeliverySetup, kind: str
) -> None:
    without_reader(delivery)
    message = delivery.message(delivery.channel(kind))
    script(delivery, fail_after_accept())
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(31)
    run_until_settled(delivery)
    assert (delivery.row(message).state, posts(delivery)) == ("needs_review", 1)


@pytest.mark.parametrize("kind", READABLE)
def test_row_31_a_deleted_message_of_any_kind_is_never_posted_again(
    delivery: DeliverySetup, kind: str
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    delivery.run()
    delivery.pass_time(3)
    delivery.discord.deleted.add(delivery.row(message).remote_id or "")
    delivery.slack.messages.clear()
    for title in ("Defeat", "Remake"):
        delivery.say(message, title)
        run_until_settled(delivery)
    row = delivery.row(message)
    assert (row.state, row.remote_deleted, row.due_at, posts(delivery)) == (
        "delivered",
        True,
        None,
        1,
    )
