"""A send whose fate is not known: looked up, and repeated only when it is proven absent."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from lol_dagster.delivery.transports.discord_api import snowflake
from lol_dagster.storage.models import ChannelProbe
from lol_dagster_tests._support.fake_channels import (
    NOW,
    Fault,
    fail_after_accept,
    fail_before_accept,
    half_an_answer,
    rate_limited,
    refuse,
    reset_after_accept,
    slack_error,
)
from lol_dagster_tests._support.raw_server import Request, answer
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import READABLE, posts
from lol_dagster_tests.delivery.proof.test_deaths import Killed
from lol_dagster_tests.delivery.test_decisions import resend

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
    delivery: DeliverySetup, kind: str, status: int
) -> None:
    _look_up_after(delivery, kind, fail_after_accept(status))


@pytest.mark.parametrize("fault", BROKEN_ANSWERS)
@pytest.mark.parametrize("kind", READABLE)
def test_row_10_a_broken_answer_is_looked_up_instead_of_repeated(
    delivery: DeliverySetup, kind: str, fault: str
) -> None:
    _look_up_after(delivery, kind, BROKEN_ANSWERS[fault])


def _look_up_after(delivery: DeliverySetup, kind: str, fault: Fault) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fault)

    first = delivery.run()
    assert (first.uncertain, delivery.row(message).state) == (1, "uncertain")
    delivery.pass_time(31)
    second = delivery.run()

    assert (second.delivered, posts(delivery)) == (1, 1)
    assert delivery.titles(channel) == ["Victory"]
    assert delivery.row(message).evidence == "scan"
    assert delivery.attempts(message) == [("POST", "uncertain"), ("SCAN", "found")]


@pytest.mark.parametrize("kind", READABLE)
def test_nothing_is_looked_up_before_the_settling_time_is_over(
    delivery: DeliverySetup, kind: str
) -> None:
    message = delivery.message(delivery.channel(kind))
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fail_after_accept())
    delivery.run()
    due_at = delivery.row(message).due_at
    settle = delivery.deliverer()._transports[kind].capabilities.settle
    assert due_at == delivery.now + timedelta(seconds=settle)
    delivery.pass_time(settle - 0.1)
    assert delivery.run().messages == ()


def test_row_08_what_is_proven_absent_is_posted_again_with_the_same_nonce(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    # The visibility check: a message of ours that the history shows.
    delivery.message(channel, "earlier")
    delivery.run()
    message = delivery.message(channel, "Victory")
    delivery.discord.script("post", fail_before_accept(503))
    nonces: list[str] = []

    def keep_nonce(request: Request) -> None:
        if request.method == "POST":
            nonces.append(json.loads(request.body)["nonce"])

    delivery.discord.on_arrival = keep_nonce
    delivery.run()
    delivery.pass_time(6)
    delivery.run()

    assert delivery.titles(channel) == ["earlier", "Victory"]
    first, second = nonces
    assert first == second
    assert delivery.attempts(message) == [
        ("POST", "uncertain"),
        ("SCAN", "absent"),
        ("POST", "accepted"),
    ]


def test_an_empty_channel_is_believed_when_a_single_message_may_be_asked_for(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    delivery.message(channel)
    delivery.discord.script("post", fail_before_accept())
    delivery.run()
    delivery.pass_time(6)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]
    # The visibility check: GET of an id that cannot exist was answered with "unknown message".
    assert delivery.discord.count("get") == 1


def test_row_25_an_empty_history_without_permission_proves_nothing(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.discord.may_read_history = False
    delivery.discord.nonce_window = False
    for _ in range(4):
        delivery.run()
        delivery.pass_time(3600)
    assert delivery.discord.count("post") == 1
    row = delivery.row(message)
    assert row.state == "uncertain"
    assert row.last_error == "the bot lacks the permission to read the channel's history"
    with delivery.database.reading() as session:
        assert session.get_one(ChannelProbe, channel).unreadable_history

    delivery.discord.may_read_history = True
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])
    with delivery.database.reading() as session:
        assert not session.get_one(ChannelProbe, channel).unreadable_history


def test_a_history_in_which_our_markers_are_lost_proves_nothing(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    delivery.message(channel, "earlier")
    delivery.run()
    delivery.message(channel, "Victory")
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    for each in delivery.discord.messages[delivery.address(channel)]:
        each["embeds"][0]["url"] = "https://example.org/"
    delivery.discord.nonce_window = False
    delivery.pass_time(60)
    delivery.run()
    assert delivery.discord.count("post") == 2


def test_a_message_that_stays_uncertain_needs_review_in_the_end(delivery: DeliverySetup) -> None:
    message = delivery.message(delivery.channel())
    delivery.discord.script("post", fail_after_accept())
    delivery.discord.may_read_history = False
    for _ in range(30):
        delivery.run()
        delivery.pass_time(3600)
    assert delivery.row(message).state == "needs_review"
    assert delivery.discord.count("post") == 1


def test_a_day_of_server_errors_while_others_pass_holds_the_message(
    any_delivery: DeliverySetup,
) -> None:
    """Discord answers some payloads with 500 forever (discord-api-docs#6965)."""
    message = any_delivery.message(any_delivery.channel())
    others = any_delivery.channel("discord-webhook")  # of the same service, whatever their kind
    for hour in range(26):
        any_delivery.discord.script("post", fail_before_accept(500))
        any_delivery.run()
        any_delivery.discord.faults.clear()
        any_delivery.message(others, f"{hour}")
        any_delivery.run()
        any_delivery.pass_time(3600)
    row = any_delivery.row(message)
    # Hour 0 is the first POST; hours 1 to 24 each prove one absent; at the 24th a day is over.
    assert (row.state, row.proven_absent) == ("needs_review", 24)
    assert len(any_delivery.titles(others)) == 26


def test_a_server_error_counts_however_many_pages_are_searched(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_before_accept(500))
    delivery.run()
    delivery.message(delivery.channel(), "another")
    delivery.run()  # others pass
    first = int(snowflake(delivery.now)) + 1000
    delivery.discord.messages[delivery.address(channel)] = [
        {"id": f"{first + n}", "author": {"id": "1"}, "embeds": []} for n in range(150)
    ]
    delivery.pass_time(6)
    delivery.run()
    outcomes = [outcome for _, outcome in delivery.attempts(message)]
    assert outcomes == ["uncertain", "more", "absent", "accepted"]
    assert delivery.row(message).proven_absent == 1


@pytest.mark.parametrize("others", ["nobody", "another service", "edits"])
def test_server_errors_count_only_while_the_service_takes_other_messages(
    delivery: DeliverySetup, others: str
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    elsewhere = delivery.channel("slack-bot")
    edited = delivery.message(delivery.channel(), "edited", order_at=NOW - timedelta(hours=1))
    delivery.discord.script("post", None)
    for hour in range(30):
        delivery.discord.script("post", fail_before_accept(500))
        if others == "edits" and hour:
            delivery.say(edited, f"{hour}")
        if others == "another service":
            delivery.message(elsewhere, f"{hour}")
        delivery.run()
        delivery.pass_time(3600)
    row = delivery.row(message)
    assert (row.state, row.proven_absent) == ("uncertain", 0)
    delivery.discord.faults.clear()
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]


@pytest.mark.parametrize("kind", READABLE)
def test_what_is_proven_absent_is_posted_whatever_the_clock_says(
    delivery: DeliverySetup, kind: str
) -> None:
    """Killed between the intent and the call, then switched off for 25 hours."""
    channel = delivery.channel(kind)
    message = delivery.message(channel)

    def die() -> None:
        raise Killed

    delivery.crashes.at["after_intent"] = die
    with pytest.raises(Killed):
        delivery.run()
    delivery.pass_time(25 * 3600)
    delivery.clock.epoch = "boot:two"
    delivery.run()  # the settling time begins anew
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])


