"""Discord through a webhook's URL: no nonce and no history of its own.

With a bot token beside it unanswered sends can be settled: the bot lists the channel, and what the
webhook posted, which comes back blank to the bot (discord-api-docs#5411), is read by the webhook.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from lol_dagster.delivery.model import (
    Absent,
    Blocked,
    PostVerdict,
    ScanVerdict,
    UnreadableHistory,
)
from lol_dagster.delivery.transports import discord_api
from lol_dagster.delivery.transports.base import (
    WRITE_ONLY_PROMISE,
    AddressError,
    Answer,
    Capabilities,
    Hold,
    Outgoing,
    Reply,
    Search,
    Step,
    Wanted,
    check_webhook_host,
    reads,
    sends,
    webhook_parts,
    without_secret,
)
from lol_dagster.delivery.transports.discord_bot import PAGE, SNOWFLAKE, DiscordBot
from lol_dagster.delivery.transports.discord_format import read_marker
from lol_dagster.http_terms import TransportError
from lol_dagster.settings import Settings

_FORM = re.compile(r"(?:/[\w.-]+)*/webhooks/\d{17,20}/[\w-]{1,120}/?", re.ASCII)
_PATH = re.compile(r"/webhooks/(\d+)/([\w-]+)/?$")
_HOST = "discord.com"
_OTHER_HOSTS = {
    each for name in (_HOST, "discordapp.com") for each in (name, f"ptb.{name}", f"canary.{name}")
} - {_HOST}
"""The same Discord under its older name, and as its test versions call it."""
_READS = 2
"""Of single messages while a page of the history is searched: with the page, the webhook itself and a
visibility check they end before a claim grows old."""
_PACE = Hold(2.0)
"""30 a minute and channel: a limit that the headers do not show (discord-api-docs#1454)."""
_REFUSED = (
    "Discord refuses the webhook: make a new one (channel settings, Integrations, Webhooks) and give "
    "the channel its URL"
)


class DiscordWebhook(discord_api.DiscordTransport):
    """Execute Webhook with `wait=true`, Edit Webhook Message.

    Of an address only id and token are used: nothing is ever sent to another host.
    """

    kind: ClassVar[str] = "discord-webhook"
    label: ClassVar[str] = "Discord, by a webhook"

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__(settings, deadline=deadline)
        self._url = settings.discord_url
        has_bot = settings.discord_bot_token is not None
        self._reader = DiscordBot(settings, deadline=deadline) if has_bot else None
        self._channels: dict[str, str] = {}
        self._places: dict[str, tuple[str, str]] = {}
        """By address: the server and the channel, as links have them."""

    @property
    def capabilities(self) -> Capabilities:
        if self._reader is not None:
            return Capabilities(
                identity="marker",
                read_back=True,
                settle=30.0,
                promise="Delivered exactly once as long as the bot can read the channel: an "
                "unanswered send is looked up there before it is repeated.",
            )
        return Capabilities(
            identity=None,
            read_back=False,
            settle=30.0,
            promise=f"{WRITE_ONLY_PROMISE} A bot token in LOL_DISCORD_BOT_TOKEN removes the doubt.",
        )

    def pasted_address(self, text: str) -> str:
        parts = webhook_parts(text)
        if parts is None or parts.netloc.lower() not in _OTHER_HOSTS:
            return text
        return parts._replace(netloc=_HOST).geturl()

    def check_address(self, address: str) -> None:
        parts, ours = webhook_parts(address), urlsplit(self._url)
        extra = parse_qs(parts.query, keep_blank_values=True) if parts else {}
        if (
            parts is None
            or not _FORM.fullmatch(parts.path)
            or extra.keys() - {"thread_id"}
            or not all(SNOWFLAKE.fullmatch(each) for each in extra.get("thread_id", []))
        ):
            raise AddressError(
                "the address should be a Discord webhook's URL, "
                f"{ours.scheme}://{ours.netloc}/api/webhooks/ID/TOKEN: copy it in the channel's "
                "settings under integrations"
            )
        check_webhook_host(parts, self._url, "LOL_DISCORD_URL")

    def shown_address(self, address: str) -> str:
        return without_secret(address)

    def unusable(self, address: str) -> str | None:
        if _PATH.search(urlsplit(address).path) is None:
            return "the address is not a Discord webhook's URL (https://…/webhooks/ID/TOKEN)"
        return None

    def remedy(self, step: Step, code: str | None, status: int | None) -> str | None:
        known = super().remedy(step, code, status)
        by_permission = status == 403 and code not in discord_api.REMEDIES
        return _REFUSED if by_permission and step in {"post", "edit", "delete"} else known

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        params = {"wait": "true", **_thread(address)}
        reply = self._api.call(
            "POST", _path(address), json=discord_api.new_message(message), params=params
        )
        answer = discord_api.sent(reply, message)
        return replace(answer, holds=(*answer.holds, _PACE))

    def _call_message(self, method: str, address: str, remote_id: str, **what: Any) -> Reply:
        path = f"{_path(address)}/messages/{quote(remote_id, safe='')}"
        return self._api.call(method, path, params=_thread(address), **what)

    @reads
    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        assert self._reader is not None, "only a channel with read_back is scanned"
        return self._scan(self._reader, address, wanted)

    def _scan(self, reader: DiscordBot, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        channel = self._channel(address)
        if isinstance(channel, Answer):
            return channel
        search = Search.of(wanted.position)
        listed = reader.page(channel, search, wanted)
        page = discord_api.messages_in(listed)
        if page is None:
            return _unreadable(discord_api.scan_failed(listed))
        ours = self._ours(address, page)
        if isinstance(ours, Answer):
            return ours
        shown, next_page = ours
        for each in shown:
            alike = discord_api.is_alike(each, wanted.body)
            search = search.saw(each["id"], read_marker(each), wanted, alike=alike)
        if next_page is not None:
            return discord_api.read_on(listed, search.more(next_page))
        if found := search.found():
            return discord_api.answer_to(listed, found)
        absent = Absent(unmarked=search.unmarked)
        # The bot sees what the webhook posted blank: of that no marker is to be expected.
        if page and search.marked:
            return discord_api.answer_to(listed, absent)
        return _unreadable(reader.check_visibility(channel, replace(wanted, known=None), absent))

    def _ours(
        self, address: str, page: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], str | None] | Answer[ScanVerdict]:
        """What the webhook has posted of a page, as it reads it itself; and where the next page begins,
        as no more of them may be read in one scan, or None at the history's end.

        Raises:
            TransportError: a call got no complete answer.
        """
        webhook_id, _ = _parts(address)
        shown: list[dict[str, Any]] = []
        reads, next_page = 0, None
        for each in page:
            if each.get("webhook_id") == webhook_id and read_marker(each) is not None:
                shown.append(each)
            elif each.get("webhook_id") == webhook_id:
                if reads == _READS:
                    return shown, next_page
                reads += 1
                reply = self._call_message("GET", address, each["id"])
                if reply.status == 200 and reply.field("id") == each["id"]:
                    shown.append(reply.data)
                elif reply.field("code") != discord_api.UNKNOWN_MESSAGE:  # deleted just now
                    return discord_api.scan_failed(reply)
            next_page = each["id"]
        return shown, next_page if len(page) == PAGE else None

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
        if address not in self._places:
            try:
                reply = self._api.call("GET", _path(address))
            except TransportError:
                return None
            guild, channel = reply.field("guild_id"), reply.field("channel_id")
            if not (isinstance(guild, str) and isinstance(channel, str)):
                return None
            self._places[address] = guild, channel
        guild, channel = self._places[address]
        return f"https://discord.com/channels/{guild}/{channel}/{remote_id}"


def _unreadable(answer: Answer[ScanVerdict]) -> Answer[ScanVerdict]:
    """A reader that is refused leaves the history unreadable; the webhook is not blocked by that."""
    if isinstance(answer.verdict, Blocked):
        return replace(
            answer, verdict=UnreadableHistory(f"the reading bot: {answer.verdict.reason}")
        )
    return answer


def _parts(address: str) -> tuple[str, str]:
    found = _PATH.search(urlsplit(address).path)
    assert found is not None, "an unusable address is never called"
    return found[1], found[2]


def _path(address: str) -> str:
    webhook_id, token = _parts(address)
    return f"/webhooks/{webhook_id}/{token}"


def _thread(address: str) -> dict[str, str]:
    threads = parse_qs(urlsplit(address).query).get("thread_id", [])
    return {"thread_id": threads[0]} if threads else {}
