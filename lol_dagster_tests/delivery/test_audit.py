"""Reading delivered messages back: what is found, and that nothing is changed."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.delivery.audit import AuditReport, audit_messages
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.monitoring import queries
from lol_dagster.storage.models import Attempt, Breaker, Channel, Message, MessageAudit
from lol_dagster_tests._support.fake_channels import NOW, fail_before_accept, refuse, slack_error
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import READABLE, posts


def audit(delivery: DeliverySetup, **values: Any) -> AuditReport:
    return audit_messages(
        delivery.database,
        all_transports(delivery.settings),
        now=delivery.now,
        clock=delivery.clock,
        rng=random.Random(1),
        **values,
    )


def delivered(delivery: DeliverySetup, kind: str = "discord-bot") -> tuple[int, str]:
    """A channel, and a message that was delivered there."""
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    delivery.run()
    assert delivery.row(message).state == "delivered"
    delivery.pass_time(60)
    return channel, message


def posted(delivery: DeliverySetup, channel: int) -> list[dict[str, Any]]:
    """The messages in the channel, as it keeps them."""
    address = delivery.address(channel)
    if address[0] == "C":
        return delivery.slack.messages[address]
    webhook = address.split("webhooks/")[1].split("/")[0] if "webhooks/" in address else None
    return delivery.discord.messages[f"1{webhook}" if webhook else address]


def audit_failures(delivery: DeliverySetup) -> tuple[str, ...]:
    with delivery.database.reading() as session:
        return tuple(session.scalars(queries.audit_failures()))


@pytest.mark.parametrize("kind", READABLE)
def test_a_message_that_stands_once_is_found_so_and_nothing_is_changed(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel, message = delivered(any_delivery, kind)
    before = any_delivery.row(message)
    report = audit(any_delivery)
    assert (report.findings, report.wrong, report.unseen) == ({message: "stands"}, {}, ())
    assert (posts(any_delivery), any_delivery.titles(channel)) == (1, ["Victory"])
    after = any_delivery.row(message)
    assert (after.state, after.fence, after.remote_id) == (
        "delivered",
        before.fence,
        before.remote_id,
    )
    assert any_delivery.attempts(message)[1:] == [("GET", "seen"), ("SCAN", "found")]
    assert audit_failures(any_delivery) == ()


@pytest.mark.parametrize("kind", READABLE)
def test_a_second_copy_is_found(any_delivery: DeliverySetup, kind: str) -> None:
    channel, message = delivered(any_delivery, kind)
    (first,) = posted(any_delivery, channel)
    key = "ts" if kind == "slack-bot" else "id"
    other = f"{float(first[key]) + 1:.6f}" if key == "ts" else str(int(first[key]) + 1)
    posted(any_delivery, channel).append({**first, key: other})
    assert audit(any_delivery).findings == {message: "duplicate"}
    assert audit_failures(any_delivery) == (message,)


@pytest.mark.parametrize("kind", READABLE)
def test_a_message_that_somebody_deleted_is_a_fact_and_no_failure(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel, message = delivered(any_delivery, kind)
    posted(any_delivery, channel).clear()
    report = audit(any_delivery)
    assert (report.findings, report.wrong) == ({message: "deleted"}, {})
    assert audit_failures(any_delivery) == ()
    any_delivery.run()
    assert posts(any_delivery) == 1


def test_a_copy_beside_a_deleted_message_is_found(delivery: DeliverySetup) -> None:
    channel, message = delivered(delivery)
    (first,) = posted(delivery, channel)
    posted(delivery, channel)[:] = [{**first, "id": str(int(first["id"]) + 1)}]
    assert audit(delivery).findings == {message: "duplicate"}


def test_an_older_text_and_an_altered_one_are_found(delivery: DeliverySetup) -> None:
    channel, message = delivered(delivery)
    (first,) = posted(delivery, channel)
    old = [dict(embed) for embed in first["embeds"]]
    delivery.say(message, "Defeat")
    delivery.run()
    new = first["embeds"]
    first["embeds"] = old
    assert audit(delivery).findings == {message: "older_text"}
    first["embeds"] = []
    assert audit(delivery).findings == {message: "altered"}
    assert audit_failures(delivery) == (message,)
    first["embeds"] = new
    assert audit(delivery).findings == {message: "stands"}
    assert audit_failures(delivery) == ()


def noted(delivery: DeliverySetup, message: str) -> MessageAudit:
    with delivery.database.reading() as session:
        return session.get_one(MessageAudit, message)


def test_what_was_found_is_noted_for_people_with_its_time(delivery: DeliverySetup) -> None:
    channel, message = delivered(delivery)
    audit(delivery)
    row = noted(delivery, message)
    assert (row.finding, row.detail, row.at) == ("stands", None, delivery.now)

    (first,) = posted(delivery, channel)
    copy = {**first, "id": str(int(first["id"]) + 1)}
    posted(delivery, channel).append(copy)
    delivery.pass_time(60)
    report = audit(delivery)
    row = noted(delivery, message)
    assert (row.finding, row.at) == ("duplicate", delivery.now)
    assert row.detail == f"also there as {copy['id']}"
    assert (report.counts, report.wrong) == ({"duplicate": 1}, {message: "duplicate"})

    posted(delivery, channel).remove(copy)
    delivery.say(message, "Defeat")
    old = first["embeds"]
    delivery.run()
    first["embeds"] = old
    audit(delivery)
    row = noted(delivery, message)
    assert row.detail == "revision 1 stands there, delivered was 2"


def test_the_run_that_read_a_message_back_stands_beside_its_calls(delivery: DeliverySetup) -> None:
    _, message = delivered(delivery)
    audit(delivery, run_id="run-7")
    with delivery.database.reading() as session:
        calls = session.scalars(select(Attempt).where(Attempt.run_id == "run-7")).all()
    assert [(call.message_id, call.op) for call in calls] == [(message, "GET"), (message, "SCAN")]


def test_what_stands_wrong_for_longest_is_audited_first(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    first, second = delivery.message(channel, "first"), delivery.message(channel, "second")
    delivery.run(wait=5)
    for each in posted(delivery, channel):
        each["embeds"] = []
    audit(delivery)
    # Old by now, so that no sample has them, and the second was seen a minute earlier.
    delivery.pass_time(timedelta(days=9).total_seconds())
    with delivery.database.writing() as session:
        session.get_one(MessageAudit, second).at -= timedelta(minutes=1)
    assert list(audit(delivery, size=1).findings) == [second]
    assert list(audit(delivery, size=1).findings) == [first]


def test_what_was_delivered_two_days_ago_is_in_no_sample(delivery: DeliverySetup) -> None:
    _, message = delivered(delivery)
    delivered_at = delivery.row(message).delivered_at
    assert delivered_at is not None
    delivery.pass_time((delivered_at + timedelta(days=2) - delivery.now).total_seconds() - 1)
    assert list(audit(delivery).findings) == [message]
    delivery.pass_time(1)
    assert audit(delivery).findings == {}


def test_a_removed_channel_is_not_read(delivery: DeliverySetup) -> None:
    channel, _ = delivered(delivery)
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).removed_at = delivery.now
    assert audit(delivery) == AuditReport({}, ())


def test_what_cannot_be_read_by_an_id_is_not_read(delivery: DeliverySetup) -> None:
    delivered(delivery, "slack-webhook")
    assert audit(delivery) == AuditReport({}, ())


def test_altered_messages_say_nothing_against_their_channel(delivery: DeliverySetup) -> None:
    """Five failures in a row would close it; these are answers."""
    channel = delivery.channel()
    messages = [delivery.message(channel, f"game {number}") for number in range(5)]
    delivery.run(wait=60)
    for each in posted(delivery, channel):
        each["embeds"] = []
    assert audit(delivery).findings == dict.fromkeys(messages, "altered")
    second = delivery.message(channel, "second")
    delivery.run()
    assert delivery.row(second).state == "delivered"


def test_a_history_that_slack_cannot_read_just_now_says_nothing_of_the_message(
    delivery: DeliverySetup,
) -> None:
    """Slack answers 200, whatever happened."""
    _, message = delivered(delivery, "slack-bot")
    delivery.slack.script("history", slack_error("internal_error"))
    report = audit(delivery)
    assert (report.findings, report.unseen) == ({}, (message,))


def test_a_message_that_cannot_be_read_back_keeps_nobody_from_reading_the_others(
    delivery: DeliverySetup,
) -> None:
    """One is just being edited, one does not answer: each in a channel of its own."""
    found = dict(delivered(delivery) for _ in range(4))
    being_edited, *others = found.values()
    delivery.say(being_edited, "Defeat")
    delivery.discord.script("get", fail_before_accept())
    report = audit(delivery)
    assert (len(report.unseen), len(report.findings)) == (1, 2)
    assert {*report.unseen, *report.findings} == set(others)


@pytest.mark.parametrize(
    ("operation", "scope"), [("get", "channel:{}:edit"), ("list", "channel:{}:scan")]
)
def test_what_a_reading_meets_counts_for_calls_of_its_kind(
    delivery: DeliverySetup, operation: str, scope: str
) -> None:
    """A message is read by its id as before an edit; its channel, as before a POST that may have been one
    too many.
    """
    channel, _ = delivered(delivery)
    delivery.discord.script(operation, fail_before_accept())
    audit(delivery)
    with delivery.database.reading() as session:
        failed = {row.scope: row.failures for row in session.scalars(select(Breaker))}
    assert failed == {scope.format(channel): 1}


def test_all_further_copies_are_named(delivery: DeliverySetup) -> None:
    channel, message = delivered(delivery)
    (first,) = posted(delivery, channel)
    ids = [str(int(first["id"]) + number) for number in (1, 2)]
    posted(delivery, channel).extend({**first, "id": each} for each in ids)
    assert audit(delivery).findings == {message: "duplicate"}
    assert noted(delivery, message).detail == f"also there as {ids[0]}, {ids[1]}"


@pytest.mark.parametrize(
    "values",
    [
        {"state": "needs_review", "evidence": None},
        {"remote_id": None},  # somebody has marked it delivered without its id
        {"due_at": NOW},
    ],
)
def test_only_what_stands_in_its_channel_and_is_at_rest_is_read(
    delivery: DeliverySetup, values: dict[str, object]
) -> None:
    _, message = delivered(delivery)
    with delivery.database.writing() as session:
        row = session.get_one(Message, message)
        for name, value in values.items():
            setattr(row, name, value)
    asked = len(delivery.discord_server.requests)
    assert audit(delivery) == AuditReport({}, ())
    assert len(delivery.discord_server.requests) == asked


def test_what_is_as_it_should_be_is_no_line_of_the_log(
    delivery: DeliverySetup, caplog: pytest.LogCaptureFixture
) -> None:
    delivered(delivery)
    caplog.clear()
    audit(delivery)
    assert [each for each in caplog.records if each.levelname != "DEBUG"] == []


def test_what_is_known_to_be_deleted_is_not_read(delivery: DeliverySetup) -> None:
    _, message = delivered(delivery)
    with delivery.database.writing() as session:
        session.get_one(Message, message).remote_deleted = True
    assert audit(delivery) == AuditReport({}, ())


def test_a_message_without_a_place_in_the_history_is_looked_for_from_itself_on(
    delivery: DeliverySetup,
) -> None:
    """Above it there may be more pages than an audit reads."""
    channel, message = delivered(delivery)
    with delivery.database.writing() as session:
        session.get_one(Message, message).after_id = None
    first = {"author": {"id": "1"}, "embeds": [], "channel_id": delivery.address(channel)}
    old = [{**first, "id": str(number)} for number in range(1, 202)]  # two pages of Discord's
    posted(delivery, channel)[:0] = old
    lists = delivery.discord.count("list")
    assert audit(delivery).findings == {message: "stands"}
    assert delivery.discord.count("list") == lists + 1


def test_an_audit_goes_by_the_databases_clock_unless_a_test_brings_one(
    delivery: DeliverySetup,
) -> None:
    _, message = delivered(delivery)
    report = audit_messages(delivery.database, all_transports(delivery.settings), now=delivery.now)
    assert report.findings == {message: "stands"}


def test_a_message_that_the_history_does_not_show_is_found(delivery: DeliverySetup) -> None:
    """A scan after an unanswered send would take such a one for absent, and it would be repeated."""
    channel, message = delivered(delivery, "slack-bot")
    (first,) = posted(delivery, channel)
    empty = answer(200, json.dumps({"ok": True, "messages": [], "has_more": False}))
    delivery.slack.script("history", None, lambda call: call.connection.send(empty))
    assert audit(delivery).findings == {message: "hidden"}
    assert noted(delivery, message).detail == (
        "it stands there, but the channel's history does not show it"
    )
    assert first["ts"] == delivery.row(message).remote_id


def test_what_stands_wrong_is_audited_again_however_old(delivery: DeliverySetup) -> None:
    channel, message = delivered(delivery)
    (first,) = posted(delivery, channel)
    kept, first["embeds"] = first["embeds"], []
    audit(delivery)
    delivery.pass_time(timedelta(days=9).total_seconds())
    first["embeds"] = kept
    assert audit(delivery).findings == {message: "stands"}


def test_a_sample_of_recent_messages_is_taken(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    for number in range(6):
        delivery.message(channel, f"{number}")
    delivery.run()
    assert len(audit(delivery, size=4).findings) == 4
    delivery.pass_time(timedelta(days=3).total_seconds())
    assert audit(delivery, size=4).findings == {}


def test_a_closed_channel_is_left_alone_and_a_webhooks_end_closes_one(
    delivery: DeliverySetup,
) -> None:
    channel, message = delivered(delivery, "discord-webhook")
    delivery.discord.script("get", refuse(404, 10015))
    assert audit(delivery).unseen == (message,)
    assert delivery.breaker(f"channel:{channel}") is not None
    asked = len(delivery.discord_server.requests)
    assert audit(delivery) == AuditReport({}, ())
    assert len(delivery.discord_server.requests) == asked


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_a_bot_that_may_post_and_not_read_goes_on_posting_after_an_audit(
    delivery: DeliverySetup, kind: str
) -> None:
    """Whoever may not read may still send: nothing waits for an hour because of that."""
    channel, message = delivered(delivery, kind)
    delivery.discord.may_read_history = False
    delivery.slack.history_error = "missing_scope"
    assert audit(delivery).unseen == (message,)
    delivery.message(channel, "Defeat")
    assert delivery.run().delivered == 1


def test_a_message_that_was_delivered_long_before_its_row_was_made_is_found(
    delivery: DeliverySetup,
) -> None:
    """After a restored backup a game is worked out anew, and its old message found in the channel:
    the history shows that message from the game's end on, not from the row's creation.
    """
    channel, first = delivered(delivery)
    with delivery.database.writing() as session:
        row = session.get_one(Message, first)
        # An hour later, as far as the row knows.
        row.created_at += timedelta(hours=1)
        assert row.after_id is not None
    delivery.pass_time(timedelta(hours=1).total_seconds())
    delivery.message(channel, "Defeat")  # or there would be nothing in the history to believe it by
    delivery.run()
    assert audit(delivery).findings[first] == "stands"


def test_an_audit_ends_in_time(delivery: DeliverySetup) -> None:
    delivered(delivery)
    assert audit(delivery, budget=timedelta(0)).findings == {}


def test_a_message_that_is_about_to_be_edited_is_not_audited(delivery: DeliverySetup) -> None:
    _, message = delivered(delivery)
    delivery.say(message, "Defeat")
    assert audit(delivery).findings == {}
    with delivery.database.reading() as session:
        assert session.get(MessageAudit, message) is None


def test_a_message_at_the_channels_former_address_is_not_looked_for_at_the_new_one(
    delivery: DeliverySetup,
) -> None:
    channel, _ = delivered(delivery)
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).address = "700000000000000099"
    report = audit(delivery)
    assert (report.findings, report.unseen) == ({}, ())
