"""Trying a channel out: what is found, what is said of it, and that it never tells anything later."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lol_dagster.delivery import probe as probe_module
from lol_dagster.delivery.outbox import Outbox
from lol_dagster.delivery.probe import ProbeError, ProbeReport, probe_channel
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.transports.slack_bot import SlackBot
from lol_dagster.messages.content import MessageContent
from lol_dagster.pictures.card import Card
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.storage.models import (
    Attempt,
    Breaker,
    Channel,
    ChannelProbe,
    Message,
    MessageText,
    SendBucket,
)
from lol_dagster_tests._support.fake_channels import (
    Call,
    HandClock,
    fail_after_accept,
    fail_before_accept,
    rate_limited,
    refuse,
    slack_error,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import ALL, READABLE, posts
from lol_dagster_tests.pictures.pngs import size_of

WEBHOOK_ALONE = {"discord_bot_token": None}


def probe(delivery: DeliverySetup, channel: int, **settings: Any) -> ProbeReport:
    chosen = delivery.settings.model_copy(update=settings)
    return probe_channel(
        delivery.database, all_transports(chosen), channel, now=delivery.now, clock=delivery.clock
    )


def results(report: ProbeReport) -> dict[str, str]:
    return {each.step: each.result for each in report.findings}


def said(report: ProbeReport, step: str) -> str:
    return next(each.said for each in report.findings if each.step == step)


def test_message(delivery: DeliverySetup, report: ProbeReport) -> Message:
    assert report.message_id is not None
    return delivery.row(report.message_id)


test_message.__test__ = False  # type: ignore[attr-defined]


def kept(delivery: DeliverySetup, channel: int) -> ChannelProbe:
    with delivery.database.reading() as session:
        return session.get_one(ChannelProbe, channel)


@pytest.mark.parametrize("kind", READABLE)
def test_a_channel_that_can_do_all_is_left_as_it_was(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel = any_delivery.channel(kind)
    report = probe(any_delivery, channel)
    assert results(report) == dict.fromkeys(("post", "find", "edit", "read", "delete"), "ok")
    assert (report.ok, report.can_read_back, report.left_behind) == (True, True, False)
    assert (posts(any_delivery), any_delivery.titles(channel)) == (1, [])
    row = test_message(any_delivery, report)
    assert (row.kind, row.state, row.remote_deleted, row.due_at) == (
        "test",
        "delivered",
        True,
        None,
    )
    assert [op for op, _ in any_delivery.attempts(row.id)] == [
        "POST",
        "SCAN",
        "PATCH",
        "GET",
        "DELETE",
    ]
    noted = kept(any_delivery, channel)
    assert (noted.probed_at, noted.can_read_back, noted.unreadable_history) == (
        any_delivery.now,
        True,
        False,
    )


def test_what_a_webhook_alone_cannot_do_is_a_fact_and_no_failure(delivery: DeliverySetup) -> None:
    report = probe(delivery, delivery.channel("discord-webhook"), **WEBHOOK_ALONE)
    assert results(report) == {
        "post": "ok", "find": "cannot", "edit": "ok", "read": "ok", "delete": "ok",
    }  # fmt: skip
    assert (report.ok, report.can_read_back) == (True, None)


def test_a_slack_webhook_can_only_post_and_what_it_posted_stays(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-webhook")
    report = probe(delivery, channel)
    assert results(report) == {"post": "ok"} | dict.fromkeys(
        ("find", "edit", "read", "delete"), "cannot"
    )
    assert (report.ok, report.left_behind, len(delivery.titles(channel))) == (True, True, 1)


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
def test_a_discord_history_that_may_not_be_read_is_named_with_its_permission(
    delivery: DeliverySetup, kind: str
) -> None:
    channel = delivery.channel(kind)
    delivery.discord.may_read_history = False
    report = probe(delivery, channel)
    assert results(report)["find"] == "missing"
    assert "Read Message History" in said(report, "find")
    assert (report.ok, report.can_read_back, kept(delivery, channel).unreadable_history) == (
        False,
        False,
        True,
    )
    assert "less is promised" in report.promise
    assert (
        delivery.breaker(f"channel:{channel}") is None
    )  # reading it is not what messages wait for

    delivery.discord.may_read_history = True
    assert probe(delivery, channel).ok
    assert (kept(delivery, channel).can_read_back, kept(delivery, channel).unreadable_history) == (
        True,
        False,
    )


@pytest.mark.parametrize(
    ("error", "help_"),
    [("not_in_channel", "/invite"), ("missing_scope", "channels:history")],
)
def test_a_slack_history_that_may_not_be_read_is_named_with_what_to_do(
    delivery: DeliverySetup, error: str, help_: str
) -> None:
    delivery.slack.history_error = error
    report = probe(delivery, delivery.channel("slack-bot"))
    assert (results(report)["find"], results(report)["delete"]) == ("missing", "ok")
    assert help_ in said(report, "find")
    assert report.can_read_back is False


def test_a_history_that_loses_the_marker_is_not_believed(delivery: DeliverySetup) -> None:
    """Else a message that arrived would be found absent, and posted a second time."""
    channel = delivery.channel("slack-bot")

    def forget(call: Call) -> None:
        for each in delivery.slack.messages[delivery.address(channel)]:
            each["metadata"], each["blocks"] = {}, []
        call.connection.send(call.act())

    delivery.slack.script("history", forget, forget)
    report = probe(delivery, channel)
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
    delivery: DeliverySetup, kind: str, fault: Any, help_: str
) -> None:
    channel = delivery.channel(kind)
    (delivery.discord if kind == "discord-bot" else delivery.slack).script("post", fault)
    report = probe(delivery, channel)
    assert help_ in said(report, "post")
    assert results(report) == {"post": "missing"} | dict.fromkeys(
        ("find", "edit", "read", "delete"), "skipped"
    )
    assert (report.ok, report.left_behind) == (False, False)
    assert test_message(delivery, report).state == "dropped"
    delivery.pass_time(7200)
    delivery.run()
    assert posts(delivery) == 1


@pytest.mark.parametrize("kind", READABLE)
def test_an_unanswered_test_message_is_looked_for_and_tried_further(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel = any_delivery.channel(kind)
    for fake in (any_delivery.discord, any_delivery.slack):
        fake.script("post", fail_after_accept())
    report = probe(any_delivery, channel)
    assert report.ok
    assert "but it is there" in said(report, "post")
    assert test_message(any_delivery, report).evidence == "scan"
    assert any_delivery.titles(channel) == []


def test_an_unanswered_test_message_that_is_found_shows_that_the_history_can_be_read(
    delivery: DeliverySetup,
) -> None:
    """Though nothing further is tried, as somebody else has met a ban meanwhile."""
    channel = delivery.channel()
    look = delivery.discord.handle

    def ban_during_the_look(operation: str, *rest: Any) -> None:
        if operation == "list":  # before it is answered, as whoever looks goes on at once then
            with delivery.database.writing() as session:
                until = delivery.now + timedelta(minutes=10)
                session.merge(SendBucket(scope="service:Discord", not_before=until))
        look(operation, *rest)

    delivery.discord.handle = ban_during_the_look  # type: ignore[method-assign]
    delivery.discord.script("post", fail_after_accept())
    report = probe(delivery, channel)
    assert (results(report)["find"], report.can_read_back) == ("skipped", True)
    # Two calls, each with its own answer; the first one counts as a failed POST until another passes.
    assert delivery.attempts(report.message_id or "") == [("POST", "uncertain"), ("SCAN", "found")]
    breaker = delivery.breaker(f"channel:{channel}")
    assert breaker is not None
    assert breaker.failures == 1


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_a_test_message_that_did_not_arrive_is_never_repeated(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel = any_delivery.channel(kind)
    for fake in (any_delivery.discord, any_delivery.slack):
        fake.script("post", fail_before_accept())
    report = probe(any_delivery, channel)
    assert (results(report)["post"], report.left_behind) == ("missing", False)
    assert "it is not there" in said(report, "post")
    any_delivery.pass_time(7200)
    any_delivery.run()
    assert (posts(any_delivery), test_message(any_delivery, report).state) == (1, "dropped")


def test_a_test_message_whose_fate_nobody_can_find_out_is_said_to_be_so(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-webhook", uncertain="resend")
    delivery.slack.script("hook", fail_before_accept(500))
    report = probe(delivery, channel)
    assert (results(report)["post"], report.ok, report.left_behind) == ("unknown", False, True)
    assert "check the channel yourself" in said(report, "post")
    delivery.pass_time(7200)
    delivery.run()
    assert (posts(delivery), test_message(delivery, report).state) == (1, "dropped")


@pytest.mark.parametrize("kind", ALL)
def test_a_test_message_that_was_left_behind_by_a_death_is_never_sent(
    any_delivery: DeliverySetup, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = any_delivery.channel(kind)

    def die(_call: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(probe_module, "sending", die)
        with pytest.raises(KeyboardInterrupt):
            probe(any_delivery, channel)
    with any_delivery.database.reading() as session:
        (row,) = session.scalars(select(Message))
    assert row.lease_owner == f"doctor@{socket.gethostname()}:{os.getpid()}"
    any_delivery.pass_time(61)  # its lease is over
    any_delivery.run()
    row = any_delivery.row(row.id)
    assert (row.state, row.last_error) == ("dropped", "the test was not completed")
    assert posts(any_delivery) == 0


def test_a_channel_that_was_blocked_and_works_again_is_opened(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", refuse(403, 50013))
    delivery.run()
    assert delivery.row(message).state == "blocked"
    assert probe(delivery, channel).ok
    delivery.run()
    assert delivery.row(message).state == "delivered"


def test_a_webhook_that_is_gone_is_not_called_again(delivery: DeliverySetup) -> None:
    channel = delivery.channel("discord-webhook")
    delivery.discord.script("post", refuse(404, 10015))
    assert "make a new one" in said(probe(delivery, channel), "post")
    calls_before = len(delivery.discord_server.requests)
    report = probe(delivery, channel)
    assert "not called any more" in said(report, "post")
    assert (report.message_id, len(delivery.discord_server.requests)) == (None, calls_before)


def test_a_missing_token_is_named_without_a_call(delivery: DeliverySetup) -> None:
    report = probe(delivery, delivery.channel(), discord_bot_token=None)
    assert said(report, "post") == "LOL_DISCORD_BOT_TOKEN is not set"
    assert (report.ok, report.message_id, delivery.discord_server.requests) == (False, None, [])


def test_a_removed_channel_is_not_tried(delivery: DeliverySetup) -> None:
    channel = delivery.channel(removed_at=delivery.now)
    with pytest.raises(ProbeError):
        probe(delivery, channel)


def test_another_channels_breaker_is_not_touched(delivery: DeliverySetup) -> None:
    ours, other = delivery.channel(), delivery.channel()
    with delivery.database.writing() as session:
        session.add(Breaker(scope=f"channel:{other}", dead=True, reason="deleted"))
    assert probe(delivery, ours).ok
    assert delivery.breaker(f"channel:{other}") is not None
    with delivery.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Channel)) == 2


def test_a_channel_that_refused_edits_and_takes_one_in_a_test_is_open_to_them(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(3)
    delivery.discord.script("patch", refuse(403, 50001))
    delivery.run()
    closed = delivery.breaker(f"channel:{channel}:edit")
    assert closed is not None
    assert closed.open_until is not None
    assert probe(delivery, channel).ok
    opened = delivery.breaker(f"channel:{channel}:edit")
    assert opened is None or opened.open_until is None


# --- what is said and how long is waited ---------------------------------------------------------


def test_the_channel_reads_it_in_its_teams_language(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).team.language = "de"
    report = probe(delivery, channel)
    assert report.ok
    content = test_message(delivery, report).content
    assert content["language"] == "de"
    assert content["summary"] == "Testnachricht von lol-dagster: Dieser Channel funktioniert."
    (posted_body,) = delivery.discord.bodies
    (embed,) = posted_body["embeds"]
    assert embed["title"] == "Testnachricht von lol-dagster"
    assert embed["description"].startswith("Dieser Channel funktioniert.\n")
    (edited,) = delivery.discord.messages[delivery.address(channel)]
    assert "lassen sich ändern" in edited["embeds"][0]["description"]


def test_people_read_what_was_done_and_the_channel_what_it_is(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    report = probe(delivery, channel)
    with delivery.database.reading() as session:
        assert report.channel == session.get_one(Channel, channel).name
    assert [(each.step, each.said) for each in report.findings] == [
        ("post", "posted"),
        ("find", "found by its marker"),
        ("edit", "edited"),
        ("read", "read back"),
        ("delete", "deleted"),
    ]
    assert (report.channel_id, report.kind, report.probed_at) == (
        channel,
        "discord-bot",
        delivery.now,
    )
    notice = "It was sent to try the channel out, and is deleted in a moment if that is possible."
    (posted_body,) = delivery.discord.bodies
    (embed,) = posted_body["embeds"]
    assert embed["title"] == "Test message from lol-dagster"
    assert embed["description"] == f"This channel works.\n{notice}"
    assert embed["footer"] == {"text": "No game was played."}
    # The fake keeps what was deleted, as it was edited before.
    (edited,) = delivery.discord.messages[delivery.address(channel)]
    assert edited["embeds"][0]["description"] == (
        f"This channel works, and its messages can be edited.\n{notice}"
    )
    assert kept(delivery, channel).findings == {
        "message_id": report.message_id,
        "steps": [
            {"step": each.step, "result": "ok", "said": each.said} for each in report.findings
        ],
    }


def waits(delivery: DeliverySetup) -> list[float]:
    return [seconds for seconds in delivery.clock.slept if seconds]


def test_a_rate_limit_that_ends_soon_is_waited_for(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    delivery.discord.script("patch", rate_limited(15))
    assert probe(delivery, channel).ok
    assert waits(delivery) == [15.0]


def test_a_rate_limit_that_does_not_end_soon_is_said(delivery: DeliverySetup) -> None:
    delivery.discord.script("patch", rate_limited(16))
    report = probe(delivery, delivery.channel())
    assert (results(report)["edit"], said(report, "edit")) == ("missing", "Discord 429: limited")
    assert waits(delivery) == []
    # What could not be edited still says what was posted, and can be read and deleted.
    assert (results(report)["read"], results(report)["delete"]) == ("ok", "ok")
    row = test_message(delivery, report)
    assert (row.desired_rev, row.remote_rev, row.remote_deleted) == (1, 1, True)
    (section,) = MessageContent.from_json(row.content).sections
    assert section.lines[0].facts == ("This channel works.",)


def test_under_a_ban_of_the_service_nothing_more_is_tried(delivery: DeliverySetup) -> None:
    """Cloudflare's, which is about our address: every further call would prolong it."""
    ban = answer(429, "error code: 1015", {"Retry-After": "600"})
    delivery.discord.script("patch", lambda call: call.connection.send(ban))
    report = probe(delivery, delivery.channel())
    # 20:00:00 by the fake's clock, and ten minutes.
    why = "a rate limit forbids any call until 20:10:00 UTC"
    assert [said(report, step) for step in ("read", "delete")] == [why, why]
    assert (results(report)["read"], results(report)["delete"]) == ("skipped", "skipped")
    assert (delivery.discord.count("get"), delivery.discord.count("delete")) == (0, 0)
    assert report.left_behind


