"""What a bot and a webhook of Discord have in common: what its answers mean, and what to do then.

Sources: docs.discord.com/developers (resources/message, resources/webhook, topics/rate-limits,
topics/opcodes-and-status-codes); discord-api-docs#6647 for the nonce.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from markupsafe import Markup

from lol_dagster.delivery.model import (
    Accepted,
    Blocked,
    Deleted,
    GetVerdict,
    More,
    NotSent,
    PostVerdict,
    Refused,
    ScanVerdict,
    Seen,
    Uncertain,
    Unmarked,
)
from lol_dagster.delivery.transports import discord_format
from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    Answer,
    Caller,
    Hold,
    Outgoing,
    RemoteIdForm,
    Reply,
    ShownIcons,
    Step,
    Transport,
    V,
    asked_to_wait,
    reads,
    seconds,
    sends,
    short,
    unread,
)
from lol_dagster.delivery.transports.discord_format import read_marker
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings

USER_AGENT = "DiscordBot (lol_dagster, 0.1)"
"""The form that Discord requires; Cloudflare may block others (code 40333)."""

PAYLOAD_REFUSED = {40005, 50006, 50035, 50045, 50109, 200000, 200001, 240000}
"""Too large, empty, malformed, not JSON, or against the server's rules for texts."""
DESTINATION_BLOCKED = {
    *(50001, 50008, 50013, 40058, 50083, 160005, 10003, 10004, 220001, 220002, 220003)
}
"""A permission is missing, or the channel is none to post in, is archived or gone."""
WEBHOOK_DEAD = {10015, 50027}
"""Not to be called again: Discord restricts who does."""
TOKEN_DEAD = {40001, 50014}
LATER = {20028, 20029, 40004, 40006, 40062, 130000}
UNKNOWN_MESSAGE = 10008
EDITED_TOO_OFTEN = 30046
"""Edits of messages older than an hour are capped."""
NOT_EDITABLE = {50005, 50083}
"""Another author's message, or one in an archived thread, which a new one would open again."""

REMEDIES: dict[str, str] = {
    "10003": "there is no such channel, or the bot is not in its server: check the channel's id "
    "(Developer Mode, Copy Channel ID) and invite the bot to the server",
    "10004": "the bot is not in this server: invite it",
    "10015": "the webhook was deleted: make a new one (channel settings, Integrations, Webhooks) "
    "and give the channel its URL",
    "50027": "the webhook's token is wrong: copy its URL again (channel settings, Integrations)",
    "40001": "the bot's token is refused: put its current one into LOL_DISCORD_BOT_TOKEN",
    "50014": "the bot's token is refused: put its current one into LOL_DISCORD_BOT_TOKEN",
    "50008": "this is no text channel: give the id of one",
    "160005": "the thread is locked: unlock it, or choose another channel",
    "50083": "the thread is archived: open it again, or choose another channel",
}
_PERMISSIONS: dict[Step, str] = {
    "post": "View Channel, Send Messages and Embed Links (in a thread: Send Messages in Threads)",
    "find": "Read Message History (and View Channel)",
    "read": "Read Message History (and View Channel)",
    "edit": "View Channel",
    "picture": "Attach Files (and View Channel)",
    "delete": "View Channel",
}

_CLOUDFLARE_BAN = 600.0
_EDIT_LATER = 3600.0
_SILENT = 1 << 12
"""SUPPRESS_NOTIFICATIONS (resources/message#message-object-message-flags): Create Message and Execute Webhook take
it."""
_EPOCH_MS = 1_420_070_400_000
_CLOCKS_DIFFER = timedelta(minutes=10)
"""So much may the clock that gave an instant be ahead of Discord's."""
_IDS_OVERLAP_MS = 60_000
"""Within so long ids need not be in the order in which the messages were posted."""


_NEVER_OURS = ("content", "sticker_items", "components", "poll")

SNOWFLAKE = RemoteIdForm(r"\d{15,20}", "a number such as 1122334455667788990")


