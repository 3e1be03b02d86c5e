"""Discord through a bot's token: a nonce against doubles, and a history that can be read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from lol_dagster.delivery.states import (
    Absent,
    Blind,
    Found,
    GetVerdict,
    NotSeen,
    PostVerdict,
    ScanVerdict,
    Timing,
)
from lol_dagster.delivery.transports import discord_api
from lol_dagster.delivery.transports.base import (
    Answer,
    Caller,
    Capabilities,
    Outgoing,
    Reply,
    Transport,
    Wanted,
    fingerprint,
    looks,
    sends,
)
from lol_dagster.http import DeadlineSession, TransportError
from lol_dagster.messages import render_discord
from lol_dagster.messages.content import MessageContent

PAGE = 100
MOST_PAGES = 50


class DiscordBot(Transport):
    """Create Message with `nonce` and `enforce_nonce`, Get Channel Messages, Edit Message."""

    kind: ClassVar[str] = "discord-bot"
    token_scope: ClassVar[str | None] = "discord-token"  # noqa: S105 - a name

    def __init__(
        self, session: DeadlineSession, url: str, token: str | None, timing: Timing
    ) -> None:
        """
        Args:
            url: As in `https://discord.com/api/v10`.
            token: The bot's; None: every channel waits until there is one.
        """
        self._api = Caller(session, url, timing)
        self._token = token
        self._me: str | None = None
        self._guilds: dict[str, str] = {}

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            identity="nonce",
            read_back=True,
            edit=True,
            settle=5.0,
            promise="Told exactly once: an unanswered send is looked up in the channel before it "
            "is repeated, and Discord drops a repetition by its nonce. What cannot be settled within "
            "a day waits for your decision.",
            promise_if_blind="The bot cannot read this channel's history, so less is promised: "
            "never told twice, but a send that goes unanswered for a minute waits for your decision "
            "(with --uncertain resend: never lost, but maybe told twice).",
        )

    @property
    def token_fingerprint(self) -> str | None:
        return fingerprint(self._token or "")

    def unusable(self, address: str) -> str | None:
        if self._token is None:
            return "LOL_DISCORD_BOT_TOKEN is not set"
        return None

    def render(self, content: MessageContent, marker: str) -> dict[str, Any]:
        return render_discord.render(content, marker)

    def after_id(self, created_at: datetime) -> str | None:
        return discord_api.after_id(created_at)

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        body = {**message.body, "nonce": message.nonce, "enforce_nonce": True}
        reply = self.call("POST", _messages(address), json=body)
        return discord_api.sent(reply, message.message_id, message.rev)

    @sends
    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        reply = self.call("PATCH", _message(address, remote_id), json=message.body)
        return discord_api.sent(reply, message.message_id, message.rev)

    @looks
    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        reply = self.call("GET", _message(address, remote_id))
        return discord_api.read(reply, message_id)

    @sends
    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        reply = self.call("DELETE", _message(address, remote_id))
        return discord_api.deleted(reply)

    @looks
    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        if self._me is None:
            reply = self.call("GET", "/users/@me")
            me = reply.field("id")
            if reply.status != 200 or not isinstance(me, str):
                return discord_api.scan_failed(reply)
            self._me = me
        listed = self.list_after(address, wanted.after_id or "0")
        if isinstance(listed, Answer):
            return listed
        ours = [each for each in listed if _author(each) == self._me]
        marked = [(each["id"], render_discord.read_marker(each)) for each in ours]
        copies = sorted(
            (int(remote_id), remote_id, marker[1])
            for remote_id, marker in marked
            if marker is not None and marker[0] == wanted.message_id
        )
        if copies:
            _, remote_id, rev = copies[0]
            return Answer(Found(remote_id, rev, tuple(each[1] for each in copies[1:])))
        if any(marker is not None for _, marker in marked):
            return Answer(Absent())
        return self.witness(address, wanted)

    def list_after(self, address: str, after_id: str) -> list[dict[str, Any]] | Answer[ScanVerdict]:
        """Every message of the channel above the id `after_id`, or why it could not be had.

        Raises:
            TransportError: a call got no complete answer.
        """
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            reply = self.call("GET", _messages(address), params={"after": after_id, "limit": PAGE})
            page = discord_api.messages_in(reply)
            if page is None:
                return discord_api.scan_failed(reply)
            found += page
            if len(page) < PAGE:
                return found
            after_id = max((each["id"] for each in page), key=int)
        return Answer(NotSeen(f"more than {MOST_PAGES * PAGE} messages since it was created"))

    def witness(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        """Whether a history that shows nothing of ours may be believed.

        Without the permission to read it Discord answers 200 and an empty list. A single message
        by its id is refused then, and otherwise there, or told to be unknown. If it is one of ours
        and comes back without its marker, a look into the history would never find anything.

        Raises:
            TransportError: the call got no complete answer.
        """
        reply = self.call("GET", _message(address, wanted.known or wanted.after_id or "0"))
        if reply.status == 200 and render_discord.read_marker(reply.data) is None:
            return discord_api.answer_to(
                reply, Blind("a message of ours came back without the marker it was posted with")
            )
        if reply.status == 200 or reply.field("code") == discord_api.UNKNOWN_MESSAGE:
            return discord_api.answer_to(reply, Absent())
        if reply.status == 403:
            return discord_api.answer_to(
                reply, Blind("the bot lacks the permission to read the channel's history")
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

    def call(self, method: str, path: str, **what: Any) -> Reply:
        """One call in the bot's name.

        Raises:
            TransportError: no complete answer.
        """
        return self._api.call(method, path, headers={"Authorization": f"Bot {self._token}"}, **what)


def _messages(address: str) -> str:
    return f"/channels/{quote(address, safe='')}/messages"


def _message(address: str, remote_id: str) -> str:
    return f"{_messages(address)}/{quote(remote_id, safe='')}"


def _author(message: dict[str, Any]) -> object:
    author = message.get("author")
    return author.get("id") if isinstance(author, dict) else None