def test_a_step_is_tried_three_times(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    delivery.discord.script("patch", *[rate_limited(3)] * 3)
    report = probe(delivery, channel)
    assert results(report)["edit"] == "missing"
    assert delivery.discord.count("patch") == 3
    delivery.discord.script("patch", *[rate_limited(3)] * 2)
    assert probe(delivery, channel).ok


def limit_for(delivery: DeliverySetup, channel: int, seconds: float) -> None:
    with delivery.database.writing() as session:
        until = delivery.now + timedelta(seconds=seconds)
        session.merge(SendBucket(scope=f"channel:{channel}", not_before=until))


def test_a_rate_limit_of_before_is_obeyed(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    limit_for(delivery, channel, 15)
    assert probe(delivery, channel).ok
    assert waits(delivery) == [15.0]
    limit_for(delivery, channel, 16)
    report = probe(delivery, channel)
    # 20:00:00 by the fake's clock, 15 s of waiting, and 16.
    assert said(report, "post") == "a rate limit forbids any call until 20:00:31 UTC"
    assert (results(report)["post"], report.message_id) == ("missing", None)
    assert said(report, "find") == "not tried, as nothing was posted"


def test_what_a_history_shows_only_after_a_while_is_found(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    first = {"author": {"id": "1"}, "embeds": [], "channel_id": delivery.address(channel)}
    old = [{**first, "id": str(number)} for number in range(1, 202)]  # two pages of Discord's
    delivery.discord.messages[delivery.address(channel)] = old
    delivery.discord.script("list", lambda call: call.connection.send(answer(200, "[]")))
    report = probe(delivery, channel)
    assert (said(report, "find"), report.can_read_back) == ("found by its marker", True)
    assert delivery.discord.count("list") == 2  # what is older is not read
    assert waits(delivery) == [5.0]  # Discord's settling time
    assert test_message(delivery, report).id == report.message_id
    assert delivery.attempts(report.message_id or "")[1:3] == [
        ("SCAN", "absent"),
        ("SCAN", "found"),
    ]


def test_a_history_without_the_message_is_said_to_be_so(delivery: DeliverySetup) -> None:
    nothing = lambda call: call.connection.send(answer(200, "[]"))  # noqa: E731
    delivery.discord.script("list", nothing, nothing)
    report = probe(delivery, delivery.channel())
    assert said(report, "find") == (
        "the history can be read, but does not show the message with its marker"
    )
    assert (results(report)["find"], report.can_read_back) == ("missing", False)


def test_an_edit_that_is_not_there_is_seen(delivery: DeliverySetup) -> None:
    channel = delivery.channel()

    def put_back(call: Call) -> None:
        (message,) = delivery.discord.messages[delivery.address(channel)]
        message["embeds"] = delivery.discord.bodies[0]["embeds"]
        call.connection.send(call.act())

    delivery.discord.script("get", put_back)
    report = probe(delivery, channel)
    assert (results(report)["read"], said(report, "read")) == (
        "missing",
        "revision 1 stands there instead of the newest",
    )


def test_a_step_that_goes_unanswered_is_unknown(delivery: DeliverySetup) -> None:
    delivery.discord.script("delete", fail_before_accept(503))
    report = probe(delivery, delivery.channel())
    assert (results(report)["delete"], said(report, "delete")) == (
        "unknown",
        "Discord 503: unavailable",
    )
    assert report.left_behind
    row = test_message(delivery, report)
    assert (row.state, row.remote_deleted) == ("delivered", False)


def test_a_message_that_somebody_deletes_meanwhile_is_said_to_be_gone(
    delivery: DeliverySetup,
) -> None:
    delivery.discord.script("get", refuse(404, 10008))
    report = probe(delivery, delivery.channel())
    assert said(report, "read") == (
        "it is gone already: Discord 404, code 10008: refused with 10008"
    )


@pytest.mark.parametrize(
    ("kind", "step", "words"),
    [
        ("slack-webhook", "find", "a slack-webhook cannot read its channel"),
        ("slack-webhook", "edit", "a slack-webhook cannot change what it has posted"),
        ("discord-webhook", "find", "a discord-webhook cannot read its channel"),
    ],
)
def test_what_its_kind_cannot_do_is_said(
    delivery: DeliverySetup, kind: str, step: str, words: str
) -> None:
    assert said(probe(delivery, delivery.channel(kind), **WEBHOOK_ALONE), step) == words


def test_a_channel_that_is_not_there_is_said_not_to_be(delivery: DeliverySetup) -> None:
    with pytest.raises(ProbeError, match=r"^there is no such channel \(any more\)$"):
        probe(delivery, 999)


@pytest.mark.parametrize(
    ("known", "is_less"),
    [
        ({"can_read_back": None, "unreadable_history": False}, False),
        ({"can_read_back": True, "unreadable_history": False}, False),
        # A test has seen that it does not show what was posted, though it can be read.
        ({"can_read_back": False, "unreadable_history": False}, True),
        # A delivery has found it unreadable.
        ({"can_read_back": None, "unreadable_history": True}, True),
        ({"can_read_back": True, "unreadable_history": True}, True),
    ],
)
def test_what_was_known_of_the_history_counts_where_a_test_cannot_tell(
    delivery: DeliverySetup, known: dict[str, bool | None], is_less: bool
) -> None:
    channel = delivery.channel()
    with delivery.database.writing() as session:
        session.add(ChannelProbe(channel_id=channel, **known))
    delivery.discord.script("list", fail_before_accept(503))
    report = probe(delivery, channel)
    assert (results(report)["find"], report.can_read_back) == ("unknown", None)
    assert ("less is promised" in report.promise) is is_less
    noted = kept(delivery, channel)
    assert {name: getattr(noted, name) for name in known} == known
    assert noted.probed_at == delivery.now


def test_a_first_test_that_cannot_tell_finds_no_fault_with_the_history(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    delivery.discord.script("list", fail_before_accept(503))
    report = probe(delivery, channel)
    assert "less is promised" not in report.promise
    noted = kept(delivery, channel)
    assert (noted.can_read_back, noted.unreadable_history) == (None, False)


# --- what is written down, and where it is looked for ----------------------------------------------


def test_each_call_is_kept_with_the_text_and_the_message_that_it_was_about(
    delivery: DeliverySetup,
) -> None:
    report = probe(delivery, delivery.channel())
    with delivery.database.reading() as session:
        remote_id = test_message(delivery, report).remote_id
        calls = session.scalars(select(Attempt).order_by(Attempt.id)).all()
        assert [(each.op, each.outcome, each.rev, each.remote_id) for each in calls] == [
            ("POST", "accepted", 1, remote_id),
            ("SCAN", "found", None, remote_id),
            ("PATCH", "accepted", 2, remote_id),
            ("GET", "seen", None, None),
            ("DELETE", "deleted", None, remote_id),
        ]
        (former,) = session.scalars(select(MessageText))
    (section,) = MessageContent.from_json(former.content).sections
    assert (former.rev, section.lines[0].facts) == (1, ("This channel works.",))


def test_a_test_message_is_looked_for_from_itself_on(delivery: DeliverySetup) -> None:
    """Above it a channel may have years of history."""
    channel = delivery.channel()
    first = {"author": {"id": "1"}, "embeds": [], "channel_id": delivery.address(channel)}
    old = [{**first, "id": str(number)} for number in range(1, 202)]  # two pages of Discord's
    delivery.discord.messages[delivery.address(channel)] = old
    assert probe(delivery, channel).ok
    assert delivery.discord.count("list") == 1


def test_an_unanswered_test_message_is_looked_for_after_the_last_that_stands_there(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    delivery.message(channel)
    delivery.run()
    first = {"author": {"id": "1"}, "embeds": [], "channel_id": delivery.address(channel)}
    old = [{**first, "id": str(number)} for number in range(1, 202)]  # two pages of Discord's
    delivery.discord.messages[delivery.address(channel)][:0] = old
    delivery.discord.script("post", fail_after_accept())
    report = probe(delivery, channel)
    assert (results(report)["post"], delivery.discord.count("list")) == ("ok", 2)  # and "find"


@pytest.mark.sqlite
def test_the_channels_own_clock_is_the_databases_unless_a_test_brings_one(
    delivery: DeliverySetup,
) -> None:
    report = probe_channel(
        delivery.database, all_transports(delivery.settings), delivery.channel(), now=delivery.now
    )
    assert report.ok
    assert (test_message(delivery, report).clock or "").startswith("boot:")


# --- whatever comes in between ---------------------------------------------------------------------


def test_a_test_that_took_too_long_to_begin_is_given_up(delivery: DeliverySetup) -> None:
    """A call under an old claim might still be under way when another deliverer has it."""

    class Slow(HandClock):
        def local(self) -> float:
            self.at += 50  # a claim is good for a call for 45 s
            return self.at

    delivery.clock = Slow()
    channel = delivery.channel()
    report = probe(delivery, channel)
    assert (results(report)["post"], said(report, "post")) == (
        "missing",
        "the claim grew old before the call",
    )
    row = test_message(delivery, report)
    assert (row.state, row.last_error) == ("dropped", "a test is never sent again")
    assert (posts(delivery), report.left_behind) == (0, False)


def test_a_test_that_somebody_else_has_ended_meanwhile_posts_nothing(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_test = Outbox.open_test

    def and_stand_still(outbox: Outbox, *args: Any) -> Any:
        claimed = open_test(outbox, *args)
        delivery.pass_time(61)  # the machine slept; its lease is over, and a deliverer has come by
        delivery.run()
        return claimed

    monkeypatch.setattr(Outbox, "open_test", and_stand_still)
    report = probe(delivery, delivery.channel())
    assert (results(report)["post"], said(report, "post")) == (
        "missing",
        "another call was in the way: try again",
    )
    assert (posts(delivery), report.left_behind) == (0, False)


@pytest.mark.parametrize("fault", [refuse(403, 50013), refuse(400, 50035), fail_before_accept()])
def test_a_test_that_was_not_posted_is_over_at_once(delivery: DeliverySetup, fault: Any) -> None:
    """And not only when the next deliverer comes by."""
    delivery.discord.script("post", fault)
    row = test_message(delivery, probe(delivery, delivery.channel()))
    assert (row.state, row.due_at, row.last_error) == (
        "dropped",
        None,
        "a test is never sent again",
    )


def test_an_unanswered_test_message_that_cannot_be_searched_for_may_be_there(
    delivery: DeliverySetup,
) -> None:
    delivery.discord.script("post", fail_after_accept(502))
    delivery.discord.script("list", fail_before_accept(503))
    report = probe(delivery, delivery.channel())
    assert said(report, "post") == (
        "the POST went unanswered (Discord 502), and it cannot be searched for"
    )
    assert said(report, "find") == "Discord 503: unavailable"
    assert (results(report)["post"], results(report)["find"]) == ("unknown", "unknown")
    assert (results(report)["edit"], report.left_behind) == ("skipped", True)
    assert (report.can_read_back, test_message(delivery, report).state) == (None, "dropped")


def test_a_ban_that_somebody_else_meets_meanwhile_ends_the_test(delivery: DeliverySetup) -> None:
    def ban(_request: object) -> None:
        with delivery.database.writing() as session:
            until = delivery.now + timedelta(minutes=10)
            session.merge(SendBucket(scope="service:Discord", not_before=until))

    delivery.discord.on_arrival = ban
    report = probe(delivery, delivery.channel())
    assert results(report)["post"] == "ok"
    for step in ("find", "edit", "read", "delete"):
        assert (results(report)[step], said(report, step)) == (
            "skipped",
            "a rate limit forbids any call until 20:10:00 UTC",
        )
    assert (delivery.discord.calls, report.left_behind) == (["post"], True)
    row = test_message(delivery, report)
    assert (row.desired_rev, row.remote_rev, row.remote_deleted) == (1, 1, False)


def test_a_test_whose_refusal_is_about_an_edit_alone_closes_nothing(
    delivery: DeliverySetup,
) -> None:
    """No message waits for it; and what it shows to work is opened."""
    channel = delivery.channel()
    with delivery.database.writing() as session:
        for call in ("", ":edit", ":scan"):
            scope = f"channel:{channel}{call}"
            session.add(Breaker(scope=scope, failures=1, dead=False, reason="before"))
    delivery.discord.script("patch", refuse(403, 50013))
    delivery.discord.script("get", fail_before_accept())
    report = probe(delivery, channel)
    assert (results(report)["edit"], results(report)["read"]) == ("missing", "unknown")
    with delivery.database.reading() as session:
        left = {row.scope: row.failures for row in session.scalars(select(Breaker))}
    # The reading that failed counted as one of an edit's calls; the deletion then passed.
    assert left == {}


# --- pictures ------------------------------------------------------------------------------------

_WITH_PICTURE = ("post", "find", "edit", "picture", "read", "delete")


@pytest.mark.parametrize("kind", READABLE)
def test_where_games_have_a_card_a_picture_is_tried(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel(kind, pictures="card")
    shown: list[list[list[bytes]]] = []

    def look(call: Call) -> None:
        shown.append(delivery.pictures(channel))
        call.connection.send(call.act())

    (delivery.slack if kind == "slack-bot" else delivery.discord).script("delete", look)
    # Slack has scanned what was there when it is asked the next time.
    delivery.slack.on_arrival = lambda _: delivery.slack.ready.update(delivery.slack.files)
    report = probe(delivery, channel)
    assert results(report) == dict.fromkeys(_WITH_PICTURE, "ok")
    assert report.ok
    (((picture,),),) = shown
    assert size_of(picture)[0] == 720, "a card, which is drawn"
    assert delivery.titles(channel) == []


@pytest.mark.parametrize(
    ("kind", "operation", "refusal", "remedy"),
    [
        ("discord-bot", "patch", refuse(403, 50013), "the bot needs in this channel: Attach Files"),
        ("slack-bot", "upload-url", slack_error("missing_scope"), "give the app the scopes files:write and files:read"),
        ("slack-bot", "file", slack_error("missing_scope"), "files:read"),
    ],
)  # fmt: skip
def test_what_a_picture_needs_is_named_and_the_rest_is_tried(
    delivery: DeliverySetup, kind: str, operation: str, refusal: Any, remedy: str
) -> None:
    channel = delivery.channel(kind, pictures="card")
    fake = delivery.slack if kind == "slack-bot" else delivery.discord
    fake.script(operation, *([None] if operation == "patch" else []), refusal)
    report = probe(delivery, channel)
    assert results(report) == {**dict.fromkeys(_WITH_PICTURE, "ok"), "picture": "missing"}
    assert remedy in said(report, "picture")
    assert (report.ok, report.left_behind) == (False, False)


def test_a_picture_that_is_not_ready_in_time_is_not_known(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlackBot, "is_ready", lambda *_: False)
    report = probe(delivery, delivery.channel("slack-bot", pictures="card"))
    assert results(report) == {**dict.fromkeys(_WITH_PICTURE, "ok"), "picture": "unknown"}
    # What the app needs is not named: it has that.
    assert (
        said(report, "picture") == "it is uploaded, and not ready to be shown yet: try again later"
    )


@pytest.mark.parametrize("step", ["upload", "is_ready"])
def test_an_upload_that_breaks_in_an_unexpected_way_leaves_no_test_message_behind(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def breaks(*_: object) -> None:
        raise KeyError("files")

    monkeypatch.setattr(SlackBot, step, breaks)
    channel = delivery.channel("slack-bot", pictures="card")
    report = probe(delivery, channel)
    assert results(report) == {**dict.fromkeys(_WITH_PICTURE, "ok"), "picture": "missing"}
    assert delivery.titles(channel) == []


def test_without_an_edit_no_picture_is_tried(delivery: DeliverySetup) -> None:
    delivery.discord.script("patch", refuse(403, 50001))
    report = probe(delivery, delivery.channel(pictures="card"))
    assert (results(report)["picture"], said(report, "picture")) == (
        "skipped",
        "not tried, as the message was not edited",
    )
    assert delivery.discord.count("patch") == 1


def test_without_a_message_no_picture_is_tried(delivery: DeliverySetup) -> None:
    delivery.discord.script("post", refuse(403, 50013))
    report = probe(delivery, delivery.channel(pictures="card"))
    assert (results(report)["picture"], said(report, "picture")) == (
        "skipped",
        "not tried, as nothing was posted",
    )


def test_a_ban_that_somebody_else_meets_before_the_picture_is_said_of_it(
    delivery: DeliverySetup,
) -> None:
    def ban_during_the_edit(call: Call) -> None:
        with delivery.database.writing() as session:
            until = delivery.now + timedelta(minutes=10)
            session.merge(SendBucket(scope="service:Discord", not_before=until))
        call.connection.send(call.act())

    delivery.discord.script("patch", ban_during_the_edit)
    report = probe(delivery, delivery.channel(pictures="card"))
    assert results(report)["edit"] == "ok"
    assert (results(report)["picture"], said(report, "picture")) == (
        "skipped",
        "a rate limit forbids any call until 20:10:00 UTC",
    )
    assert delivery.discord.count("patch") == 1


@pytest.mark.parametrize("kind", READABLE)
def test_a_card_that_cannot_be_drawn_is_said_and_the_rest_is_tried(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def fails(_card: Card) -> bytes:
        raise CannotDraw("no letters")

    monkeypatch.setattr(probe_module, "draw", fails)
    report = probe(delivery, delivery.channel(kind, pictures="card"))
    assert results(report) == {**dict.fromkeys(_WITH_PICTURE, "ok"), "picture": "missing"}
    assert said(report, "picture") == "it cannot be drawn: no letters"
    assert "upload-url" not in delivery.slack.calls
    assert (report.ok, report.left_behind) == (False, False)


@pytest.mark.parametrize(
    ("language", "subtitle"),
    [("en", "No game was played."), ("de", "Es wurde kein Spiel gespielt.")],
)
def test_the_card_is_about_no_game_and_the_edit_that_brings_it_is_kept(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch, language: str, subtitle: str
) -> None:
    cards: list[Card] = []

    def drawn(card: Card) -> bytes:
        cards.append(card)
        return b"a picture"

    monkeypatch.setattr(probe_module, "draw", drawn)
    channel = delivery.channel(pictures="card")
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).team.language = language
    report = probe(delivery, channel)
    assert [(each.title, each.subtitle, each.members) for each in cards] == [
        ("lol-dagster", subtitle, ())
    ]
    assert said(report, "picture") == "shown"
    # The fake keeps what was deleted, as it was edited before.
    (edited,) = delivery.discord.messages[delivery.address(channel)]
    assert (
        edited["attachments"][0]["description"] == test_message(delivery, report).content["summary"]
    )
    with delivery.database.reading() as session:
        edits = session.scalars(select(Attempt).where(Attempt.op == "PATCH"))
        assert [(each.outcome, each.rev) for each in edits] == [("accepted", 2)] * 2
