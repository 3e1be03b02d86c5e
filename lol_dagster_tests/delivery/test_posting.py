"""The shell against channels on real sockets: what is posted, and what is written down when."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from lol_dagster.storage.models import Attempt, Match, MessageGame
from lol_dagster_tests._support.fake_channels import (
    NOW,
)
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests.delivery.conftest import Room
from lol_dagster_tests.delivery.kinds import ALL, posts


@pytest.mark.parametrize("kind", ALL)
def test_a_due_message_is_posted_once_and_never_again(any_room: Room, kind: str) -> None:
    channel = any_room.channel(kind)
    message = any_room.message(channel, "Victory")

    report = any_room.sweep()
    again = any_room.sweep()

    assert (report.delivered, again.messages, posts(any_room)) == (1, (), 1)
    assert any_room.titles(channel) == ["Victory"]
    row = any_room.row(message)
    assert (row.state, row.evidence, row.due_at, row.remote_rev) == (
        "delivered",
        "response",
        None,
        1,
    )
    assert any_room.attempts(message) == [("POST", "accepted")]


def test_the_report_tells_games_channel_and_where_to_look(room: Room) -> None:
    channel = room.channel("discord-bot", address="700000000000000077")
    message = room.message(channel)
    with room.database.writing() as session:
        session.add(Match(match_id="NA1_1", listed_at=NOW))
        session.flush()
        session.add(MessageGame(channel_id=channel, match_id="NA1_1", message_id=message))

    (carried,) = room.sweep().messages

    remote_id = room.row(message).remote_id
    assert (carried.match_ids, carried.outcome) == (("NA1_1",), "delivered")
    assert carried.link == f"https://discord.com/channels/42/700000000000000077/{remote_id}"


def test_slacks_link_is_the_permalink(room: Room) -> None:
    channel = room.channel("slack-bot", address="C0123")
    message = room.message(channel)
    (carried,) = room.sweep().messages
    digits = (room.row(message).remote_id or "").replace(".", "")
    assert carried.link == f"https://friends.slack.com/archives/C0123/p{digits}"


def test_only_the_messages_of_the_chosen_games_are_carried(room: Room) -> None:
    channel = room.channel()
    chosen, other = room.message(channel, "chosen"), room.message(channel, "other")
    with room.database.writing() as session:
        for match_id, message in [("NA1_1", chosen), ("NA1_2", other)]:
            session.add(Match(match_id=match_id, listed_at=NOW))
            session.flush()
            session.add(MessageGame(channel_id=channel, match_id=match_id, message_id=message))

    room.sweep(only_match_ids=["NA1_1"])

    assert room.titles(channel) == ["chosen"]
    assert room.deliverer().due_now(room.now) == 1


def test_messages_of_a_channel_go_out_in_the_order_in_which_the_games_ended(room: Room) -> None:
    channel = room.channel()
    for minutes in (30, 10, 20):
        room.message(channel, f"{minutes}", order_at=NOW + timedelta(minutes=minutes))
    room.sweep()
    assert room.titles(channel) == ["10", "20", "30"]


@pytest.mark.parametrize("kind", ALL)
def test_the_intent_is_durable_before_a_byte_arrives(any_room: Room, kind: str) -> None:
    message = any_room.message(any_room.channel(kind))
    seen: list[tuple[bool, str, list[tuple[str, str | None]]]] = []

    def look(request: Request) -> None:
        if request.method == "POST" and b"Victory" in request.body:
            row = any_room.row(message)
            seen.append((row.sent_maybe, row.state, any_room.attempts(message)))

    any_room.discord.on_arrival = any_room.slack.on_arrival = look
    any_room.sweep()
    assert seen == [(True, "sending", [("POST", None)])]


def test_what_was_sent_is_known_before_it_is_sent(room: Room) -> None:
    """By the sha256 of the body's JSON with sorted keys: here worked out from what arrived."""
    message = room.message(room.channel("slack-bot", address="C0123"))
    noted: list[str | None] = []

    def look(request: Request) -> None:
        if b"Victory" in request.body:
            with room.database.reading() as session:
                noted.extend(session.scalars(select(Attempt.body_sha256)))

    room.slack.on_arrival = look
    room.sweep()
    (arrived,) = (r.body for r in room.slack_server.requests if b"Victory" in r.body)
    body = json.loads(arrived)
    del body["channel"]  # the address is no part of what is said
    assert noted == [hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()]
    assert room.row(message).state == "delivered"


def test_discord_gets_the_fixed_nonce_and_nobody_can_be_pinged(room: Room) -> None:
    message = room.message(room.channel())
    room.sweep()
    (body,) = room.discord.bodies
    assert body["nonce"] == room.row(message).nonce
    assert body["enforce_nonce"] is True
    assert body["allowed_mentions"] == {"parse": []}
    assert room.discord_server.requests[0].headers["user-agent"].startswith("DiscordBot (")
