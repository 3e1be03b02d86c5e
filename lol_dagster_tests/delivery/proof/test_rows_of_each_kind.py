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
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import ALL, READABLE, posts
from lol_dagster_tests.delivery.proof.harness import Rig
from lol_dagster_tests.delivery.proof.test_fault_matrix import ALONE, without_reader


def script(room: Room, fault: Fault) -> None:
    """The next send goes wrong, whichever kind of channel it goes to."""
    room.discord.script("post", fault)
    for operation in ("post", "hook"):
        room.slack.script(operation, fault)


def sweep_on(room: Room) -> None:
    for _ in range(3):
        room.sweep()
        room.pass_time(61)


def test_row_04_killed_before_the_answer_a_webhook_alone_parks(rig: Rig) -> None:
    rig.fault("slack-hook.post=no-answer*1")
    worker = rig.start(only=rig.say(rig.channel("slack-webhook")[0]))
    wait_for("call", lambda: rig.world.truth.calls("slack-hook.post"), seconds=30)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    rig.join([worker])
    verdict = rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.parked) == len(rig.world.truth.posted) == 1


@pytest.mark.parametrize(
    ("policy", "accepted", "shown"),
    [("review", True, 1), ("review", False, 0), ("resend", True, 2), ("resend", False, 1)],
)
@pytest.mark.parametrize("kind", ALONE)
def test_rows_07_and_08_a_server_error_to_a_webhook_alone_is_as_its_policy_says(
    room: Room, kind: str, policy: str, accepted: bool, shown: int
) -> None:
    without_reader(room)
    message = room.message(room.channel(kind, uncertain=policy))
    script(room, fail_after_accept() if accepted else fail_before_accept())
    sweep_on(room)
    assert room.row(message).state == ("needs_review" if policy == "review" else "delivered")
    assert posts(room) == (1 if policy == "review" else 2)
    fakes = (room.discord, room.slack)
    assert sum(len(each) for fake in fakes for each in fake.messages.values()) == shown


@pytest.mark.parametrize("kind", READABLE)
def test_row_08_what_is_proven_absent_is_posted_again(room: Room, kind: str) -> None:
    channel = room.channel(kind)
    message = room.message(channel)
    script(room, fail_before_accept())
    sweep_on(room)
    assert room.titles(channel) == ["Victory"]
    assert room.attempts(message) == [
        ("POST", "uncertain"),
        ("SCAN", "absent"),
        ("POST", "accepted"),
    ]


@pytest.mark.parametrize("kind", ALL)
def test_row_12_no_connection_leaves_no_kind_of_channel_in_doubt(room: Room, kind: str) -> None:
    message = room.message(room.channel(kind, address=_nowhere(kind)))
    urls = dict.fromkeys(("discord_url", "slack_url", "slack_hooks_url"), "http://127.0.0.1:1")
    room.sweep(settings=room.settings.model_copy(update=urls))
    row = room.row(message)
    assert (row.state, row.sent_maybe) == ("pending", False)
    assert room.attempts(message) == [("POST", "not_sent")]


def _nowhere(kind: str) -> str | None:
    return "http://127.0.0.1:1/services/T1/B1/HOOK" if kind == "slack-webhook" else None


def test_row_14_slacks_refusal_is_tried_once_an_hour(room: Room) -> None:
    room.message(room.channel("slack-bot"))
    room.slack.script("post", *[slack_error("channel_not_found")] * 9)
    for _ in range(4 * 60):
        room.sweep()
        room.pass_time(60)
    assert 4 <= room.slack.count("post") <= 5  # in four hours, and one at the beginning


def test_row_22_frozen_after_its_last_look_a_webhook_alone_shows_it_once_and_parks(
    rig: Rig,
) -> None:
    match_id = rig.say(rig.channel("slack-webhook")[0])
    frozen = rig.freeze(match_id, "before_call")
    assert len(rig.finish().parked) == 1
    rig.thaw(frozen)
    verdict = rig.verdict()
    assert verdict.wrong == {}
    assert len(verdict.parked) == len(rig.world.truth.posted) == 1


def test_row_26_deleted_while_uncertain_slack_shows_one_at_most(room: Room) -> None:
    """Posted again, as nothing tells that it was deleted: assumption A5 of docs/delivery.md."""
    channel = room.channel("slack-bot")
    room.message(channel)
    room.slack.script("post", fail_after_accept())
    room.sweep()
    assert room.titles(channel) == ["Victory"]
    room.slack.messages[room.address(channel)].clear()
    room.pass_time(31)
    room.sweep()
    assert room.titles(channel) == ["Victory"]


def test_row_28_a_webhook_alone_edits_by_its_own_token(room: Room) -> None:
    without_reader(room)
    channel = room.channel("discord-webhook")
    message = room.message(channel)
    room.sweep()
    room.say(message, "Defeat")
    room.pass_time(3)
    assert room.sweep().edited == 1
    assert (room.titles(channel), posts(room)) == (["Defeat"], 1)
    assert room.discord.authorizations == {""}


@pytest.mark.parametrize("kind", ALONE)
def test_row_29_a_text_that_changes_while_a_webhook_alone_is_uncertain_is_parked(
    room: Room, kind: str
) -> None:
    without_reader(room)
    message = room.message(room.channel(kind))
    script(room, fail_after_accept())
    room.sweep()
    room.say(message, "Defeat")
    room.pass_time(31)
    sweep_on(room)
    assert (room.row(message).state, posts(room)) == ("needs_review", 1)


@pytest.mark.parametrize("kind", READABLE)
def test_row_31_a_deleted_message_of_any_kind_is_never_posted_again(room: Room, kind: str) -> None:
    channel = room.channel(kind)
    message = room.message(channel)
    room.sweep()
    room.pass_time(3)
    room.discord.deleted.add(room.row(message).remote_id or "")
    room.slack.messages.clear()
    for title in ("Defeat", "Remake"):
        room.say(message, title)
        sweep_on(room)
    row = room.row(message)
    assert (row.state, row.remote_deleted, row.due_at, posts(room)) == ("delivered", True, None, 1)
