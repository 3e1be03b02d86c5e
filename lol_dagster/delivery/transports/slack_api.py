"""What a bot and a webhook of Slack have in common, and what the answers to a bot mean: Slack
refuses with HTTP 200 and `ok: false`.

Sources: docs.slack.dev/reference/methods (chat.postMessage, chat.update, conversations.history);
the common errors for those after which "some aspect of the operation" may have succeeded.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
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
    Uncertain,
    UnreadableHistory,
)
from lol_dagster.delivery.transports import slack_format
from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    Answer,
    Hold,
    Outgoing,
    RemoteIdForm,
    Reply,
    ShownIcons,
    Step,
    Transport,
    V,
    asked_to_wait,
    short,
    unread,
)
from lol_dagster.delivery.transports.slack_format import read_marker
from lol_dagster.messages.content import MessageContent

MAYBE_DONE = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
TOKEN_DEAD = {
    "account_inactive",
    "invalid_auth",
    "missing_scope",
    "not_authed",
    "org_login_required",
    "token_expired",
    "token_revoked",
}
PAYLOAD_REFUSED = (
    "cant_update_message",
    "edit_window_closed",
    "invalid_blocks",
    "invalid_metadata",
    "metadata_",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
)
"""Beginnings: Slack has several of each."""
DESTINATION_BLOCKED = (
    "access_denied",
    "accesslimited",
    "channel_is_archived",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "is_archived",
    "is_inactive",
    "messages_tab_disabled",
    "no_permission",
    "not_in_channel",
    "restricted_action",
    "team_access_not_granted",
    "team_not_found",
)
"""Beginnings: what refuses whatever is sent there."""
LATER = {"message_limit_exceeded", "rate_limited", "ratelimited"}
GONE = {"message_not_found"}
UNREADABLE = {"missing_scope", "not_in_channel", "no_permission"}
"""History is refused where posting may well be allowed."""

IMAGES = "images"
"""The icons as addresses, from which Slack fetches them itself."""
PACE = Hold(1.0)
"""One message a second and channel."""
TIME_STAMP = RemoteIdForm(r"\d{9,11}\.\d{6}", "a time stamp such as 1722542400.000100")
_CLOCKS_DIFFER = timedelta(minutes=10)
"""So much may the clock that gave an instant be ahead of Slack's."""
_IDS_OVERLAP = Decimal(60)
"""Within so many seconds time stamps need not be in the order in which the messages were posted."""


_REMEDIES: dict[str, str] = {
    "not_in_channel": "invite the bot: write /invite and its name in the channel",
    "channel_not_found": "there is no such channel, or it is private and the bot is not in it: check "
    "its id (channel details, at the end of About) and invite the bot with /invite in the channel",
    "is_archived": "the channel is archived: unarchive it, or choose another one",
    "channel_is_archived": "the channel is archived: unarchive it, or choose another one",
    "restricted_action": "the workspace allows only some people to post there: ask an admin",
    "no_service": "the webhook was removed: make a new one and give the channel its URL",
    "no_active_hooks": "the webhook was disabled: make a new one and give the channel its URL",
    "invalid_token": "the webhook's URL is wrong: copy it again from the app's settings",
}
_SCOPES: dict[Step, str] = {
    "post": "chat:write",
    "find": "channels:history (in a private channel: groups:history)",
    "read": "channels:history (in a private channel: groups:history)",
    "edit": "chat:write",
    "picture": "files:write and files:read",
    "delete": "chat:write",
}