def test_a_webhook_alone_that_resends_does_so_whatever_the_clock_says(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-webhook", uncertain="resend")
    message = delivery.message(channel)
    delivery.slack.script("hook", fail_before_accept())
    delivery.run()
    delivery.pass_time(25 * 3600)
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])


@pytest.mark.parametrize(("kind", "look"), [("discord-bot", "list"), ("slack-bot", "history")])
def test_a_scan_that_is_put_off_by_a_rate_limit_is_no_failed_one(
    delivery: DeliverySetup, kind: str, look: str
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fail_after_accept())
        fake.script(look, *[rate_limited(3)] * 40)
    delivery.run()
    delivery.pass_time(31)
    for _ in range(40):
        delivery.run()
        row = delivery.row(message)
        assert (row.state, row.uncertain_rounds) == ("uncertain", 1)  # the POST's own
        assert row.due_at == delivery.now + timedelta(seconds=3)
        delivery.pass_time(3)
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])
    assert delivery.attempts(message)[1:] == [("SCAN", "put_off")] * 40 + [("SCAN", "found")]


def test_one_server_error_is_counted_once_however_often_its_absence_is_seen(
    delivery: DeliverySetup,
) -> None:
    """Deliverers die between the look and the next POST, again and again."""
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_before_accept(500))
    delivery.run()
    delivery.message(delivery.channel(), "another")
    delivery.run()  # it is not the service
    for _ in range(6):
        delivery.pass_time(61)

        def die() -> None:
            raise Killed

        delivery.crashes.at["after_result"] = die
        with pytest.raises(Killed):
            delivery.run()
    assert delivery.row(message).proven_absent == 1
    delivery.pass_time(61)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]