class DiscordTransport(Transport):
    """A kind of channel on Discord."""

    service: ClassVar[str] = "Discord"
    # "All bots can make up to 50 requests per second to our API"; without a token it is counted by our address
    # (discord-api-docs, topics/rate-limits).
    calls_per_second: ClassVar[int | None] = 50
    remote_ids: ClassVar[RemoteIdForm | None] = SNOWFLAKE
    can_be_silent: ClassVar[bool] = True
    takes_pictures: ClassVar[bool] = True

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__(settings, deadline=deadline)
        self._api = Caller(USER_AGENT, settings.discord_url, deadline)

    @abstractmethod
    def _call_message(self, method: str, address: str, remote_id: str, **what: Any) -> Reply:
        """A call about one posted message.

        Args:
            what: As `Caller.call`.
        """

    def render(
        self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS
    ) -> dict[str, Any]:
        return discord_format.render(content, marker, icons)

    def preview(self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> Markup:
        return discord_format.preview(content, marker, icons)

    def after_id(self, known: str | None, at: datetime | None) -> str | None:
        starts = []
        if known is not None and SNOWFLAKE.matches(known):
            starts.append(max(0, int(known) - (_IDS_OVERLAP_MS << 22)))
        if at is not None:
            starts.append(int(snowflake(at - _CLOCKS_DIFFER)))
        return str(max(starts)) if starts else None

    def remedy(self, step: Step, code: str | None, status: int | None) -> str | None:
        if code in REMEDIES:
            return REMEDIES[code]
        if status == 401:
            return REMEDIES["40001"]
        if status == 403:
            return f"the bot needs in this channel: {_PERMISSIONS[step]}"
        return None

    @sends
    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        what = discord_format.edit_request(message.body, message.picture)
        reply = self._call_message("PATCH", address, remote_id, **what)
        if reply.field("code") in NOT_EDITABLE:
            return answer_to(reply, Refused(_said(reply)))
        return sent(reply, message)

    @reads
    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        return read(self._call_message("GET", address, remote_id), message_id)

    @sends
    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        reply = self._call_message("DELETE", address, remote_id)
        if reply.status == 204:
            return answer_to(reply, Deleted("deleted"))
        return answer_to(reply, refusal(reply), *_holds(reply))


def snowflake(at: datetime) -> str:
    """The smallest id that Discord gives to anything at this time."""
    return str(max(0, int(at.timestamp() * 1000) - _EPOCH_MS) << 22)


def answer_to(reply: Reply, verdict: V, *holds: Hold) -> Answer[V]:
    code = reply.field("code")
    return Answer(
        verdict,
        http_status=reply.status,
        code=str(code) if isinstance(code, int) else None,
        request_id=short(reply.headers.get("CF-RAY", "")) or None,
        elapsed_s=reply.elapsed_s,
        holds=holds,
    )


def new_message(message: Outgoing) -> dict[str, Any]:
    """The body of a POST. A message that makes no sound still counts as unread; that is no part of an edit."""
    return {**message.body, "flags": _SILENT} if message.silent else message.body


def sent(reply: Reply, message: Outgoing) -> Answer[PostVerdict]:
    """The verdict on a POST or PATCH."""
    return answer_to(reply, _standing(reply, message) or refusal(reply), *_holds(reply))


def _standing(reply: Reply, message: Outgoing) -> Accepted | None:
    """What stands in the channel according to the answer.

    With a nonce that was used before that is the message of the first POST, in its revision.
    """
    remote_id = reply.field("id")
    if reply.status != 200 or not isinstance(remote_id, str):
        return None
    message_id, rev = read_marker(reply.data) or (message.message_id, message.rev)
    return Accepted(remote_id, rev) if message_id == message.message_id else None


def refusal(reply: Reply) -> PostVerdict:
    """The verdict on a complete answer that is no success: a known refusal, or uncertain.

    An unknown refusal (4xx) blocks: nothing was done, but why is for the operator to find out.
    """
    code = reply.field("code")
    said = _said(reply)
    if code in PAYLOAD_REFUSED:
        return Refused(said)
    if code == UNKNOWN_MESSAGE:
        return Deleted(said)
    if reply.status == 429 or code in LATER or code == EDITED_TOO_OFTEN:
        return NotSent(said, retry_after=_retry_after(reply))
    if code in WEBHOOK_DEAD:
        return Blocked(said, dead=True)
    if code in DESTINATION_BLOCKED:
        return Blocked(said)
    if code in TOKEN_DEAD or reply.status == 401:
        return Blocked(said, scope="token")
    if 400 <= reply.status < 500 and reply.status != 408:
        return Blocked(said, unknown=True)
    return Uncertain(said)


def scan_failed(reply: Reply) -> Answer[ScanVerdict]:
    """The verdict on an answer to a listing that is no list."""
    return answer_to(reply, unread(refusal(reply)), *_holds(reply))


def read(reply: Reply, message_id: str) -> Answer[GetVerdict]:
    """The verdict on reading one message by its id."""
    if reply.status == 200 and reply.field("id"):
        found = read_marker(reply.data)
        if found is not None and found[0] == message_id:
            return answer_to(reply, Seen(found[1]))
        return answer_to(reply, Unmarked())
    if reply.field("code") == UNKNOWN_MESSAGE:
        return answer_to(reply, Deleted(_said(reply)))
    return answer_to(reply, unread(refusal(reply)), *_limits(reply))


def _said(reply: Reply) -> str:
    code, message = reply.field("code"), reply.field("message")
    if isinstance(code, int) and code:
        return short(f"Discord {reply.status}, code {code}: {message}")
    return short(f"Discord {reply.status}" + (f": {message}" if isinstance(message, str) else ""))


def _retry_after(reply: Reply) -> float:
    """Seconds that are to be waited."""
    in_body = reply.field("retry_after")
    said = reply.headers.get("Retry-After") if in_body is None else in_body
    if seconds(said) is None and _banned(reply):
        return _CLOUDFLARE_BAN
    if seconds(said) is None and reply.field("code") == EDITED_TOO_OFTEN:
        return _EDIT_LATER
    return asked_to_wait(said)


def _banned(reply: Reply) -> bool:
    """Cloudflare's own 429, which has neither Discord's JSON nor the Via of its proxies: our whole
    address is locked out (discord.py tells it by these, too).
    """
    return (
        reply.status == 429
        and not isinstance(reply.data, dict)
        and reply.headers.get("Via") is None
    )


def _limits(reply: Reply) -> tuple[Hold, ...]:
    """How long a rate limit that was met forbids to call."""
    if reply.status != 429 and reply.field("code") != EDITED_TOO_OFTEN:
        return ()
    if _banned(reply):
        return (Hold(_retry_after(reply), "service"),)
    everywhere = reply.field("global") is True
    return (Hold(_retry_after(reply), "token" if everywhere else "channel"),)


def _holds(reply: Reply) -> tuple[Hold, ...]:
    """How long the rate limits forbid to send, those included that are used up now."""
    if reply.status != 429 and reply.headers.get("X-RateLimit-Remaining") == "0":
        wait = seconds(reply.headers.get("X-RateLimit-Reset-After"))
        return () if wait is None else (Hold(wait),)
    return _limits(reply)


def messages_in(reply: Reply) -> list[dict[str, Any]] | None:
    """The messages of a listing, oldest first; None if the answer is no listing."""
    if reply.status != 200 or not isinstance(reply.data, list):
        return None
    if not all(isinstance(each, dict) and _is_id(each.get("id")) for each in reply.data):
        return None
    return sorted(reply.data, key=lambda each: int(each["id"]))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def read_on(reply: Reply, more: More) -> Answer[ScanVerdict]:
    """The verdict on a page of a listing that has more: its own rate limit holds for the next one."""
    return answer_to(reply, more, *_holds(reply))


def is_alike(message: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a message of the author's, without a marker, may be ours: with our title, or with
    nothing at all, as moderators can take away a message's embeds, and there is nothing else in ours.
    """
    if message.get("type", 0) != 0 or any(message.get(each) for each in _NEVER_OURS):
        return False
    attached = message.get("attachments") or []
    if any(each.get("filename") != discord_format.PICTURE for each in attached):
        return False
    embeds = message.get("embeds") or [{}]
    title = embeds[0].get("title") if isinstance(embeds[0], dict) else None
    return title is None or title in [each["title"] for each in body.get("embeds", [])]
