"""How often a channel's messages may be tried again: the rule, and what it never holds back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.retry_budget import (
    RetryBudget,
    retry_budget,
    retry_budget_of,
    take_turn,
)
from lol_dagster.messages.content import MessageContent
from lol_dagster.storage.models import Attempt, ChannelProbe
from lol_dagster_tests._support.fake_channels import (
    NOW,
    fail_after_accept,
    fail_before_accept,
    rate_limited,
    refuse,
)
from lol_dagster_tests._support.raw_server import answer
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests.delivery.conftest import DeliverySetup

TIMING = Timing()
MINUTE = timedelta(minutes=1)
WINDOW = 10 * MINUTE
SECOND = timedelta(seconds=1)


def at(*minutes: float) -> list[datetime]:
    return [NOW + each * MINUTE for each in minutes]


@pytest.mark.parametrize(
    ("first_tries", "failed", "expected"),
    [
        (0, [], RetryBudget(5, 0, None)),
        # The floor: five fail, the sixth waits until the first of them is ten minutes old.
        (0, at(0, 1, 2, 3), RetryBudget(5, 4, None)),
        (0, at(0, 1, 2, 3, 4), RetryBudget(5, 5, at(10)[0])),
        # A fifth of the first tries, once that is more than five: of 29 that is 5, of 30 it is 6.
        (29, at(0, 1, 2, 3, 4), RetryBudget(5, 5, at(10)[0])),
        (30, at(0, 1, 2, 3, 4), RetryBudget(6, 5, None)),
        (100, at(*range(20)), RetryBudget(20, 20, at(10)[0])),
        # Two too many (first tries have left the window): the third oldest has to leave it.
        (0, at(0, 1, 2, 3, 4, 5, 6), RetryBudget(5, 7, at(12)[0])),
    ],
)
def test_a_fifth_of_the_first_tries_and_five_in_any_case(
    first_tries: int, failed: list[datetime], expected: RetryBudget
) -> None:
    assert retry_budget(first_tries, failed, TIMING) == expected


def use_up(
    delivery: DeliverySetup, channel: int, outcome: str = "uncertain", op: str = "POST"
) -> None:
    """Five retries of another message a minute ago."""
    other = delivery.message(channel, "other", state="dropped", due_at=None)
    with delivery.database.writing() as session:
        for _ in range(5):
            session.add(
                Attempt(message_id=other, fence=1, op=op, rev=1, at=delivery.now - MINUTE,
                        outcome=outcome, retry=True)
            )  # fmt: skip


def test_a_retry_waits_for_its_turn_and_a_first_try_does_not(any_delivery: DeliverySetup) -> None:
    channel = any_delivery.channel()
    use_up(any_delivery, channel)
    again = any_delivery.message(channel, "again", attempts=1)
    any_delivery.message(channel, "first")

    any_delivery.run()
    assert any_delivery.titles(channel) == ["first"]
    row = any_delivery.row(again)
    assert (row.state, row.due_at) == ("pending", any_delivery.now + 9 * MINUTE)
    assert "retries are used up" in (row.last_error or "")

    any_delivery.pass_time(9 * 60 - 1)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["first"]
    any_delivery.pass_time(1)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["first", "again"]
    assert any_delivery.attempts(again) == [("POST", "accepted")]


def test_another_channels_retries_do_not_count(delivery: DeliverySetup) -> None:
    use_up(delivery, delivery.channel())
    channel = delivery.channel()
    delivery.message(channel, "again", attempts=1)
    delivery.run()
    assert delivery.titles(channel) == ["again"]


def test_a_retry_that_is_accepted_costs_nothing(any_delivery: DeliverySetup) -> None:
    """When a channel has come back, all that waits goes out at once."""
    channel = any_delivery.channel()
    use_up(any_delivery, channel, outcome="accepted")
    any_delivery.message(channel, "again", attempts=1)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["again"]


def test_a_try_that_is_put_off_by_a_rate_limit_costs_nothing(any_delivery: DeliverySetup) -> None:
    """It has a wait of its own, and says nothing about how the channel answers."""
    channel = any_delivery.channel()
    use_up(any_delivery, channel, outcome="put_off")
    any_delivery.message(channel, "again", attempts=1)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["again"]


def test_a_post_that_was_put_off_is_still_a_first_try(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", *[rate_limited(3)] * 8)
    for _ in range(8):
        delivery.run()
        assert delivery.row(message).attempts == 0
        delivery.pass_time(3)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]
    with delivery.database.reading() as session:
        assert not any(session.scalars(select(Attempt.retry)))


def test_a_scan_of_the_channel_is_no_retry(any_delivery: DeliverySetup) -> None:
    """What arrived is known to have arrived, however much was repeated."""
    channel = any_delivery.channel()
    message = any_delivery.message(channel)
    any_delivery.discord.script("post", fail_after_accept())
    any_delivery.run()
    use_up(any_delivery, channel)
    any_delivery.pass_time(20)
    any_delivery.run()
    row = any_delivery.row(message)
    assert (row.state, row.evidence) == ("delivered", "scan")


def test_what_waits_for_its_turn_for_days_is_not_held_for_that(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_before_accept(520))
    delivery.run()
    for _ in range(50):  # more than a day
        use_up(delivery, channel)
        delivery.pass_time(1800)
        use_up(delivery, channel)
        delivery.run()
    assert delivery.row(message).state == "uncertain"
    assert delivery.discord.count("post") == 1
    delivery.pass_time(1800)
    delivery.run()
    assert delivery.row(message).state == "delivered"


def test_a_post_that_only_the_nonce_protects_is_not_held_back(delivery: DeliverySetup) -> None:
    """Later nobody could tell whether it was posted: it would need review for having waited."""
    channel = delivery.channel()
    delivery.discord.may_read_history = False
    with delivery.database.writing() as session:
        session.add(ChannelProbe(channel_id=channel, can_read_back=False))
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    use_up(delivery, channel)
    delivery.pass_time(10)
    delivery.run()
    assert (delivery.row(message).state, delivery.titles(channel)) == ("delivered", ["Victory"])


def test_a_breakers_probe_is_neither_held_back_nor_counted(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", *[refuse(403, 50013)] * 8)
    for _ in range(9):
        delivery.run()
        delivery.pass_time(3601)
    assert delivery.row(message).state == "delivered"
    with delivery.database.reading() as session:
        assert not any(session.scalars(select(Attempt.retry)))


def test_edits_have_a_retry_budget_like_that_of_posts(any_delivery: DeliverySetup) -> None:
    channel = any_delivery.channel()
    message = any_delivery.message(channel)
    any_delivery.run()
    any_delivery.say(message, "Defeat")
    any_delivery.discord.script("patch", fail_before_accept())
    any_delivery.run()
    use_up(any_delivery, channel, op="PATCH")
    any_delivery.pass_time(120)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["Victory"]
    any_delivery.pass_time(600)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["Defeat"]


def test_retries_of_edits_use_up_no_retries_of_posts(any_delivery: DeliverySetup) -> None:
    channel = any_delivery.channel()
    use_up(any_delivery, channel, op="PATCH")
    any_delivery.message(channel, "again", attempts=1)
    any_delivery.run()
    assert any_delivery.titles(channel) == ["again"]


def test_the_retry_budget_is_shared_through_the_database(any_delivery: DeliverySetup) -> None:
    channel = any_delivery.channel()
    use_up(any_delivery, channel)
    with any_delivery.database.reading() as session:
        found = retry_budget_of(session, channel, "POST", TIMING, any_delivery.now)
    assert (found.used, found.allowed) == (5, 5)


@pytest.mark.parametrize("kind", ["slack-bot", "slack-webhook"])
def test_a_rate_limit_that_names_no_time_is_waited_for_a_minute(
    delivery: DeliverySetup, kind: str
) -> None:
    """It is no failed try either."""
    message = delivery.message(delivery.channel(kind))
    for call in ("post", "hook"):
        delivery.slack.script(call, lambda call: call.connection.send(answer(429, "{}")))
    delivery.run()
    row = delivery.row(message)
    assert (row.attempts, row.due_at) == (0, delivery.now + MINUTE)
    assert delivery.attempts(message) == [("POST", "put_off")]


def test_retries_of_a_clock_that_was_a_day_ahead_do_not_count(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    use_up(delivery, channel)
    with delivery.database.writing() as session:
        for attempt in session.scalars(select(Attempt)):
            attempt.at += timedelta(days=1)
    delivery.message(channel, "again", attempts=1)
    delivery.run()
    assert delivery.titles(channel) == ["again"]


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ({}, True),
        ({"outcome": None}, True),  # under way, or its process died over it
        ({"outcome": "refused"}, True),
        ({"outcome": "accepted"}, False),
        ({"outcome": "put_off"}, False),
        ({"retry": False}, False),
        ({"op": "PATCH"}, False),
        ({"message_id": "of another channel"}, False),
        ({"at": NOW - WINDOW}, False),
        ({"at": NOW - WINDOW + SECOND}, True),
        # Of a clock that was ahead, but by less than it matters.
        ({"at": NOW + WINDOW - SECOND}, True),
        ({"at": NOW + WINDOW}, False),
    ],
)
def test_what_counts_is_a_failed_retry_of_the_channel_and_of_the_kind_within_ten_minutes(
    database, values: dict[str, object], counts: bool
) -> None:
    retry = {
        "message_id": "own", "op": "POST", "outcome": "uncertain", "retry": True, "fence": 2,
        "at": NOW,
    }  # fmt: skip
    with database.writing() as session:
        team = make_team(session)
        channels = {name: make_channel(session, team) for name in ("own", "of another channel")}
        for name, channel in channels.items():
            add_message(
                session, name, channel_id=channel.id, kind="game", subject=name, order_at=NOW,
                content=MessageContent(name, name), now=NOW,
            )  # fmt: skip
        session.add(Attempt(**{**retry, **values}))
        session.flush()
        for counted in (retry_budget_of, take_turn):
            left = counted(session, channels["own"].id, "POST", Timing(), NOW)
            # Five may fail in any case.
            assert left == RetryBudget(allowed=5, used=1 if counts else 0, opens_at=None)


def test_first_tries_allow_retries_and_the_first_that_leaves_the_window_another(database) -> None:
    """By when they were made, in whatever order they were written down."""
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        for number in range(6):
            add_message(
                session, f"m{number}", channel_id=channel.id, kind="game", subject=f"m{number}",
                order_at=NOW, content=MessageContent("title", "title"), now=NOW,
            )  # fmt: skip
            call = {"message_id": f"m{number}", "op": "POST", "outcome": "uncertain"}
            for fence in range(1, 6):  # thirty in all, of which a fifth may be repeated
                session.add(Attempt(**call, fence=fence, at=NOW, retry=False))
            # The last message's is the oldest.
            session.add(Attempt(**call, fence=6, at=NOW - number * MINUTE, retry=True))
        session.flush()
        left = retry_budget_of(session, channel.id, "POST", TIMING, NOW)
    assert left == RetryBudget(allowed=6, used=6, opens_at=NOW + 5 * MINUTE)
