"""How often a channel's messages may be tried again: the rule, and what it never holds back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.retry_budget import RetryBudget, retry_budget, retry_budget_of
from lol_dagster.storage.models import Attempt, ChannelProbe
from lol_dagster_tests._support.fake_channels import (
    NOW,
    fail_after_accept,
    fail_before_accept,
    refuse,
)
from lol_dagster_tests.delivery.conftest import Room

TIMING = Timing()
MINUTE = timedelta(minutes=1)


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


def use_up(room: Room, channel: int, outcome: str = "uncertain") -> None:
    """Five retries of another message a minute ago."""
    other = room.message(channel, "other", state="dropped", due_at=None)
    with room.database.writing() as session:
        for _ in range(5):
            session.add(
                Attempt(message_id=other, fence=1, op="POST", rev=1, at=room.now - MINUTE,
                        outcome=outcome, retry=True)
            )  # fmt: skip


def test_a_retry_waits_for_its_turn_and_a_first_try_does_not(any_room: Room) -> None:
    channel = any_room.channel()
    use_up(any_room, channel)
    again = any_room.message(channel, "again", attempts=1)
    any_room.message(channel, "first")

    any_room.sweep()
    assert any_room.titles(channel) == ["first"]
    row = any_room.row(again)
    assert (row.state, row.due_at) == ("pending", any_room.now + 9 * MINUTE)
    assert "retries are used up" in (row.last_error or "")

    any_room.pass_time(9 * 60 - 1)
    any_room.sweep()
    assert any_room.titles(channel) == ["first"]
    any_room.pass_time(1)
    any_room.sweep()
    assert any_room.titles(channel) == ["first", "again"]
    assert any_room.attempts(again) == [("POST", "accepted")]


def test_another_channels_retries_do_not_count(room: Room) -> None:
    use_up(room, room.channel())
    channel = room.channel()
    room.message(channel, "again", attempts=1)
    room.sweep()
    assert room.titles(channel) == ["again"]


def test_a_retry_that_is_accepted_costs_nothing(any_room: Room) -> None:
    """When a channel has come back, all that waits goes out at once."""
    channel = any_room.channel()
    use_up(any_room, channel, outcome="accepted")
    any_room.message(channel, "again", attempts=1)
    any_room.sweep()
    assert any_room.titles(channel) == ["again"]


def test_a_look_into_the_channel_is_no_retry(any_room: Room) -> None:
    """What arrived is known to have arrived, however much was repeated."""
    channel = any_room.channel()
    message = any_room.message(channel)
    any_room.discord.script("post", fail_after_accept())
    any_room.sweep()
    use_up(any_room, channel)
    any_room.pass_time(20)
    any_room.sweep()
    row = any_room.row(message)
    assert (row.state, row.evidence) == ("delivered", "scan")


def test_what_waits_for_its_turn_for_days_is_not_parked_for_that(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", fail_before_accept(520))
    room.sweep()
    for _ in range(50):  # more than a day
        use_up(room, channel)
        room.pass_time(1800)
        use_up(room, channel)
        room.sweep()
    assert room.row(message).state == "uncertain"
    assert room.discord.count("post") == 1
    room.pass_time(1800)
    room.sweep()
    assert room.row(message).state == "delivered"


def test_a_post_that_only_the_nonce_protects_is_not_held_back(room: Room) -> None:
    """Later nobody could tell whether it was posted: it would be parked for having waited."""
    channel = room.channel()
    room.discord.may_read_history = False
    with room.database.writing() as session:
        session.add(ChannelProbe(channel_id=channel, can_read_back=False))
    message = room.message(channel)
    room.discord.script("post", fail_after_accept())
    room.sweep()
    use_up(room, channel)
    room.pass_time(10)
    room.sweep()
    assert (room.row(message).state, room.titles(channel)) == ("delivered", ["Victory"])


def test_a_breakers_probe_is_neither_held_back_nor_counted(room: Room) -> None:
    channel = room.channel()
    message = room.message(channel)
    room.discord.script("post", *[refuse(403, 50013)] * 8)
    for _ in range(9):
        room.sweep()
        room.pass_time(3601)
    assert room.row(message).state == "delivered"
    with room.database.reading() as session:
        assert not any(session.scalars(select(Attempt.retry)))


def test_edits_are_rationed_like_posts(any_room: Room) -> None:
    channel = any_room.channel()
    message = any_room.message(channel)
    any_room.sweep()
    any_room.say(message, "Defeat")
    any_room.discord.script("patch", fail_before_accept())
    any_room.sweep()
    use_up(any_room, channel)
    any_room.pass_time(120)
    any_room.sweep()
    assert any_room.titles(channel) == ["Victory"]
    any_room.pass_time(600)
    any_room.sweep()
    assert any_room.titles(channel) == ["Defeat"]


def test_the_ration_is_shared_through_the_database(any_room: Room) -> None:
    channel = any_room.channel()
    use_up(any_room, channel)
    with any_room.database.reading() as session:
        found = retry_budget_of(session, channel, TIMING, any_room.now)
    assert (found.used, found.allowed) == (5, 5)
