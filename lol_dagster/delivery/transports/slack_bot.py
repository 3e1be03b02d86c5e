"""Slack through a bot's token: no nonce, but a history that can be read and says when it cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from lol_dagster.delivery.model import (
    Absent,
    Blocked,
    Deleted,
    GetVerdict,
    NotSeen,
    NotSent,
    PostVerdict,
    Refused,
    ScanVerdict,
    Seen,
    Uncertain,
    Unmarked,
)
from lol_dagster.delivery.transports import slack_api, slack_format
from lol_dagster.delivery.transports.base import (
    AddressError,
    Answer,
    Caller,
    Capabilities,
    NotUploaded,
    Outgoing,
    Picture,
    Place,
    PlacesError,
    RemoteIdForm,
    Reply,
    Search,
    Wanted,
    reads,
    sends,
    short,
)
from lol_dagster.delivery.transports.slack_format import read_marker
from lol_dagster.http_terms import TransportError, user_agent
from lol_dagster.settings import Settings

PAGE = 200
_FILE_TITLE = 200
_MOST_PAGES_OF_CHANNELS = 10
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{4,20}", re.ASCII)

_LINK = re.compile(
    r"https://[\w.-]+\.slack\.com/(?:archives|client/\w+)/([A-Z0-9]+)(?:/p\d+)?/?", re.ASCII
)
"""What "Copy link" gives of a channel or of a message in it, and the browser's own address."""


