"""The shell against channels on real sockets: what is posted, and what is written down when."""

from __future__ import annotations

import base64
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
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import ALL, posts


@pytest.mark.parametrize("kind", ALL)
def test_a_due_message_is_posted_once_and_never_again(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel = any_delivery.channel(kind)
    message = any_delivery.message(channel, "Victory")

    report = any_delivery.run()
    again = any_delivery.run()

    assert (report.delivered, again.messages, posts(any_delivery)) == (1, (), 1)
    assert any_delivery.titles(channel) == ["Victory"]
    row = any_delivery.row(message)
    assert (row.state, row.evidence, row.due_at, row.remote_rev) == (
        "delivered",
        "response",
        None,
        1,
    )
    assert any_delivery.attempts(message) == [("POST", "accepted")]


def test_the_report_tells_games_channel_and_where_to_look(delivery: DeliverySetup) -> None:
    channel = delivery.channel("discord-bot", address="700000000000000077")
    message = delivery.message(channel)
    with delivery.database.writing() as session:
        session.add(Match(match_id="NA1_1", listed_at=NOW))
        session.flush()
        session.add(MessageGame(channel_id=channel, match_id="NA1_1", message_id=message))

    (sent,) = delivery.run().messages

    remote_id = delivery.row(message).remote_id
    assert (sent.match_ids, sent.outcome) == (("NA1_1",), "delivered")
    assert sent.link == f"https://discord.com/channels/42/700000000000000077/{remote_id}"


def test_slacks_link_is_the_permalink(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot", address="C0123")
    message = delivery.message(channel)
    (sent,) = delivery.run().messages
    digits = (delivery.row(message).remote_id or "").replace(".", "")
    assert sent.link == f"https://friends.slack.com/archives/C0123/p{digits}"


def test_only_the_messages_of_the_chosen_games_are_sent(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    chosen, other = delivery.message(channel, "chosen"), delivery.message(channel, "other")
    with delivery.database.writing() as session:
        for match_id, message in [("NA1_1", chosen), ("NA1_2", other)]:
            session.add(Match(match_id=match_id, listed_at=NOW))
            session.flush()
            session.add(MessageGame(channel_id=channel, match_id=match_id, message_id=message))

    delivery.run(only_match_ids=["NA1_1"])

    assert delivery.titles(channel) == ["chosen"]
    assert delivery.deliverer().due_now(delivery.now) == 1


def test_messages_of_a_channel_go_out_in_the_order_in_which_the_games_ended(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    for minutes in (30, 10, 20):
        delivery.message(channel, f"{minutes}", order_at=NOW + timedelta(minutes=minutes))
    delivery.run()
    assert delivery.titles(channel) == ["10", "20", "30"]


@pytest.mark.parametrize("kind", ALL)
def test_the_intent_is_durable_before_a_byte_arrives(
    any_delivery: DeliverySetup, kind: str
) -> None:
    message = any_delivery.message(any_delivery.channel(kind))
    seen: list[tuple[bool, str, list[tuple[str, str | None]]]] = []

    def look(request: Request) -> None:
        if request.method == "POST" and b"Victory" in request.body:
            row = any_delivery.row(message)
            seen.append((row.sent_maybe, row.state, any_delivery.attempts(message)))

    any_delivery.discord.on_arrival = any_delivery.slack.on_arrival = look
    any_delivery.run()
    assert seen == [(True, "sending", [("POST", None)])]


def test_what_was_sent_is_known_before_it_is_sent(delivery: DeliverySetup) -> None:
    """By the sha256 of the body's JSON with sorted keys: here worked out from what arrived."""
    message = delivery.message(delivery.channel("slack-bot", address="C0123"))
    noted: list[str | None] = []

    def look(request: Request) -> None:
        if b"Victory" in request.body:
            with delivery.database.reading() as session:
                noted.extend(session.scalars(select(Attempt.body_sha256)))

    delivery.slack.on_arrival = look
    delivery.run()
    (arrived,) = (r.body for r in delivery.slack_server.requests if b"Victory" in r.body)
    body = json.loads(arrived)
    del body["channel"]  # the address is no part of what is said
    assert noted == [hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()]
    assert delivery.row(message).state == "delivered"


def test_discord_gets_the_fixed_nonce_and_nobody_can_be_pinged(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.run()
    (body,) = delivery.discord.bodies
    fixed = delivery.row(message).nonce + delivery.address(channel)
    digest = hashlib.sha256(fixed.encode()).digest()
    assert body["nonce"] == base64.urlsafe_b64encode(digest)[:22].decode()
    assert body["enforce_nonce"] is True
    assert body["allowed_mentions"] == {"parse": []}
    assert delivery.discord_server.requests[0].headers["user-agent"].startswith("DiscordBot (")


def test_a_copy_of_the_database_that_posts_into_another_channel_disturbs_nobody(
    delivery: DeliverySetup,
) -> None:
    """Discord compares nonces by author: the same one would have one of the two posted nowhere."""
    original, copy = delivery.channel(), delivery.channel()
    delivery.message(original, nonce="of both")
    delivery.message(copy, nonce="of both")
    assert delivery.run().delivered == 2
    assert delivery.titles(original) == delivery.titles(copy) == ["Victory"]
