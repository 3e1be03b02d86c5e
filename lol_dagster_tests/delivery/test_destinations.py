"""Channels as their circuit breakers know them, and which call a message needs next."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.delivery.destinations import Destination, all_destinations, next_call
from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.scopes import CALLS, Call
from lol_dagster.delivery.transports.base import Hold, fingerprint
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings
from lol_dagster.storage.models import ChannelProbe, Message
from lol_dagster_tests._support.message_rows import NOW
from lol_dagster_tests._support.roster_rows import make_channel, make_team

TRANSPORTS = all_transports(Settings(discord_bot_token="a", slack_bot_token="b"))
WITHOUT_TOKENS = all_transports(Settings())
HOOK = "https://x/api/webhooks/1/secret"


@pytest.mark.parametrize(
    ("values", "probe", "service", "token", "read_back"),
    [
        ({"kind": "discord-bot"}, None, "Discord", "discord-token", True),
        ({"kind": "slack-bot", "address": "C0123456789"}, None, "Slack", "slack-token", True),
        # A webhook has no token of its own; a bot beside it can read.
        ({"kind": "discord-webhook", "address": HOOK}, None, "Discord", None, True),
        ({"kind": "slack-webhook", "address": HOOK}, None, "Slack", None, False),
        # What a test has shown.
        ({"kind": "discord-bot"}, {"can_read_back": False}, "Discord", "discord-token", False),
        ({"kind": "discord-bot"}, {"can_read_back": True}, "Discord", "discord-token", True),
        ({"kind": "discord-bot"}, {"can_read_back": None}, "Discord", "discord-token", True),
        ({"kind": "slack-webhook", "address": HOOK}, {"can_read_back": True}, "Slack", None, False),
    ],
)
def test_a_channel_is_known_by_its_address_its_token_and_what_it_can(
    database,
    values: dict[str, Any],
    probe: dict[str, bool | None] | None,
    service: str,
    token: str | None,
    read_back: bool,
) -> None:
    with database.writing() as session:
        team = make_team(session)
        channel, other = make_channel(session, team, **values), make_channel(session, team)
        if probe is not None:
            session.add(ChannelProbe(channel_id=channel.id, **probe))
            session.flush()
        found = all_destinations(session, TRANSPORTS)
        assert set(found) == {channel.id, other.id}
        assert found[channel.id] == Destination(
            channel_id=channel.id,
            address=fingerprint(channel.address),
            service=service,
            calls_per_second=50 if service == "Discord" else None,
            token_scope=token,
            token=TRANSPORTS[channel.kind].token_fingerprint if token else None,
            read_back=read_back,
            removed=False,
        )
        assert found[other.id].read_back  # of itself


def test_a_channel_that_is_removed_is_known_to_be(database) -> None:
    with database.writing() as session:
        team = make_team(session)
        kept, gone = make_channel(session, team), make_channel(session, team, removed_at=NOW)
        found = all_destinations(session, TRANSPORTS)
        assert (found[kept.id].removed, found[gone.id].removed) == (False, True)


def test_another_token_has_another_fingerprint_and_none_has_none() -> None:
    another = all_transports(Settings(discord_bot_token="c"))["discord-bot"]
    prints = [
        each.token_fingerprint
        for each in (TRANSPORTS["discord-bot"], another, WITHOUT_TOKENS["discord-bot"])
    ]
    assert len(set(prints)) == 3


BOT = Destination(
    channel_id=7, address="address", service="Discord", calls_per_second=50, token_scope="token", token="secret",
    read_back=True, removed=False,
)  # fmt: skip
HOOKED = Destination(
    channel_id=7, address="address", service="Discord", calls_per_second=50, token_scope=None, token=None,
    read_back=True, removed=False,
)  # fmt: skip
REMOVED = Destination(
    channel_id=7, address="address", service="Discord", calls_per_second=50, token_scope="token", token="secret",
    read_back=True, removed=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "own"),
    [
        ("post", {"channel:7": "address"}),
        ("edit", {"channel:7:edit": "address"}),
        # What is looked for in vain is posted.
        ("scan", {"channel:7:scan": "address", "channel:7": "address"}),
    ],
)
def test_a_call_depends_on_its_channel_and_its_token(call: Call, own: dict[str, str]) -> None:
    assert BOT.scopes_for(call) == {**own, "token": "secret"}
    assert HOOKED.scopes_for(call) == own
    assert REMOVED.scopes_for(call) == {}  # nothing is sent there, so that nothing closes it
    assert BOT.scope(call) == next(iter(own))


def test_a_destination_knows_all_its_scopes() -> None:
    own = dict.fromkeys(("channel:7", "channel:7:edit", "channel:7:scan"), "address")
    assert BOT.scopes == {**own, "token": "secret"}
    assert (HOOKED.scopes, REMOVED.scopes) == (own, {})


@pytest.mark.parametrize(
    ("about", "of_bot", "of_hook"),
    [
        ("channel", "channel:7{}", "channel:7{}"),
        # Without a token it is about whatever shares our address.
        ("token", "token", "service:Discord"),
        ("service", "service:Discord", "service:Discord"),
    ],
)
@pytest.mark.parametrize("call", CALLS)
def test_a_rate_limit_holds_what_it_is_about(
    about: Any, of_bot: str, of_hook: str, call: Call
) -> None:
    suffix = "" if call == "post" else f":{call}"
    assert BOT.held_scope(Hold(1.0, about), call) == of_bot.format(suffix)
    assert HOOKED.held_scope(Hold(1.0, about), call) == of_hook.format(suffix)


@pytest.mark.parametrize("call", CALLS)
def test_a_refusal_of_the_token_concerns_the_call_where_there_is_none(call: Call) -> None:
    assert BOT.refused_scope("token", call) == "token"
    assert HOOKED.refused_scope("token", call) == HOOKED.scope(call)
    assert BOT.refused_scope("channel", call) == BOT.scope(call)


@pytest.mark.parametrize(
    ("values", "readable", "unreadable"),
    [
        ({}, "post", "post"),
        ({"sent_maybe": True}, "scan", "post"),  # what may have been sent is looked for
        ({"evidence": "response"}, "edit", "edit"),
        ({"evidence": "response", "sent_maybe": True}, "edit", "edit"),
    ],
)
def test_the_next_call_of_a_message_follows_from_what_is_known_of_it(
    database, values: dict[str, Any], readable: str, unreadable: str
) -> None:
    with database.writing() as session:
        team = make_team(session)
        for name, can_read in (("readable", True), ("unreadable", False)):
            channel = make_channel(session, team)
            session.add(ChannelProbe(channel_id=channel.id, can_read_back=can_read))
            message = add_message(
                session, name, channel_id=channel.id, kind="game", subject=name, order_at=NOW,
                content=MessageContent(name, name), now=NOW,
            )  # fmt: skip
            for column, value in values.items():
                setattr(message, column, value)
        session.flush()
        call = next_call(all_destinations(session, TRANSPORTS).values())
        found = {name: kind for name, kind in session.execute(select(Message.id, call))}  # noqa: C416
    assert found == {"readable": readable, "unreadable": unreadable}