class SlackBot(slack_api.SlackTransport):
    """chat.postMessage, chat.update, conversations.history."""

    kind: ClassVar[str] = "slack-bot"
    label: ClassVar[str] = "Slack, as a bot"
    token_setting: ClassVar[str | None] = "slack_bot_token"  # noqa: S105 - a name
    token_scope: ClassVar[str | None] = "slack-token"  # noqa: S105 - a name
    remote_ids: ClassVar[RemoteIdForm | None] = slack_api.TIME_STAMP
    takes_pictures: ClassVar[bool] = True
    uploads_pictures: ClassVar[bool] = True

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__(settings, deadline=deadline)
        self._url = settings.slack_url
        self._api = Caller(user_agent(), self._url, deadline)
        self._files = Caller(user_agent(), "", deadline)
        """Without the token: each upload has an address of its own."""
        self._myself: Reply | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            identity="marker",
            read_back=True,
            settle=30.0,
            promise="Delivered exactly once as long as the bot can read the channel: an unanswered "
            "send is looked up there before it is repeated.",
        )

    def pasted_address(self, text: str) -> str:
        link = _LINK.fullmatch(text)
        return link[1] if link else text

    def places(self) -> list[Place] | None:
        """Channels whose member the bot is: users.conversations, which may give fewer at once than it
        was asked for; the first pages where there are many.
        """
        if self._token is None:
            return None
        found: list[Place] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES_OF_CHANNELS):
            reply = self._conversations(cursor)
            try:
                found += [Place(each["id"], f"#{each['name']}") for each in reply.field("channels")]
            except (KeyError, TypeError) as error:
                raise PlacesError(
                    f"Slack's list of channels is not understood: {error!r}"
                ) from None
            cursor = slack_api.next_cursor(reply)
            if cursor is None:
                break
        return sorted(found, key=lambda each: each.name.casefold())

    def _conversations(self, cursor: str | None) -> Reply:
        what: dict[str, str | int] = {
            "types": "public_channel,private_channel",
            "exclude_archived": "true",
            "limit": 1000,
            **({"cursor": cursor} if cursor else {}),
        }
        try:
            reply = self._call("GET", "users.conversations", params=what)
        except TransportError as error:
            raise PlacesError(f"Slack does not list its channels: {error}") from None
        if reply.field("ok") is True:
            return reply
        why = reply.field("error") or reply.status
        lets = "; the scopes channels:read and groups:read let it" if why == "missing_scope" else ""
        raise PlacesError(f"Slack does not list its channels: {short(why)}{lets}")

    def check_address(self, address: str) -> None:
        if not _CHANNEL_ID.fullmatch(address):
            raise AddressError(
                "the address should be the id of a Slack channel, such as C0123456789: it stands "
                "at the end of the channel's details"
            )

    def after_id(self, known: str | None, at: datetime | None) -> str | None:
        return slack_api.after_id(known, at)

    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        return self._send("chat.postMessage", {"channel": address, **message.body}, message)

    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        content = slack_format.with_picture(message.body, message.picture)
        body = {"channel": address, "ts": remote_id, **content}
        return self._send("chat.update", body, message)

    def upload(self, picture: Picture) -> str:
        """files.getUploadURLExternal, the file itself, files.completeUploadExternal. It is given no channel,
        in which Slack would post a message of its own.
        """
        what = urlencode({"filename": slack_format.PICTURE, "length": len(picture.png)})
        granted = self._file_call(
            "POST",
            "files.getUploadURLExternal",
            data=what.encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        url, file_id = granted.field("upload_url"), granted.field("file_id")
        if not (isinstance(url, str) and isinstance(file_id, str) and self._is_slacks(url)):
            raise NotUploaded("Slack's answer to the upload is not understood", is_final=True)
        try:
            sent = self._files.call("POST", url, data=picture.png)
        except TransportError as error:
            raise NotUploaded(short(error)) from None
        if sent.status != 200:
            raise NotUploaded(f"Slack answers the upload with {sent.status}")
        done = {"files": [{"id": file_id, "title": picture.alt[:_FILE_TITLE]}]}
        self._file_call("POST", "files.completeUploadExternal", json=done)
        return file_id

    def is_ready(self, file_id: str) -> bool:
        """An image is scanned first, and has no type until that is done."""
        file = self._file_call("GET", "files.info", params={"file": file_id}).field("file")
        return isinstance(file, dict) and bool(file.get("mimetype"))

    def _file_call(self, verb: str, method: str, **what: Any) -> Reply:
        try:
            reply = self._call(verb, method, **what)
        except TransportError as error:
            raise NotUploaded(short(error)) from None
        if reply.field("ok") is True:
            return reply
        match slack_api.refusal(reply):
            case NotSent(reason, wait):
                raise NotUploaded(reason, retry_after=wait)
            case Uncertain(reason):
                raise NotUploaded(reason)
            case Deleted(reason) | Blocked(reason) | Refused(reason):
                raise NotUploaded(reason, is_final=True)

    def _is_slacks(self, url: str) -> bool:
        """Whether a file may be sent there."""
        parts, ours = urlsplit(url), urlsplit(self._url)
        is_of_slack = parts.scheme == "https" and f".{parts.hostname}".endswith(".slack.com")
        return is_of_slack or (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)

    @sends
    def _send(self, method: str, body: dict[str, Any], message: Outgoing) -> Answer[PostVerdict]:
        return slack_api.sent(self._call("POST", method, json=body), message)

    @sends
    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        body = {"channel": address, "ts": remote_id}
        return slack_api.gone(self._call("POST", "chat.delete", json=body))

    @reads
    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        params: dict[str, str | int] = {
            "oldest": remote_id,
            "latest": remote_id,
            "inclusive": "true",
            "limit": 1,
        }
        reply = self._history(address, params)
        messages = slack_api.messages_in(reply)
        if messages is None:
            return slack_api.read_failed(reply)
        there = next((each for each in messages if each.get("ts") == remote_id), None)
        if there is None:
            return slack_api.answer_to(reply, Deleted("the message is not there any more"))
        marker = read_marker(there)
        if marker is None or marker[0] != message_id:
            return slack_api.answer_to(reply, Unmarked())
        return slack_api.answer_to(reply, Seen(marker[1]))

    @reads
    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        myself = self._me()
        if myself.field("ok") is not True:
            return slack_api.scan_failed(myself)
        ids = {myself.field("bot_id"), myself.field("user_id")} - {None}
        search = Search.of(wanted.position)
        params: dict[str, str | int] = {
            "oldest": wanted.after_id or "0",
            "limit": PAGE,
            **({"cursor": search.page} if search.page else {}),
        }
        reply = self._history(address, params)
        messages = slack_api.messages_in(reply)
        if messages is None:
            return slack_api.scan_failed(reply)
        for each in messages:
            if each.get("bot_id") in ids or each.get("user") in ids:
                alike = each.get("text") == wanted.body.get("text")
                search = search.saw(each["ts"], read_marker(each), wanted, alike=alike)
        cursor = slack_api.next_cursor(reply)
        if cursor is not None:
            return slack_api.answer_to(reply, search.more(cursor))
        if reply.field("has_more"):
            return slack_api.answer_to(reply, NotSeen("Slack has more of the history, not where"))
        return slack_api.answer_to(reply, search.found() or Absent(unmarked=search.unmarked))

    def link(self, address: str, remote_id: str) -> str | None:
        try:
            workspace = self._me().field("url")
        except TransportError:
            return None
        if not isinstance(workspace, str):
            return None
        return f"{workspace.rstrip('/')}/archives/{address}/p{remote_id.replace('.', '')}"

    def _me(self) -> Reply:
        """auth.test's answer, asked for once.

        Raises:
            TransportError: it got no complete answer.
        """
        if self._myself is not None:
            return self._myself
        reply = self._call("POST", "auth.test")
        if reply.field("ok") is True:
            self._myself = reply
        return reply

    def _history(self, address: str, params: dict[str, str | int]) -> Reply:
        params = {"channel": address, "include_all_metadata": "true", **params}
        return self._call("GET", "conversations.history", params=params)

    def _call(
        self, verb: str, method: str, *, headers: Mapping[str, str] | None = None, **what: Any
    ) -> Reply:
        ours = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        return self._api.call(verb, f"/{method}", headers=ours, **what)
