"""A kind of channel that the product does not have: a chat whose rooms are reached by a secret URL.

It is what docs/adding-a-transport.md asks for and nothing else: one module. `SmallChatServer` is the
service itself, on raw sockets, so that a test decides what goes wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Blocked,
    Deleted,
    Found,
    GetVerdict,
    NotSeen,
    PostVerdict,
    ScanVerdict,
    Seen,
    Uncertain,
    Unmarked,
)
from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    AddressError,
    Answer,
    Caller,
    Capabilities,
    Outgoing,
    RemoteIdForm,
    Reply,
    ShownIcons,
    Step,
    Transport,
    V,
    Wanted,
    reads,
    sends,
    webhook_parts,
    without_secret,
)
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import parse_marker
from lol_dagster.messages.text import plain_rows
from lol_dagster.settings import Settings
from lol_dagster_tests._support.raw_server import Connection, Request, answer

_PATH = re.compile(r"/rooms/\d+/\w+", re.ASCII)


class SmallChat(Transport):
    """POST, GET, PUT and DELETE of `<room>/messages[/<id>]`."""

    kind: ClassVar[str] = "small-chat"
    label: ClassVar[str] = "Small chat, by a webhook"
    service: ClassVar[str] = "Small chat"
    remote_ids: ClassVar[RemoteIdForm | None] = RemoteIdForm(r"\d{1,9}", "a number such as 12")

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__(settings, deadline=deadline)
        self._api = Caller("lol_dagster_tests", "", deadline)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            identity="marker",
            read_back=True,
            settle=0.0,
            promise="Delivered exactly once: a small chat forgets nothing.",
        )

    def check_address(self, address: str) -> None:
        parts = webhook_parts(address)
        if parts is None or parts.hostname != "127.0.0.1" or not _PATH.fullmatch(parts.path):
            raise AddressError(
                "the address should be a room's URL, http://127.0.0.1/rooms/ID/SECRET"
            )

    def shown_address(self, address: str) -> str:
        return without_secret(address)

    def remedy(self, step: Step, code: str | None, status: int | None) -> str | None:
        return "the room is closed: open it again" if status == 403 else None

    def render(
        self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS
    ) -> dict[str, Any]:
        rows = [
            " · ".join(filter(None, [line.lead, *plain_rows(line)]))
            for section in content.sections
            for line in section.lines
        ]
        return {"text": "\n".join([content.title, *rows]), "marker": marker}

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        reply = self._api.call("POST", f"{address}/messages", json=message.body)
        if reply.status == 201:
            return _answer(reply, Accepted(reply.data["id"], message.rev))
        return _answer(reply, _refusal(reply))

    @sends
    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        reply = self._api.call("PUT", f"{address}/messages/{remote_id}", json=message.body)
        if reply.status == 200:
            return _answer(reply, Accepted(remote_id, message.rev))
        return _answer(reply, _refusal(reply))

    @sends
    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        reply = self._api.call("DELETE", f"{address}/messages/{remote_id}")
        return _answer(reply, Deleted("deleted") if reply.status == 204 else _refusal(reply))

    @reads
    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        reply = self._api.call("GET", f"{address}/messages")
        there = [each for each in reply.data if each["id"] == remote_id]
        if not there:
            return _answer(reply, Deleted("the message is not there any more"))
        marker = parse_marker(there[0]["marker"])
        ours = marker is not None and marker[0] == message_id
        return _answer(reply, Seen(marker[1]) if marker is not None and ours else Unmarked())

    @reads
    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        reply = self._api.call("GET", f"{address}/messages")
        if reply.status != 200:
            return _answer(reply, NotSeen(f"HTTP {reply.status}"))
        for each in reply.data:
            marker = parse_marker(each["marker"])
            if marker is not None and marker[0] == wanted.message_id:
                return _answer(reply, Found(each["id"], marker[1]))
        return _answer(reply, Absent())


def _answer(reply: Reply, verdict: V) -> Answer[V]:
    return Answer(verdict, http_status=reply.status, elapsed_s=reply.elapsed_s)


def _refusal(reply: Reply) -> PostVerdict:
    if 400 <= reply.status < 500:
        return Blocked(f"HTTP {reply.status}")
    return Uncertain(f"HTTP {reply.status}")


@dataclass
class SmallChatServer:
    """One room; handles the requests of a `raw_server`."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    after_post: Callable[[Connection], None] | None = None
    """What happens once in the place of the answer to a POST that was accepted."""

    def __call__(self, request: Request, connection: Connection) -> None:
        message_id = request.target.rpartition("/")[2]
        match request.method:
            case "GET":
                listed = [{"id": key, **each} for key, each in self.messages.items()]
                connection.send(_json(200, listed))
            case "POST":
                self.posts += 1
                self.messages[str(self.posts)] = json.loads(request.body)
                fault, self.after_post = self.after_post, None
                if fault is not None:
                    fault(connection)
                else:
                    connection.send(_json(201, {"id": str(self.posts)}))
            case "PUT":
                self.messages[message_id] = json.loads(request.body)
                connection.send(_json(200, {}))
            case "DELETE":
                del self.messages[message_id]
                connection.send(answer(204))


def _json(status: int, data: Any) -> bytes:
    return answer(status, json.dumps(data), {"Content-Type": "application/json"})
