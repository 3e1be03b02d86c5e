"""Discord through a bot's token: it drops a second copy by its nonce, and its history can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    PostVerdict,
    Refused,
    ScanVerdict,
    UnreadableHistory,
)
from lol_dagster.delivery.transports import discord_api
from lol_dagster.delivery.transports.base import (
    UNREADABLE_PROMISE,
    AddressError,
    Answer,
    Capabilities,
    Outgoing,
    Place,
    PlacesError,
    Reply,
    Search,
    Wanted,
    reads,
    sends,
    short,
)
from lol_dagster.delivery.transports.discord_format import read_marker
from lol_dagster.http_terms import TransportError
from lol_dagster.messages.identity import nonce_in
from lol_dagster.settings import Settings

PAGE = 100
_MOST_GUILDS = 20
_TEXT = (0, 5)
"""Types of channels: text and announcements."""
_ADMINISTRATOR, _VIEW_AND_SEND = 1 << 3, 1 << 10 | 1 << 11
_NO_MESSAGE = "100000000000000000"
"""An id as any other, of none of ours."""
SNOWFLAKE = re.compile(r"\d{17,20}", re.ASCII)

_LINK = re.compile(
    r"https?://(?:(?:ptb|canary)\.)?discord(?:app)?\.com/channels/\d+/(\d{17,20})(?:/\d+)?/?",
    re.ASCII,
)
"""What "Copy Link" gives of a channel, or of a message in it."""


class DiscordBot(discord_api.DiscordTransport):
    """Create Message with `nonce` and `enforce_nonce`, Get Channel Messages, Edit Message."""

    kind: ClassVar[str] = "discord-bot"
    label: ClassVar[str] = "Discord, as a bot"
    token_setting: ClassVar[str | None] = "discord_bot_token"  # noqa: S105 - a name
    token_scope: ClassVar[str | None] = "discord-token"  # noqa: S105 - a name

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__(settings, deadline=deadline)
        self._me: str | None = None
        self._guilds: dict[str, str] = {}

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            identity="nonce",
            read_back=True,
            settle=5.0,
            promise="Delivered exactly once: an unanswered send is looked up in the channel before "
            "it is repeated, and Discord drops a second copy by its nonce. What fails for a day while "
            "others pass waits for your decision.",
            promise_if_unreadable=UNREADABLE_PROMISE.replace(
                "unanswered", "unanswered for a minute"
            ),
        )

    @property
    def icon_set(self) -> str:
        """The emojis of its application, which this bot alone can use.

        https://docs.discord.com/developers/resources/emoji#application-owned-emoji
        """
        return f"emojis:{self.token_fingerprint}"

    def pasted_address(self, text: str) -> str:
        link = _LINK.fullmatch(text)
        return link[1] if link else text

    def places(self) -> list[Place] | None:
        """Text and announcement channels that the bot sees and may write into, of 20 servers at most.

        By Discord's rules of permissions (docs/topics/permissions): a server's, then what the channel
        says of everybody, of the bot's roles together, of the bot.
        """
        if self._token is None:
            return None
        try:
            return sorted(self._places(), key=lambda each: each.name.casefold())
        except (KeyError, TypeError, ValueError) as error:
            raise PlacesError(f"Discord's list of channels is not understood: {error!r}") from None

    def _places(self) -> Iterator[Place]:
        me = self._listed("/users/@me")["id"]
        for guild in self._listed("/users/@me/guilds", limit=_MOST_GUILDS, of=list):
            guild_id = quote(guild["id"], safe="")
            member = self._listed(f"/guilds/{guild_id}/members/{me}")
            groups = ({guild["id"]}, set(member["roles"]), {me})
            permissions = int(guild["permissions"])
            for channel in self._listed(f"/guilds/{guild_id}/channels", of=list):
                if channel["type"] in _TEXT and _may_post(permissions, channel, groups):
                    yield Place(channel["id"], f"{guild['name']} · #{channel['name']}")

    def _listed(self, path: str, *, of: type = dict, **params: int) -> Any:
        try:
            reply = self.call("GET", path, params=params or None)
        except TransportError as error:
            raise PlacesError(f"Discord does not list its channels: {error}") from None
        if reply.status != 200 or not isinstance(reply.data, of):
            raise PlacesError(f"Discord does not list its channels: it answers {reply.status}")
        return reply.data

    def check_address(self, address: str) -> None:
        if not SNOWFLAKE.fullmatch(address):
            raise AddressError(
                "the address should be the id of a Discord channel, 17 to 20 digits, or the link to "
                "it: in Discord, right-click the channel and copy its link"
            )

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        nonce = nonce_in(address, message.nonce)
        body = {**discord_api.new_message(message), "nonce": nonce, "enforce_nonce": True}
        reply = self.call("POST", _messages(address), json=body)
        answered = discord_api.sent(reply, message)
        elsewhere = reply.field("channel_id")
        if isinstance(answered.verdict, Accepted) and elsewhere not in {address, None}:
            # Discord compares nonces by author: another installation has used this one there.
            reason = f"its nonce was used in the channel {short(elsewhere)}, and nothing was posted"
            return replace(answered, verdict=Refused(reason))
        return answered

    @reads
    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        if self._me is None:
            reply = self.call("GET", "/users/@me")
            me = reply.field("id")
            if reply.status != 200 or not isinstance(me, str):
                return discord_api.scan_failed(reply)
            self._me = me
        search = Search.of(wanted.position)
        reply = self.page(address, search, wanted)
        page = discord_api.messages_in(reply)
        if page is None:
            return discord_api.scan_failed(reply)
        for each in page:
            if _author(each) == self._me:
                alike = discord_api.is_alike(each, wanted.body)
                search = search.saw(each["id"], read_marker(each), wanted, alike=alike)
        if len(page) == PAGE:
            return discord_api.read_on(reply, search.more(page[-1]["id"]))
        if found := search.found():
            return discord_api.answer_to(reply, found)
        # Before an empty page the permission may have gone.
        if page and search.marked:
            return discord_api.answer_to(reply, Absent(unmarked=search.unmarked))
        return self.check_visibility(address, wanted, Absent(unmarked=search.unmarked))

    def page(self, address: str, search: Search, wanted: Wanted) -> Reply:
        """A page of the channel's history, from the oldest messages to the newest.

        Raises:
            TransportError: no complete answer.
        """
        after = search.page or wanted.after_id or "0"
        return self.call("GET", _messages(address), params={"after": after, "limit": PAGE})

    def check_visibility(self, address: str, wanted: Wanted, absent: Absent) -> Answer[ScanVerdict]:
        """Whether a history that shows nothing of ours may be believed.

        Without the permission to read it Discord answers 200 and an empty list. A single message
        by its id is refused then; otherwise it is there, or said to be unknown. If it is one of ours
        and comes back without its marker, reading the history would never find anything.

        Raises:
            TransportError: the call got no complete answer.
        """
        remote_id = wanted.known or wanted.after_id or _NO_MESSAGE
        reply = self._call_message("GET", address, remote_id)
        # Without any embed it has been suppressed, and shows nothing about markers.
        if reply.status == 200 and reply.field("embeds") and read_marker(reply.data) is None:
            return discord_api.answer_to(
                reply,
                UnreadableHistory(
                    "a message of ours came back without the marker it was posted with"
                ),
            )
        if reply.status == 200 or reply.field("code") == discord_api.UNKNOWN_MESSAGE:
            return discord_api.answer_to(reply, absent)
        if reply.status == 403:
            return discord_api.answer_to(
                reply,
                UnreadableHistory("the bot lacks the permission to read the channel's history"),
            )
        return discord_api.scan_failed(reply)

    def link(self, address: str, remote_id: str) -> str | None:
        guild = self._guilds.get(address)
        if guild is None:
            try:
                reply = self.call("GET", f"/channels/{quote(address, safe='')}")
            except TransportError:
                return None
            if reply.status != 200:
                return None
            guild = self._guilds[address] = str(reply.field("guild_id") or "@me")
        return f"https://discord.com/channels/{guild}/{address}/{remote_id}"

    def _call_message(self, method: str, address: str, remote_id: str, **what: Any) -> Reply:
        return self.call(method, f"{_messages(address)}/{quote(remote_id, safe='')}", **what)

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **what: Any
    ) -> Reply:
        """One call in the bot's name.

        Raises:
            TransportError: no complete answer.
        """
        ours = {"Authorization": f"Bot {self._token}", **(headers or {})}
        return self._api.call(method, path, headers=ours, **what)


def _may_post(permissions: int, channel: dict[str, Any], groups: Iterable[set[Any]]) -> bool:
    """
    Args:
        permissions: The bot's in the server.
        groups: Ids whose overwrites in the channel count together, in this order.
    """
    if permissions & _ADMINISTRATOR:
        return True
    overwrites = channel.get("permission_overwrites") or []
    for ids in groups:
        ours = [each for each in overwrites if each["id"] in ids]
        for each in ours:
            permissions &= ~int(each["deny"])
        for each in ours:
            permissions |= int(each["allow"])
    return permissions & _VIEW_AND_SEND == _VIEW_AND_SEND


def _messages(address: str) -> str:
    return f"/channels/{quote(address, safe='')}/messages"


def _author(message: dict[str, Any]) -> object:
    author = message.get("author")
    return author.get("id") if isinstance(author, dict) else None