class SlackTransport(Transport):
    """A kind of channel on Slack."""

    service: ClassVar[str] = "Slack"

    @property
    def icon_set(self) -> str:
        return IMAGES

    def render(
        self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS
    ) -> dict[str, Any]:
        return slack_format.render(content, marker, icons)

    def preview(self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> Markup:
        return slack_format.preview(content, marker, icons)

    def remedy(self, step: Step, code: str | None, status: int | None) -> str | None:
        if code in {"missing_scope", "no_permission"}:
            return f"give the app the scope{'s' * (step == 'picture')} {_SCOPES[step]} (OAuth & Permissions) and reinstall it"
        if code in TOKEN_DEAD:
            return "the bot's token is refused: put its current one into LOL_SLACK_BOT_TOKEN"
        return _REMEDIES.get(code or "")


def after_id(known: str | None, at: datetime | None) -> str | None:
    """As `Transport.after_id`."""
    starts = []
    if known is not None and TIME_STAMP.matches(known):
        starts.append(Decimal(known) - _IDS_OVERLAP)
    if at is not None:
        starts.append(Decimal((at - _CLOCKS_DIFFER).timestamp()))
    return f"{max(starts):.6f}" if starts else None


def answer_to(reply: Reply, verdict: V, *holds: Hold) -> Answer[V]:
    error = reply.field("error")
    return Answer(
        verdict,
        http_status=reply.status,
        code=short(error)[:80] if isinstance(error, str) else None,
        request_id=short(reply.headers.get("x-slack-req-id", "")) or None,
        elapsed_s=reply.elapsed_s,
        holds=holds,
    )


def sent(reply: Reply, message: Outgoing) -> Answer[PostVerdict]:
    """The verdict on a chat.postMessage or chat.update."""
    return answer_to(reply, _standing(reply, message) or refusal(reply), PACE, *rate_limit(reply))


def _standing(reply: Reply, message: Outgoing) -> Accepted | None:
    remote_id = reply.field("ts")
    if reply.status != 200 or reply.field("ok") is not True or not isinstance(remote_id, str):
        return None
    posted = reply.field("message")
    marker = read_marker(posted) if isinstance(posted, dict) else None
    message_id, rev = marker or (message.message_id, message.rev)
    return Accepted(remote_id, rev) if message_id == message.message_id else None


def refusal(reply: Reply) -> NotSent | Uncertain | Deleted | Blocked | Refused:
    """The verdict on a complete answer that is no success: a known refusal, or uncertain.

    An unknown refusal blocks: Slack did nothing, but why is for the operator to find out.
    """
    error = reply.field("error")
    said = _said(reply)
    if reply.status == 429 or error in LATER:
        return NotSent(said, retry_after=asked_to_wait(reply.headers.get("Retry-After")))
    if reply.status >= 500 or reply.field("ok") is not False or error in MAYBE_DONE:
        return Uncertain(said)
    if error in GONE:
        return Deleted(said)
    if error in TOKEN_DEAD:
        return Blocked(said, scope="token")
    if isinstance(error, str) and error.startswith(PAYLOAD_REFUSED):
        return Refused(said)
    known = isinstance(error, str) and error.startswith(DESTINATION_BLOCKED)
    return Blocked(said, unknown=not known)


def scan_failed(reply: Reply) -> Answer[ScanVerdict]:
    """The verdict on an answer to conversations.history that holds no messages."""
    error = reply.field("error")
    if error == "invalid_cursor":
        return answer_to(reply, More(None))
    if error in UNREADABLE:
        return answer_to(
            reply, UnreadableHistory(f"the bot may not read the channel's history: {_said(reply)}")
        )
    return answer_to(reply, unread(refusal(reply)), *rate_limit(reply))


def read_failed(reply: Reply) -> Answer[GetVerdict]:
    """The verdict on an answer to the reading of one message that does not hold it: whoever may not
    read may well send.
    """
    if reply.field("error") in UNREADABLE:
        return answer_to(reply, Blocked(_said(reply)))
    return answer_to(reply, unread(refusal(reply)), *rate_limit(reply))


def gone(reply: Reply) -> Answer[PostVerdict]:
    """The verdict on a chat.delete."""
    verdict = Deleted("deleted") if reply.field("ok") is True else refusal(reply)
    return answer_to(reply, verdict, *rate_limit(reply))


def messages_in(reply: Reply) -> list[dict[str, Any]] | None:
    """The messages of a page of history; None if the answer is none."""
    messages = reply.field("messages")
    if reply.status != 200 or reply.field("ok") is not True or not isinstance(messages, list):
        return None
    if not all(isinstance(each, dict) and _is_ts(each.get("ts")) for each in messages):
        return None
    return messages


def _is_ts(value: object) -> bool:
    return isinstance(value, str) and TIME_STAMP.matches(value)


def next_cursor(reply: Reply) -> str | None:
    """Where the next page begins; None: this was the last."""
    metadata = reply.field("response_metadata")
    cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
    return cursor if isinstance(cursor, str) and cursor else None


def _said(reply: Reply) -> str:
    """The error, and the scope that is missing where Slack names it."""
    error, needed = reply.field("error"), reply.field("needed")
    words = [f"Slack {reply.status}", *([f": {error}"] if isinstance(error, str) else [])]
    words += [f", needed: {needed}"] if isinstance(needed, str) else []
    return short("".join(words))


def rate_limit(reply: Reply) -> tuple[Hold, ...]:
    if reply.status != 429:
        return ()
    return (Hold(asked_to_wait(reply.headers.get("Retry-After"))),)