def test_all_pages_of_a_busy_channel_are_read(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    address = delivery.address(channel)
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    mine = delivery.discord.messages[address].pop()
    first = int(mine["id"])
    others = [
        {"id": str(first - 300 + n), "channel_id": address, "author": {"id": "1"}, "embeds": []}
        for n in range(250)
    ]
    delivery.discord.messages[address] = [*others, mine]
    delivery.pass_time(6)
    delivery.run()
    assert delivery.row(message).evidence == "scan"
    assert delivery.discord.count("list") == 3


def test_somebody_elses_copy_of_our_marker_is_not_ours(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    delivery.discord.messages[delivery.address(channel)][0]["author"]["id"] = "1"
    delivery.discord.nonces.clear()
    delivery.pass_time(6)
    delivery.run()
    assert delivery.attempts(message)[1:] == [("SCAN", "absent"), ("POST", "accepted")]


def test_a_second_copy_is_taken_away_and_the_first_kept(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    stored = delivery.discord.messages[delivery.address(channel)]
    first = stored[0]["id"]
    stored.append({**stored[0], "id": str(int(first) + 5)})
    delivery.pass_time(6)
    delivery.run()
    assert delivery.row(message).remote_id == first
    assert delivery.discord.deleted == {str(int(first) + 5)}
    assert ("DELETE", "deleted") in delivery.attempts(message)


def test_row_26_what_was_deleted_while_uncertain_is_not_posted_again(
    delivery: DeliverySetup,
) -> None:
    """Discord answers 10008 to the nonce of a message that it posted and somebody deleted."""
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    delivery.discord.deleted.add(delivery.discord.messages[delivery.address(channel)][0]["id"])
    delivery.pass_time(6)
    delivery.run()
    row = delivery.row(message)
    assert (row.state, row.evidence, row.remote_deleted) == ("delivered", "nonce_deleted", True)
    assert delivery.titles(channel) == []


UNKNOWN_MESSAGE = refuse(404, 10008)
MESSAGE_NOT_FOUND = slack_error("message_not_found")


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [
        ("discord-bot", UNKNOWN_MESSAGE),
        ("discord-webhook", UNKNOWN_MESSAGE),
        ("slack-bot", MESSAGE_NOT_FOUND),
    ],
)
def test_what_was_never_sent_before_cannot_be_gone(
    delivery: DeliverySetup, kind: str, unknown: Fault
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    service = delivery.slack if kind == "slack-bot" else delivery.discord
    service.script("post", unknown)
    delivery.run()
    row = delivery.row(message)
    assert (row.state, row.evidence, row.sent_maybe) == ("needs_review", None, False)
    resend(delivery, message)
    delivery.run(wait=5)
    assert delivery.titles(channel) == ["Victory"]


def test_without_a_nonce_an_answer_says_nothing_of_an_earlier_send(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    delivery.slack.script("post", slack_error("internal_error"), MESSAGE_NOT_FOUND)
    delivery.run()
    delivery.pass_time(31)
    delivery.run()
    row = delivery.row(message)
    assert delivery.attempts(message)[1:] == [("SCAN", "absent"), ("POST", "deleted")]
    assert (row.state, row.evidence, row.sent_maybe) == ("needs_review", None, True)


def test_a_nonce_that_was_used_in_another_channel_delivers_nothing_in_this_one(
    delivery: DeliverySetup,
) -> None:
    """Discord compares nonces by author: it answers with the message that stands elsewhere."""
    one, other = delivery.channel(), delivery.channel()
    first = delivery.message(one)
    delivery.run()
    (standing,) = delivery.discord.messages[delivery.address(one)]
    message = delivery.message(other)
    elsewhere = {**standing, "embeds": [{"url": f"https://x/?d={message}.1"}]}
    delivery.discord.script(
        "post", lambda call: call.connection.send(answer(200, json.dumps(elsewhere)))
    )
    delivery.run()
    row = delivery.row(message)
    assert (row.state, row.evidence, row.remote_id) == ("needs_review", None, None)
    assert delivery.row(first).state == "delivered"


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable"])
def test_row_16_slacks_internal_errors_may_have_posted(delivery: DeliverySetup, error: str) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    delivery.slack.script("post", slack_error(error, after_accept=True))
    assert delivery.run().uncertain == 1
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.titles(channel), delivery.slack.count("post")) == (["Victory"], 1)
    assert delivery.attempts(message) == [("POST", "uncertain"), ("SCAN", "found")]


@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel"])
def test_row_25_slack_says_when_the_history_cannot_be_read(
    delivery: DeliverySetup, error: str
) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    delivery.slack.script("post", slack_error("internal_error"))
    delivery.slack.history_error = error
    delivery.run()
    delivery.pass_time(31)
    delivery.run()
    assert delivery.row(message).state == "uncertain"
    assert delivery.attempts(message)[-1] == ("SCAN", "unreadable_history")
    assert delivery.slack.count("post") == 1


@pytest.mark.parametrize("kind", ["discord-webhook", "slack-webhook"])
def test_a_webhook_alone_holds_what_nobody_can_read_back(
    delivery: DeliverySetup, kind: str
) -> None:
    delivery.settings = delivery.settings.model_copy(update={"discord_bot_token": None})
    message = delivery.message(delivery.channel(kind))
    delivery.discord.script("post", fail_after_accept())
    delivery.slack.script("hook", fail_after_accept())
    for _ in range(3):
        delivery.run()
        delivery.pass_time(3600)
    assert delivery.row(message).state == "needs_review"
    assert posts(delivery) == 1


@pytest.mark.parametrize("kind", ["discord-webhook", "slack-webhook"])
def test_a_webhook_alone_posts_again_where_the_operator_wants_that(
    delivery: DeliverySetup, kind: str
) -> None:
    delivery.settings = delivery.settings.model_copy(update={"discord_bot_token": None})
    channel = delivery.channel(kind, uncertain="resend")
    message = delivery.message(channel)
    delivery.discord.script("post", fail_before_accept())
    delivery.slack.script("hook", fail_before_accept())
    delivery.run()
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])


def test_a_bot_that_is_known_to_read_nothing_trusts_the_nonce_for_a_minute(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    with delivery.database.writing() as session:
        session.add(ChannelProbe(channel_id=channel, can_read_back=False))
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    delivery.pass_time(6)
    delivery.run()
    assert (delivery.discord.count("post"), delivery.titles(channel)) == (2, ["Victory"])
    assert delivery.attempts(message) == [("POST", "uncertain"), ("POST", "accepted")]

    third = delivery.message(channel, "third")
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    delivery.pass_time(61)
    delivery.run()
    assert delivery.row(third).state == "needs_review"
