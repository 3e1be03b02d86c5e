"""Trying a channel out: what is found, what is said of it, and that it never tells anything later."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from lol_dagster.delivery import probe as probe_module
from lol_dagster.delivery.probe import ProbeError, ProbeReport, probe_channel
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe, Message
from lol_dagster_tests._support.fake_channels import (
    Call,
    fail_after_accept,
    fail_before_accept,
    refuse,
    slack_error,
)
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import ALL, READABLE, posts

WEBHOOK_ALONE = {"discord_bot_token": None}


def probe(room: Room, channel: int, **settings: Any) -> ProbeReport:
    chosen = room.settings.model_copy(update=settings)
    return probe_channel(
        room.database, all_transports(chosen), channel, now=room.now, clock=room.clock
    )


def results(report: ProbeReport) -> dict[str, str]:
    return {each.step: each.result for each in report.findings}


def said(report: ProbeReport, step: str) -> str:
    return next(each.said for each in report.findings if each.step == step)


def test_message(room: Room, report: ProbeReport) -> Message:
    assert report.message_id is not None
    return room.row(report.message_id)


test_message.__test__ = False  # type: ignore[attr-defined]


def kept(room: Room, channel: int) -> ChannelProbe:
    with room.database.reading() as session:
        return session.get_one(ChannelProbe, channel)


@pytest.mark.parametrize("kind", READABLE)
def test_a_channel_that_can_do_all_is_left_as_it_was(any_room: Room, kind: str) -> None:
    channel = any_room.channel(kind)
    report = probe(any_room, channel)
    assert results(report) == dict.fromkeys(("post", "find", "edit", "read", "delete"), "ok")
    assert (report.ok, report.can_read_back, report.left_behind) == (True, True, False)
    assert (posts(any_room), any_room.titles(channel)) == (1, [])
    row = test_message(any_room, report)
    assert (row.kind, row.state, row.remote_deleted, row.due_at) == (
        "test",
        "delivered",
        True,
        None,
    )
    assert [op for op, _ in any_room.attempts(row.id)] == ["POST", "SCAN", "PATCH", "GET", "DELETE"]
    noted = kept(any_room, channel)
    assert (noted.probed_at, noted.can_read_back, noted.unreadable_history) == (
        any_room.now,
        True,
        False,
    )


def test_what_a_webhook_alone_cannot_do_is_a_fact_and_no_failure(room: Room) -> None:
    report = probe(room, room.channel("discord-webhook"), **WEBHOOK_ALONE)
    assert results(report) == {
        "post": "ok", "find": "cannot", "edit": "ok", "read": "ok", "delete": "ok",
    }  # fmt: skip
    assert (report.ok, report.can_read_back) == (True, None)


def test_a_slack_webhook_can_only_post_and_what_it_posted_stays(room: Room) -> None:
    channel = room.channel("slack-webhook")
    report = probe(room, channel)
    assert results(report) == {"post": "ok"} | dict.fromkeys(
        ("find", "edit", "read", "delete"), "cannot"
    )
    assert (report.ok, report.left_behind, len(room.titles(channel))) == (True, True, 1)


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
def test_a_discord_history_that_may_not_be_read_is_named_with_its_permission(
    room: Room, kind: str
) -> None:
    channel = room.channel(kind)
    room.discord.may_read_history = False
    report = probe(room, channel)
    assert results(report)["find"] == "missing"
    assert "Read Message History" in said(report, "find")
    assert (report.ok, report.can_read_back, kept(room, channel).unreadable_history) == (
        False,
        False,
        True,
    )
    assert "less is promised" in report.promise
    assert room.breaker(f"channel:{channel}") is None  # reading it is not what messages wait for

    room.discord.may_read_history = True
    assert probe(room, channel).ok
    assert (kept(room, channel).can_read_back, kept(room, channel).unreadable_history) == (
        True,
        False,
    )


@pytest.mark.parametrize(
    ("error", "help_"),
    [("not_in_channel", "/invite"), ("missing_scope", "channels:history")],
)
def test_a_slack_history_that_may_not_be_read_is_named_with_what_to_do(
    room: Room, error: str, help_: str
) -> None:
    room.slack.history_error = error
    report = probe(room, room.channel("slack-bot"))
    assert (results(report)["find"], results(report)["delete"]) == ("missing", "ok")
    assert help_ in said(report, "find")
    assert report.can_read_back is False


def test_a_history_that_loses_the_marker_is_not_believed(room: Room) -> None:
    """Else a message that arrived would be found absent, and posted a second time."""
    channel = room.channel("slack-bot")

    def forget(call: Call) -> None:
        for each in room.slack.messages[room.address(channel)]:
            each["metadata"], each["blocks"] = {}, []
        call.connection.send(call.act())

    room.slack.script("history", forget, forget)
    report = probe(room, channel)
    assert results(report)["find"] == "missing"
    assert report.can_read_back is False


@pytest.mark.parametrize(
    ("kind", "fault", "help_"),
    [
        ("discord-bot", refuse(403, 50013), "Send Messages and Embed Links"),
        ("discord-bot", refuse(404, 10003), "Copy Channel ID"),
        ("discord-bot", refuse(401, 0), "LOL_DISCORD_BOT_TOKEN"),
        ("slack-bot", slack_error("not_in_channel"), "/invite"),
        ("slack-bot", slack_error("invalid_auth"), "LOL_SLACK_BOT_TOKEN"),
        ("slack-bot", slack_error("missing_scope"), "chat:write"),
    ],
)
def test_a_refused_post_is_named_with_what_to_do_and_nothing_else_is_tried(
    room: Room, kind: str, fault: Any, help_: str
) -> None:
    channel = room.channel(kind)
    (room.discord if kind == "discord-bot" else room.slack).script("post", fault)
    report = probe(room, channel)
    assert help_ in said(report, "post")
    assert results(report) == {"post": "missing"} | dict.fromkeys(
        ("find", "edit", "read", "delete"), "skipped"
    )
    assert (report.ok, report.left_behind) == (False, False)
    assert test_message(room, report).state == "dropped"
    room.pass_time(7200)
    room.sweep()
    assert posts(room) == 1


@pytest.mark.parametrize("kind", READABLE)
def test_an_unanswered_test_message_is_looked_for_and_tried_further(
    any_room: Room, kind: str
) -> None:
    channel = any_room.channel(kind)
    for fake in (any_room.discord, any_room.slack):
        fake.script("post", fail_after_accept())
    report = probe(any_room, channel)
    assert report.ok
    assert "but it is there" in said(report, "post")
    assert test_message(any_room, report).evidence == "scan"
    assert any_room.titles(channel) == []


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_a_test_message_that_did_not_arrive_is_never_repeated(any_room: Room, kind: str) -> None:
    channel = any_room.channel(kind)
    for fake in (any_room.discord, any_room.slack):
        fake.script("post", fail_before_accept())
    report = probe(any_room, channel)
    assert (results(report)["post"], report.left_behind) == ("missing", False)
    assert "it is not there" in said(report, "post")
    any_room.pass_time(7200)
    any_room.sweep()
    assert (posts(any_room), test_message(any_room, report).state) == (1, "dropped")


def test_a_test_message_whose_fate_nobody_can_find_out_is_said_to_be_so(room: Room) -> None:
    channel = room.channel("slack-webhook", uncertain="resend")
    room.slack.script("hook", fail_before_accept(500))
    report = probe(room, channel)
    assert (results(report)["post"], report.ok, report.left_behind) == ("unknown", False, True)
    assert "check the channel yourself" in said(report, "post")
    room.pass_time(7200)
    room.sweep()
    assert (posts(room), test_message(room, report).state) == (1, "dropped")


@pytest.mark.parametrize("kind", ALL)
def test_a_test_message_that_was_left_behind_by_a_death_is_never_sent(
    any_room: Room, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = any_room.channel(kind)

    def die(_call: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(probe_module, "sending", die)
        with pytest.raises(KeyboardInterrupt):
            probe(any_room, channel)
    any_room.pass_time(61)  # its lease is over
    any_room.sweep()
    with any_room.database.reading() as session:
        (row,) = session.scalars(select(Message))
    assert (row.state, row.last_error) == ("dropped", "the test was not completed")
    assert posts(any_room) == 0


def test_a_channel_that_was_blocked_and_works_again_is_opened(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", refuse(403, 50013))
    room.sweep()
    assert room.row(message).state == "blocked"
    assert probe(room, channel).ok
    room.sweep()
    assert room.row(message).state == "delivered"


def test_a_webhook_that_is_gone_is_not_called_again(room: Room) -> None:
    channel = room.channel("discord-webhook")
    room.discord.script("post", refuse(404, 10015))
    assert "make a new one" in said(probe(room, channel), "post")
    calls_before = len(room.discord_server.requests)
    report = probe(room, channel)
    assert "not called any more" in said(report, "post")
    assert (report.message_id, len(room.discord_server.requests)) == (None, calls_before)


def test_a_missing_token_is_named_without_a_call(room: Room) -> None:
    report = probe(room, room.channel(), discord_bot_token=None)
    assert said(report, "post") == "LOL_DISCORD_BOT_TOKEN is not set"
    assert (report.ok, report.message_id, room.discord_server.requests) == (False, None, [])


def test_a_removed_channel_is_not_tried(room: Room) -> None:
    channel = room.channel(removed_at=room.now)
    with pytest.raises(ProbeError):
        probe(room, channel)


def test_another_channels_breaker_is_not_touched(room: Room) -> None:
    ours, other = room.channel(), room.channel()
    with room.database.writing() as session:
        session.add(Breaker(scope=f"channel:{other}", dead=True, reason="gone"))
    assert probe(room, ours).ok
    assert room.breaker(f"channel:{other}") is not None
    with room.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Channel)) == 2
