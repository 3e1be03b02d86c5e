"""Parked messages after a person's decision, carried by real sweeps."""

from __future__ import annotations

import pytest

from lol_dagster.delivery import decisions
from lol_dagster.storage.models import AuditEntry, Channel, ChannelProbe
from lol_dagster_tests._support.fake_channels import fail_after_accept, fail_before_accept
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import READABLE, posts


def resend(room: Room, message: str) -> None:
    with room.database.writing(who="Ann") as session:
        transports = room.deliverer()._transports
        decisions.resend(session, message, transports=transports, clock=room.clock, now=room.now)


def parked(room: Room, channel: int, **values: object) -> str:
    """A message of which a POST may have got through, given up."""
    room.sweep()
    return room.message(
        channel,
        **{
            "state": "needs_review",
            "due_at": None,
            "sent_maybe": True,
            "sent_rev": 1,
            "uncertain_rounds": 12,
            "uncertain_since": room.now,
            **values,
        },
    )


@pytest.mark.parametrize("kind", READABLE)
def test_what_got_through_is_found_and_not_posted_again(room: Room, kind: str) -> None:
    channel = room.channel(kind)
    message = room.message(channel)
    for fake in (room.discord, room.slack):
        fake.script("post", fail_after_accept())
    room.sweep()
    with room.database.writing() as session:
        row = session.merge(room.row(message))
        row.state, row.due_at, row.uncertain_rounds = "needs_review", None, 12
    resend(room, message)
    room.pass_time(31)
    room.sweep()
    assert (room.row(message).evidence, posts(room)) == ("scan", 1)
    assert room.titles(channel) == ["Victory"]


@pytest.mark.parametrize("kind", READABLE)
def test_what_did_not_get_through_is_posted_once(room: Room, kind: str) -> None:
    channel = room.channel(kind)
    room.message(channel, "witness")
    message = parked(room, channel)
    resend(room, message)
    room.pass_time(31)
    room.sweep(patience=5)
    assert room.row(message).state == "delivered"
    assert room.titles(channel) == ["witness", "Victory"]


@pytest.mark.parametrize("blind", [True, False])
def test_where_nobody_can_look_it_is_posted(room: Room, blind: bool) -> None:
    channel = room.channel("discord-bot" if blind else "slack-webhook")
    if blind:
        with room.database.writing() as session:
            session.add(ChannelProbe(channel_id=channel, unreadable_history=True))
    message = parked(room, channel)
    resend(room, message)
    room.sweep()
    assert room.row(message).state == "delivered"
    assert room.titles(channel) == ["Victory"]


def test_a_deliverer_that_comes_back_late_is_fenced_off(room: Room) -> None:
    message = parked(room, room.channel(), fence=4)
    resend(room, message)
    assert room.row(message).fence == 5


def test_a_resend_that_goes_unanswered_is_uncertain_again(room: Room) -> None:
    channel = room.channel("slack-webhook")
    message = parked(room, channel)
    resend(room, message)
    room.slack.script("hook", fail_before_accept())
    room.sweep()
    assert room.row(message).state == "uncertain"
    room.pass_time(31)
    room.sweep()
    assert (room.row(message).state, room.slack.count("hook")) == ("needs_review", 1)


def test_nothing_is_resent_into_a_removed_channel(room: Room) -> None:
    channel = room.channel()
    message = parked(room, channel)
    with room.database.writing() as session:
        session.get_one(Channel, channel).removed_at = room.now
    with pytest.raises(decisions.DecisionError, match="its channel was removed"):
        resend(room, message)


def test_the_decision_is_signed_on_both_databases(any_room: Room) -> None:
    message = parked(any_room, any_room.channel())
    resend(any_room, message)
    with any_room.database.reading() as session:
        entry = session.query(AuditEntry).filter_by(table="messages").one()
        assert (entry.who, entry.action, entry.row) == ("Ann", "resent", message)
