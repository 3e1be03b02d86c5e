"""Posts, edits and scans are closed each by themselves: what refuses one of them holds up no other."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from lol_dagster.delivery import decisions
from lol_dagster.delivery.audit import AuditReport, audit_messages
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.monitoring import queries
from lol_dagster.storage.models import Channel, Message
from lol_dagster_tests._support.fake_channels import (
    NOW,
    Call,
    Fault,
    fail_before_accept,
    refuse,
    slack_error,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests.delivery.conftest import DeliverySetup

HOUR = 3600.0
EDITS = {"discord-bot": "patch", "discord-webhook": "patch", "slack-bot": "update"}
"""The operation of the fakes by which each kind edits."""


def say_nothing_but(delivery: DeliverySetup, operation: str, fault: Fault) -> None:
    """From now on every call of this kind is answered so."""
    for fake in (delivery.discord, delivery.slack):
        fake.faults[operation] = [fault] * 500


def corrected(delivery: DeliverySetup, channel: int) -> str:
    """A message that was delivered, and is to say something else."""
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.pass_time(3)
    return message


def new_game(delivery: DeliverySetup, channel: int, title: str = "newer") -> str:
    return delivery.message(channel, title, order_at=delivery.now)


def closed(delivery: DeliverySetup) -> list[str]:
    """The scopes that are shown to people as closed."""
    with delivery.database.reading() as session:
        return [each.scope for each in session.scalars(queries.blocked_breakers())]


def count(delivery: DeliverySetup, operation: str) -> int:
    return delivery.discord.count(operation) + delivery.slack.count(operation)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("discord-bot", refuse(403, 50001)),
        ("discord-bot", refuse(403, 50013)),
        ("discord-bot", refuse(400, 99999)),
        ("discord-webhook", refuse(403, 50013)),
        ("slack-bot", slack_error("is_inactive")),
        ("slack-bot", slack_error("update_failed")),
    ],
)
def test_row_14_a_channel_that_refuses_edits_gets_its_news(
    any_delivery: DeliverySetup, kind: str, refusal: Fault
) -> None:
    delivery = any_delivery
    channel = delivery.channel(kind)
    message = corrected(delivery, channel)
    say_nothing_but(delivery, EDITS[kind], refusal)
    for hour in range(24):
        news = new_game(delivery, channel, f"game {hour}")
        delivery.run()
        assert delivery.row(news).state == "delivered"
        delivery.pass_time(HOUR + 1)
    # One edit an hour tries it again; meanwhile people are informed.
    assert count(delivery, EDITS[kind]) == 24
    assert closed(delivery) == [f"channel:{channel}:edit"]
    say_nothing_but(delivery, EDITS[kind], lambda call: call.connection.send(call.act()))
    delivery.run()
    assert (delivery.row(message).remote_rev, closed(delivery)) == (2, [])


@pytest.mark.parametrize(
    ("kind", "operation", "refusal"),
    [
        ("slack-bot", "history", slack_error("access_denied")),
        ("slack-bot", "history", slack_error("channel_not_found")),
        ("discord-bot", "list", refuse(403, 50001)),
    ],
)
def test_row_14_a_channel_that_refuses_to_be_searched_gets_its_news(
    any_delivery: DeliverySetup, kind: str, operation: str, refusal: Fault
) -> None:
    delivery = any_delivery
    channel = delivery.channel(kind)
    unknown = delivery.message(channel, "unknown")
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fail_before_accept())
    delivery.run()
    say_nothing_but(delivery, operation, refusal)
    for hour in range(12):
        delivery.pass_time(HOUR + 1)
        news = new_game(delivery, channel, f"game {hour}")
        delivery.run(wait=5)
        assert delivery.row(news).state == "delivered"
    # Not posted again, as nobody can tell; tried once an hour; shown.
    assert delivery.row(unknown).state == "uncertain"
    assert count(delivery, operation) == 12
    assert closed(delivery) == [f"channel:{channel}:scan"]
    say_nothing_but(delivery, operation, lambda call: call.connection.send(call.act()))
    delivery.pass_time(HOUR + 1)
    delivery.run(wait=5)
    assert (delivery.row(unknown).state, closed(delivery)) == ("delivered", [])


@pytest.mark.parametrize(("call", "given_up"), [("edit", "delivered"), ("scan", "dropped")])
def test_a_refusal_that_holds_nothing_up_any_more_is_not_shown_forever(
    delivery: DeliverySetup, call: str, given_up: str
) -> None:
    channel = delivery.channel()
    if call == "edit":
        message = corrected(delivery, channel)
        delivery.discord.script("patch", refuse(403, 50013))
    else:
        message = delivery.message(channel)
        delivery.discord.script("post", fail_before_accept())
        delivery.discord.script("list", refuse(403, 50001))
    delivery.run()
    delivery.pass_time(30)
    delivery.run()
    assert closed(delivery) == [f"channel:{channel}:{call}"]
    with delivery.database.writing(who="Ann") as session:
        decisions.drop(
            session, message, transports=delivery.deliverer()._transports,
            clock=delivery.clock, now=delivery.now,
        )  # fmt: skip
    assert delivery.row(message).state == given_up
    delivery.pass_time(2 * HOUR + 1)
    delivery.run()
    assert closed(delivery) == []


def test_a_channel_that_refuses_posts_is_still_edited(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    old = corrected(delivery, channel)
    say_nothing_but(delivery, "post", refuse(403, 50013))
    refused = new_game(delivery, channel)
    delivery.run()
    assert delivery.row(refused).state == "blocked"
    assert (delivery.titles(channel), delivery.row(old).remote_rev) == (["Defeat"], 2)


def test_edits_that_are_taken_again_say_nothing_of_refused_news(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    corrected(delivery, channel)
    delivery.discord.script("patch", refuse(403, 50013))
    delivery.run()
    delivery.pass_time(HOUR / 2)
    news = new_game(delivery, channel)
    delivery.discord.script("post", refuse(403, 50013))
    delivery.run()
    due_at = delivery.row(news).due_at
    delivery.pass_time(HOUR / 2 + 1)
    delivery.run()
    assert closed(delivery) == [f"channel:{channel}"]
    assert delivery.row(news).due_at == due_at


def test_what_may_have_been_sent_is_not_searched_for_while_posts_are_refused(
    delivery: DeliverySetup,
) -> None:
    """It could not be posted if it were proven absent, and would be searched for again and again."""
    channel = delivery.channel("slack-bot")
    unknown = delivery.message(channel, "unknown")
    delivery.slack.script("post", fail_before_accept(), slack_error("not_in_channel"))
    delivery.run()
    new_game(delivery, channel)
    delivery.run(wait=5)
    delivery.pass_time(31)
    delivery.slack.script("history", None, None, fail_before_accept())  # so that it ends at all
    delivery.run(wait=5)
    assert (delivery.row(unknown).state, count(delivery, "history")) == ("uncertain", 0)
    delivery.slack.faults["history"].clear()
    delivery.pass_time(HOUR)
    delivery.run(wait=10)
    assert sorted(delivery.titles(channel)) == ["newer", "unknown"]


def test_a_message_that_can_be_read_does_not_show_that_it_can_be_edited(
    delivery: DeliverySetup,
) -> None:
    """Or the alert would be over each hour, and begin anew."""
    channel = delivery.channel()
    unknown, refused = delivery.message(channel, "1"), delivery.message(channel, "2")
    delivery.run()
    delivery.say(unknown, "corrected")
    delivery.discord.script("patch", fail_before_accept())
    delivery.run()
    delivery.say(refused, "corrected")
    say_nothing_but(delivery, "patch", refuse(403, 50013))
    delivery.run()
    scope = f"channel:{channel}:edit"
    before = delivery.breaker(scope)
    delivery.pass_time(HOUR - 60)
    with delivery.database.writing() as session:
        session.get_one(Message, refused).due_at = delivery.now + timedelta(hours=9)
    delivery.pass_time(61)
    delivery.run()
    assert delivery.attempts(unknown)[-2:] == [("GET", "seen"), ("PATCH", "blocked")]
    after = delivery.breaker(scope)
    assert before is not None
    assert after is not None
    assert after.since == before.since


def test_a_token_that_an_edit_finds_refused_closes_everything(delivery: DeliverySetup) -> None:
    channel, other = delivery.channel(), delivery.channel()
    corrected(delivery, channel)
    delivery.discord.script("patch", refuse(401, 0))
    delivery.run()
    new_game(delivery, other)
    posts = delivery.discord.count("post")
    delivery.run()
    assert (delivery.discord.count("post"), closed(delivery)) == (posts, ["discord-token"])


def test_a_webhook_that_an_edit_finds_gone_is_never_called_again(delivery: DeliverySetup) -> None:
    channel = delivery.channel("discord-webhook")
    corrected(delivery, channel)
    delivery.discord.script("patch", refuse(404, 10015))
    delivery.run()
    calls = len(delivery.discord.calls)
    new_game(delivery, channel)
    for _ in range(5):
        delivery.pass_time(HOUR + 1)
        delivery.run()
    assert (len(delivery.discord.calls), closed(delivery)) == (calls, [f"channel:{channel}"])


def test_a_missing_scope_for_reading_says_nothing_of_the_token(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot")
    message = corrected(delivery, channel)
    delivery.slack.script("update", fail_before_accept())
    delivery.run()
    delivery.slack.history_error = "missing_scope"
    delivery.pass_time(60)
    delivery.run()
    assert (delivery.row(message).remote_rev, closed(delivery)) == (2, [])


def test_edits_that_get_no_answer_give_edits_a_rest_and_not_posts(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    old = [delivery.message(channel, f"{number}") for number in range(8)]
    delivery.run()
    for each in old:
        delivery.say(each, "corrected")
    say_nothing_but(delivery, "patch", fail_before_accept())
    delivery.run()
    assert delivery.discord.count("patch") == 5
    news = new_game(delivery, channel)
    delivery.run()
    assert delivery.row(news).state == "delivered"


# --- a refusal of one message --------------------------------------------------------------------


def refuse_text(text: str, fault: Fault) -> Fault:
    def about(call: Call) -> None:
        if text.encode() in call.request.body:
            fault(call)
        else:
            call.connection.send(call.act())

    return about


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("discord-bot", refuse(400, 77777)),
        ("slack-bot", slack_error("some_new_error")),
        ("slack-webhook", lambda call: call.connection.send(answer(400, "some_new_error"))),
    ],
)
def test_row_15_a_message_that_is_refused_while_others_pass_stops_only_itself(
    any_delivery: DeliverySetup, kind: str, refusal: Fault
) -> None:
    """By a code that nobody knows: the first time it may concern the whole channel."""
    delivery = any_delivery
    channel = delivery.channel(kind)
    bad = delivery.message(channel, "unlucky")
    operation = "hook" if kind == "slack-webhook" else "post"
    say_nothing_but(delivery, operation, refuse_text("unlucky", refusal))
    delivery.run()
    assert delivery.row(bad).state == "blocked"
    waited = []
    for number in range(48):
        news = new_game(delivery, channel, f"game {number}")
        since = delivery.clock.at
        for _ in range(24):
            delivery.run(wait=5)
            delivery.pass_time(300)
            if delivery.row(news).state == "delivered":
                break
        waited.append(delivery.clock.at - since)
        delivery.pass_time(1800)
    # The first waits for the hour to be over; then the bad one is tried once more, and held for review.
    assert waited[0] > 3000
    assert max(waited[1:]) <= 310
    row = delivery.row(bad)
    assert (row.state, row.sent_maybe) == ("needs_review", False)
    assert delivery.attempts(bad) == [("POST", "blocked"), ("POST", "refused")]


def test_a_refusal_that_was_for_one_message_is_so_for_the_next_at_once(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    first = delivery.message(channel, "unlucky 1")
    say_nothing_but(delivery, "post", refuse_text("unlucky", refuse(400, 77777)))
    delivery.run()
    new_game(delivery, channel)
    delivery.pass_time(HOUR + 1)
    delivery.run()
    assert delivery.row(first).state == "needs_review"
    second = new_game(delivery, channel, "unlucky 2")
    delivery.run()
    # Nobody has passed since: it may concern the whole channel by now.
    assert (delivery.row(second).state, len(closed(delivery))) == ("blocked", 1)
    new_game(delivery, channel)
    delivery.pass_time(HOUR + 1)
    delivery.run()
    third = new_game(delivery, channel, "unlucky 3")
    news = delivery.message(channel, "lucky", order_at=delivery.now - timedelta(minutes=1))
    delivery.run()
    # Here the news went first, and passed.
    assert [delivery.row(each).state for each in (second, news, third)] == [
        "needs_review",
        "delivered",
        "needs_review",
    ]
    assert closed(delivery) == []


def test_a_known_refusal_concerns_the_channel_however_often_others_have_passed(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "first")
    say_nothing_but(delivery, "post", refuse_text("first", refuse(403, 50013)))
    for number in range(4):
        delivery.run()
        delivery.pass_time(HOUR + 1)
        new_game(delivery, channel, f"game {number}")
    assert delivery.row(message).state == "blocked"


def test_an_unknown_refusal_after_a_known_one_is_the_first_of_its_kind(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "first")
    delivery.discord.script("post", refuse(403, 50013), None, refuse(400, 77777))
    delivery.run()
    new_game(delivery, channel)
    delivery.pass_time(HOUR + 1)
    delivery.run()
    assert delivery.attempts(message) == [("POST", "blocked"), ("POST", "blocked")]
    assert (delivery.row(message).state, len(closed(delivery))) == ("blocked", 1)


def test_an_edit_that_is_refused_while_others_pass_stops_only_itself(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    bad = delivery.message(channel, "1", order_at=NOW - timedelta(hours=1))
    good = delivery.message(channel, "2")
    delivery.run()
    say_nothing_but(delivery, "patch", refuse_text("unlucky", refuse(400, 77777)))
    delivery.say(bad, "unlucky")
    delivery.run()
    delivery.say(good, "good")
    for _ in range(3):
        delivery.pass_time(HOUR + 1)
        delivery.run()
    assert (delivery.row(good).remote_rev, closed(delivery)) == (2, [])
    row = delivery.row(bad)
    assert (row.remote_rev, row.due_at) == (1, None)
    assert "others pass" in (row.last_error or "")


# --- rate limits ---------------------------------------------------------------------------------


def test_row_31_the_limit_of_edits_holds_edits_only(any_delivery: DeliverySetup) -> None:
    """Discord caps edits of messages older than an hour, and says for how long."""
    delivery = any_delivery
    channel = delivery.channel()
    old = [delivery.message(channel, f"{number}") for number in range(24)]
    delivery.run()
    delivery.pass_time(2 * HOUR)
    for each in old:
        delivery.say(each, "corrected")
    say_nothing_but(delivery, "patch", refuse(429, 30046, retry_after=5.0))
    delivery.run()
    news = new_game(delivery, channel)
    delivery.run()
    assert (delivery.row(news).state, delivery.discord.count("patch")) == ("delivered", 1)
    delivery.pass_time(4.9)
    delivery.run()
    assert delivery.discord.count("patch") == 1
    delivery.pass_time(0.2)
    delivery.run()
    assert delivery.discord.count("patch") == 2


@pytest.mark.parametrize("kind", ["game", "catch_up"])
def test_news_goes_before_edits_of_older_messages(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel()
    old = delivery.message(channel, "old", kind=kind)
    delivery.run()
    delivery.say(old, "corrected")
    delivery.pass_time(3)  # the edit is due for longer
    new_game(delivery, channel)
    calls = len(delivery.discord.calls)
    delivery.run()
    sent = [each for each in delivery.discord.calls[calls:] if each in {"post", "patch"}]
    assert sent == ["post", "patch"]


def test_a_429_says_by_its_headers_for_how_long_where_its_body_does_not(
    delivery: DeliverySetup,
) -> None:
    """It came through Discord's proxies, whose Via it has: no ban of Cloudflare's."""
    channel, other = delivery.channel(), delivery.channel()
    delivery.message(channel)
    delivery.message(other, order_at=NOW + timedelta(seconds=1))
    headers = {"Via": "1.1 google", "Retry-After": "3"}
    delivery.discord.script(
        "post", lambda call: call.connection.send(answer(429, "slow down", headers))
    )
    assert delivery.run().delivered == 1  # the other channel's
    delivery.pass_time(2.9)
    assert delivery.run().delivered == 0
    delivery.pass_time(0.2)
    assert delivery.run().delivered == 1


def test_a_global_limit_of_a_webhook_holds_all_of_them(delivery: DeliverySetup) -> None:
    """They have no token: Discord counts by our address."""
    for seconds in range(3):
        channel = delivery.channel("discord-webhook")
        delivery.message(channel, order_at=NOW + timedelta(seconds=seconds))
    delivery.discord.script("post", refuse(429, 0, retry_after=5.0, **{"global": True}))
    assert (delivery.run().delivered, delivery.discord.count("post")) == (0, 1)
    delivery.pass_time(5.1)
    assert delivery.run().delivered == 3


@pytest.mark.parametrize(("retry_after", "wait"), [({"Retry-After": "900"}, 900), ({}, 600)])
def test_row_13_cloudflares_ban_holds_whatever_goes_to_discord(
    delivery: DeliverySetup, retry_after: dict[str, str], wait: int
) -> None:
    """It is about our address: webhooks, which have no token, are banned with the bot."""
    bot, webhook = delivery.channel(), delivery.channel("discord-webhook")
    slack = delivery.channel("slack-bot")
    for seconds, channel in enumerate((bot, webhook, slack)):
        delivery.message(channel, order_at=NOW + timedelta(seconds=seconds))
    delivery.discord.script(
        "post", lambda call: call.connection.send(answer(429, "error code: 1015", retry_after))
    )
    assert delivery.run().delivered == 1
    delivery.pass_time(wait - 1)
    delivery.run()
    assert (delivery.discord.count("post"), delivery.titles(slack)) == (1, ["Victory"])
    delivery.pass_time(2)
    assert delivery.run().delivered == 2


def test_row_13_a_ban_that_an_audit_meets_ends_it_and_holds_posts(delivery: DeliverySetup) -> None:
    channels = [delivery.channel() for _ in range(5)]
    for channel in channels:
        delivery.message(channel)
    delivery.run()
    delivery.pass_time(60)
    ban = answer(429, "error code: 1015", {"Retry-After": "600"})
    delivery.discord.script("get", lambda call: call.connection.send(ban))
    report = _audit(delivery)
    assert (delivery.discord.count("get"), len(report.unseen), report.findings) == (1, 1, {})
    new_game(delivery, channels[0])
    posts = delivery.discord.count("post")
    delivery.run()
    assert delivery.discord.count("post") == posts
    delivery.pass_time(601)
    assert delivery.run().delivered == 1


@pytest.mark.parametrize("operation", ["history", "auth"])
def test_a_limit_that_slack_sets_to_a_read_holds_the_audit(
    delivery: DeliverySetup, operation: str
) -> None:
    channel = delivery.channel("slack-bot")
    for number in range(2):
        delivery.message(channel, f"{number}")
    delivery.run(wait=5)
    delivery.pass_time(60)
    limited = answer(429, json.dumps({"ok": False, "error": "ratelimited"}), {"Retry-After": "30"})
    # `auth` is asked by a scan, after the first message has been read by its id.
    delivery.slack.faults[operation] = [lambda call: call.connection.send(limited)]
    report = _audit(delivery)
    # The second message is not even asked for.
    assert (len(report.findings), count(delivery, "history")) == (operation == "auth", 1)


def _audit(delivery: DeliverySetup) -> AuditReport:
    return audit_messages(
        delivery.database,
        all_transports(delivery.settings),
        now=delivery.now,
        clock=delivery.clock,
        rng=random.Random(1),
    )


# --- removed channels ----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [refuse(404, 10015), refuse(403, 50013)])
def test_a_channel_that_is_removed_while_it_is_closed_leaves_no_message_waiting(
    any_delivery: DeliverySetup, fault: Fault
) -> None:
    delivery = any_delivery
    channel = delivery.channel("discord-webhook")
    delivery.message(channel, "refused")
    delivery.message(channel, "waiting", order_at=NOW + timedelta(seconds=1))
    delivery.discord.script("post", fault)
    delivery.run()
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).removed_at = delivery.now
    delivery.pass_time(HOUR + 1)  # the refused one is due again then
    assert delivery.deliverer().due_now(delivery.now) == 2
    report = delivery.run()
    assert [each.outcome for each in report.messages] == ["dropped", "dropped"]
    assert delivery.discord.count("post") == 1
    assert delivery.deliverer().next_due_at() is None


def test_a_limit_of_a_removed_channel_holds_nothing(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", refuse(429, 0, retry_after=86400))
    delivery.run()
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).removed_at = delivery.now
    delivery.pass_time(86400 - 1)
    waiting = delivery.message(channel, "waiting")
    delivery.run()
    assert [delivery.row(each).state for each in (message, waiting)] == ["pending", "dropped"]


def test_an_old_message_that_is_being_edited_is_not_undelivered(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = corrected(delivery, channel)
    delivery.pass_time(26 * HOUR)
    unsettled: list[str] = []

    def look() -> None:
        assert delivery.row(message).state == "sending"
        with delivery.database.reading() as session:
            unsettled.extend(session.scalars(queries.unsettled_messages(delivery.now)))

    delivery.crashes.at["after_claim"] = look
    assert delivery.run().edited == 1
    assert unsettled == []


def outdated(delivery: DeliverySetup) -> list[str]:
    with delivery.database.reading() as session:
        return list(session.scalars(queries.outdated_messages(delivery.now)))


def test_an_edit_that_is_put_off_day_after_day_is_shown(delivery: DeliverySetup) -> None:
    """To be asked to wait is no failed try, and closes nothing that would be shown."""
    message = corrected(delivery, delivery.channel())
    say_nothing_but(delivery, "patch", refuse(429, 30046, retry_after=HOUR))
    for hour in range(27):
        delivery.run()
        assert outdated(delivery) == ([message] if hour >= 25 else [])
        delivery.pass_time(HOUR + 1)
    say_nothing_but(delivery, "patch", lambda call: call.connection.send(call.act()))
    delivery.run()
    assert outdated(delivery) == []
