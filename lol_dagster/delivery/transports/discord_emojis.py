"""The emojis of the bot's application: up to 2,000, of 256 KiB each, which the application alone can use, in any
server.

https://docs.discord.com/developers/resources/emoji#application-owned-emoji
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from lol_dagster.delivery.model import Blocked, NotSent, Refused
from lol_dagster.delivery.transports import discord_api
from lol_dagster.delivery.transports.base import Reply, seconds
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.errors import UserError
from lol_dagster.http_terms import TransportError

LONGEST_WAIT = 300.0
"""Seconds that are waited where Discord asks us to. How many emojis it takes in a time it does not say, and its headers
"may be inaccurate"."""
_TRIES = 10
_FULL = 30008
""""Maximum number of emojis reached"."""


class EmojiError(UserError):
    """Discord does not answer, or takes no emoji now."""


class EmojiRefusedError(EmojiError):
    """Discord does not take this emoji."""


class Emojis:
    """Lists and adds emojis, each call once it may be made."""

    def __init__(
        self, bot: DiscordBot, *, turn: Callable[[], None], sleep: Callable[[float], None]
    ) -> None:
        """
        Args:
            turn: Waits until the bot may make another call.
        """
        self._bot = bot
        self._turn = turn
        self._sleep = sleep
        self._application: str | None = None
        self._pause = 0.0
        """Seconds to wait before the next call, if there is one."""

    @property
    def icon_set(self) -> str:
        """As `Transport.icon_set`, of the bot."""
        return self._bot.icon_set

    def listed(self) -> dict[str, str]:
        """The ids of those that are there, by name.

        Raises:
            EmojiError: they cannot be listed.
        """
        items = self._call("GET", self._path()).field("items")
        try:
            return {each["name"]: each["id"] for each in items}
        except (KeyError, TypeError) as error:
            raise EmojiError(f"Discord's list of emojis is not understood: {error!r}") from None

    def add(self, name: str, png: bytes) -> str:
        """Upload one; its id.

        Raises:
            EmojiRefusedError: this one is not taken.
            EmojiError: none can be added now.
        """
        image = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        added = self._call("POST", self._path(), json={"name": name, "image": image})
        return str(added.field("id"))

    def _path(self) -> str:
        if self._application is None:
            self._application = str(self._call("GET", "/applications/@me").field("id"))
        return f"/applications/{self._application}/emojis"

    def _call(self, method: str, path: str, **what: Any) -> Reply:
        for _ in range(_TRIES):
            self._wait()
            self._turn()
            try:
                reply = self._bot.call(method, path, **what)
            except TransportError as error:
                raise EmojiError(f"Discord does not answer: {error}") from None
            if reply.headers.get("X-RateLimit-Remaining") == "0":
                self._pause = seconds(reply.headers.get("X-RateLimit-Reset-After")) or 0.0
            if reply.status in {200, 201} and isinstance(reply.data, dict):
                return reply
            match discord_api.refusal(reply):
                case NotSent(_, wait) if wait is not None:
                    self._pause = wait
                case Refused(reason):
                    raise EmojiRefusedError(reason)
                case Blocked(reason) if reply.status == 400 and reply.field("code") != _FULL:
                    # About this picture, by one of several codes or, if it is too large, "not a JSON status code".
                    raise EmojiRefusedError(reason)
                case other:
                    raise EmojiError(getattr(other, "reason", "Discord takes no emoji"))
        raise EmojiError(f"Discord has asked to wait {_TRIES} times: run it again later")

    def _wait(self) -> None:
        if self._pause > LONGEST_WAIT:
            raise EmojiError(
                f"Discord asks to wait for {self._pause / 60:.0f} minutes: run it again then, and it goes on"
            )
        self._sleep(self._pause)
        self._pause = 0.0
