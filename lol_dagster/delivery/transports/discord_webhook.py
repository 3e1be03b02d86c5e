"""Discord through a webhook's URL: no nonce and no history of its own.

With a bot token beside it the webhook can be reconciled: the bot lists the channel, and what the
webhook posted, which comes back blank to the bot (discord-api-docs#5411), is read by the webhook.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from lol_dagster.delivery.states import (
    Absent,
    Blind,
    Blocked,
    Found,
    GetVerdict,
    PostVerdict,
    ScanVerdict,
    Timing,
)
from lol_dagster.delivery.transports import discord_api
from lol_dagster.delivery.transports.base import (
    Answer,
    Caller,
    Capabilities,
    Hold,
    Outgoing,
    Transport,
    Wanted,
    looks,
    sends,
)
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.http import DeadlineSession, TransportError
from lol_dagster.messages import render_discord
from lol_dagster.messages.content import MessageContent

_PATH = re.compile(r"/webhooks/(\d+)/([\w-]+)/?$")
_PACE = Hold(2.0)
"""30 a minute and channel: a limit that the headers do not show (discord-api-docs#1454)."""


class DiscordWebhook(Transport):
    """Execute Webhook with `wait=true`, Edit Webhook Message."""

    kind: ClassVar[str] = "discord-webhook"

    def __init__(
        self, session: DeadlineSession, url: str, reader: DiscordBot | None, timing: Timing
    ) -> None:
        """
        Args:
            url: As in `https://discord.com/api/v10`; of an address only id and token are used, so
                that nothing is ever sent to another host.
            reader: A bot that may read the channels' history, if there is one.
        """
        self._api = Caller(session, url, timing)
        self._reader = reader
        self._channels: dict[str, str] = {}

    @property
    def capabilities(self) -> Capabilities:
        if self._reader is not None:
            return Capabilities(
                identity="marker",
                read_back=True,
                edit=True,
                settle=30.0,
                promise="Told exactly once as long as the bot can read the channel: an unanswered "
                "send is looked up there before it is repeated.",
                promise_if_blind="The bot cannot read this channel's history, so less is promised: "
                "never told twice, but a send that goes unanswered waits for your decision (with "
                "--uncertain resend: never lost, but maybe told twice).",
            )
        return Capabilities(
            identity=None,
            read_back=False,
            edit=True,
            settle=30.0,
            promise="Never told twice, but a send that goes unanswered waits for your decision, as "
            "nobody can look it up (with --uncertain resend: never lost, but maybe told twice). "
            "A bot token in LOL_DISCORD_BOT_TOKEN removes the doubt.",
        )

    def unusable(self, address: str) -> str | None:
        if _PATH.search(urlsplit(address).path) is None:
            return "the address is not a Discord webhook's URL (https://…/webhooks/ID/TOKEN)"
        return None

    def render(self, content: MessageContent, marker: str) -> dict[str, Any]:
        return render_discord.render(content, marker)

    def after_id(self, created_at: datetime) -> str | None:
        return discord_api.after_id(created_at)

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        params = {"wait": "true", **_thread(address)}
        reply = self._api.call("POST", _path(address), json=message.body, params=params)
        answer = discord_api.sent(reply, message.message_id, message.rev)
        return replace(answer, holds=(*answer.holds, _PACE))

    @sends
    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        path = _message(address, remote_id)
        reply = self._api.call("PATCH", path, json=message.body, params=_thread(address))
        return discord_api.sent(reply, message.message_id, message.rev)

    @looks
    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        reply = self._api.call("GET", _message(address, remote_id), params=_thread(address))
        return discord_api.read(reply, message_id)

    @sends
    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        path = _message(address, remote_id)
        reply = self._api.call("DELETE", path, params=_thread(address))
        return discord_api.deleted(reply)

    @looks
    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        assert self._reader is not None, "only a channel with read_back is scanned"
        return self._scan(self._reader, address, wanted)

    def _scan(self, reader: DiscordBot, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        channel = self._channel(address)
        if isinstance(channel, Answer):
            return channel
        listed = reader.list_after(channel, wanted.after_id or "0")
        if isinstance(listed, Answer):
            return _blind_reader(listed)
        webhook_id, _ = _parts(address)
        ours = [each for each in listed if each.get("webhook_id") == webhook_id]
        copies: list[tuple[int, int]] = []
        marked = False
        for each in ours:
            marker = render_discord.read_marker(each)
            if marker is None:
                path = _message(address, each["id"])
                reply = self._api.call("GET", path, params=_thread(address))
                if reply.status != 200:
                    return discord_api.scan_failed(reply)
                marker = render_discord.read_marker(reply.data)
            marked = marked or marker is not None
            if marker is not None and marker[0] == wanted.message_id:
                copies.append((int(each["id"]), marker[1]))
        if copies:
            (first, rev), *extras = sorted(copies)
            return Answer(Found(str(first), rev, tuple(str(extra) for extra, _ in extras)))
        # The bot sees what the webhook posted blank: of that no marker is to be expected.
        if marked:
            return Answer(Absent())
        return _blind_reader(reader.witness(channel, replace(wanted, known=None)))

    def _channel(self, address: str) -> str | Answer[ScanVerdict]:
        """The channel that the webhook posts into; a thread's id is a channel of its own.

        Raises:
            TransportError: the call got no complete answer.
        """
        if thread := _thread(address):
            return thread["thread_id"]
        if address not in self._channels:
            reply = self._api.call("GET", _path(address))
            channel = reply.field("channel_id")
            if reply.status != 200 or not isinstance(channel, str):
                return discord_api.scan_failed(reply)
            self._channels[address] = channel
        return self._channels[address]

    def link(self, address: str, remote_id: str) -> str | None:
        try:
            reply = self._api.call("GET", _path(address))
        except TransportError:
            return None
        guild, channel = reply.field("guild_id"), reply.field("channel_id")
        if not (isinstance(guild, str) and isinstance(channel, str)):
            return None
        return f"https://discord.com/channels/{guild}/{channel}/{remote_id}"


def _blind_reader(answer: Answer[ScanVerdict]) -> Answer[ScanVerdict]:
    """A reader that is refused blinds us; the webhook itself is not blocked by that."""
    if isinstance(answer.verdict, Blocked):
        return replace(answer, verdict=Blind(f"the reading bot: {answer.verdict.reason}"))
    return answer


def _parts(address: str) -> tuple[str, str]:
    found = _PATH.search(urlsplit(address).path)
    assert found is not None, "an unusable address is never called"
    return found[1], found[2]


def _path(address: str) -> str:
    webhook_id, token = _parts(address)
    return f"/webhooks/{webhook_id}/{token}"


def _message(address: str, remote_id: str) -> str:
    return f"{_path(address)}/messages/{quote(remote_id, safe='')}"


def _thread(address: str) -> dict[str, str]:
    threads = parse_qs(urlsplit(address).query).get("thread_id", [])
    return {"thread_id": threads[0]} if threads else {}
