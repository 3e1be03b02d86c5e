"""A clock moved by hand, and small fake channels on raw sockets that keep what they accepted.

The fakes know the semantics that the protocol depends on (nonce window, history, permissions) and do
one scripted thing wrong per call where a test asks for it.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy.orm import Session

from lol_dagster_tests._support.raw_server import Connection, Request, answer

NOW = datetime(2026, 8, 1, 20, 0, tzinfo=UTC)

Fault = Callable[["Call"], None]


class HandClock:
    """The delivery clock, standing still unless moved; sleeping moves it."""

    def __init__(self, epoch: str = "boot:one", at: float = 1000.0) -> None:
        self.epoch = epoch
        self.at = at
        self.slept: list[float] = []

    def read(self, session: Session) -> tuple[str, float]:
        assert session.is_active, "PostgreSQL would be asked in it"
        return self.epoch, self.at

    def local(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@dataclass
class Call:
    """A request in the hands of a fault: it may let the channel act, and answer as it likes."""

    request: Request
    connection: Connection
    act: Callable[[], bytes]
    """Do what was asked for; returns the true answer."""


def fail_after_accept(status: int = 500) -> Fault:
    """The message gets through, and the answer says it did not."""

    def fault(call: Call) -> None:
        call.act()
        call.connection.send(answer(status, "<html>Bad gateway</html>"))

    return fault


def fail_before_accept(status: int = 503) -> Fault:
    def fault(call: Call) -> None:
        call.connection.send(answer(status, '{"message": "unavailable", "code": 0}'))

    return fault


def refuse(status: int, code: int, **more: Any) -> Fault:
    """A complete refusal in Discord's form."""
    headers = more.pop("headers", {})
    body = json.dumps({"code": code, "message": f"refused with {code}", **more})

    def fault(call: Call) -> None:
        call.connection.send(answer(status, body, headers))

    return fault


def rate_limited(seconds: float) -> Fault:
    """Discord's and Slack's way to ask us to wait."""
    body = json.dumps({"message": "limited", "retry_after": seconds, "global": False})

    def fault(call: Call) -> None:
        call.connection.send(answer(429, body, {"Retry-After": f"{seconds:.0f}"}))

    return fault


def reset_after_accept(call: Call) -> None:
    call.act()
    call.connection.reset()


def half_an_answer(call: Call) -> None:
    whole = call.act()
    call.connection.send(whole[:-20])
    call.connection.sock.close()


class Channels:
    """What Discord and Slack have in common here: messages in order, scripted faults, calls."""

    def __init__(self) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.deleted: set[str] = set()
        self.faults: dict[str, list[Fault | None]] = {}
        """By operation, for the next calls in turn; None: let that one pass."""
        self.calls: list[str] = []
        """Operations in the order in which they came in."""
        self.on_arrival: Callable[[Request], None] = lambda _: None
        self._ids = itertools.count(1)  # for several threads

    def script(self, operation: str, *faults: Fault | None) -> None:
        self.faults.setdefault(operation, []).extend(faults)

    def count(self, operation: str) -> int:
        return self.calls.count(operation)

    def texts(self, channel: str) -> list[str]:
        """What a person sees in the channel: the titles, oldest first."""
        raise NotImplementedError

    def handle(
        self, operation: str, request: Request, connection: Connection, act: Callable[[], bytes]
    ) -> None:
        self.calls.append(operation)
        self.on_arrival(request)
        scripted = self.faults.get(operation, [])
        fault = scripted.pop(0) if scripted else None
        if fault is None:
            connection.send(act())
        else:
            fault(Call(request, connection, act))

    def next_id(self) -> int:
        return next(self._ids)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    return answer(
        status, json.dumps(value), {"Content-Type": "application/json", **(headers or {})}
    )


@dataclass
class Asked:
    """A request taken apart."""

    parts: list[str]
    query: dict[str, str]
    body: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    """Of a form, by the names of its parts."""

    @classmethod
    def of(cls, request: Request) -> Asked:
        url = urlsplit(request.target)
        files = _files(request)
        content = files.pop("payload_json", b"") if files else request.body
        return cls(
            parts=[part for part in url.path.split("/") if part],
            query={name: values[-1] for name, values in parse_qs(url.query).items()},
            body=json.loads(content) if content else {},
            files=files,
        )


def _files(request: Request) -> dict[str, bytes]:
    """The parts of a form by their names; none if it is no form."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return {}
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    parts = message_from_bytes(head + request.body, policy=HTTP).iter_parts()
    return {
        str(each["content-disposition"].params["name"]): each.get_payload(decode=True)
        for each in parts
    }


class FakeDiscord(Channels):
    """Operations: `post`, `patch`, `list`, `get`, `delete`, `me`, `channel`, `webhook`."""

    me = "900000000000000001"
    epoch_ms = 1_420_070_400_000

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self.now = now
        self.may_read_history = True
        self.nonces: dict[str, str] = {}
        self.pngs: dict[str, list[bytes]] = {}
        self.nonce_window = True
        """Whether nonces are still remembered."""
        self.headers: dict[str, str] = {}
        self.bodies: list[dict[str, Any]] = []
        self.authorizations: set[str] = set()

    def __call__(self, request: Request, connection: Connection) -> None:
        asked = Asked.of(request)
        self.authorizations.add(request.headers.get("authorization", ""))
        operation, act = self._route(request.method, asked)
        self.handle(operation, request, connection, act)

    def _route(self, method: str, asked: Asked) -> tuple[str, Callable[[], bytes]]:
        match method, asked.parts:
            case "GET", ["users", "@me"]:
                return "me", lambda: _json({"id": self.me})
            case "GET", ["channels", channel]:
                return "channel", lambda: _json({"id": channel, "guild_id": "42"})
            case "POST", ["channels", channel, "messages"]:
                return "post", lambda: self._post(channel, asked.body)
            case "GET", ["channels", channel, "messages"]:
                return "list", lambda: self._list(channel, asked.query)
            case "GET", ["channels", channel, "messages", remote_id]:
                return "get", lambda: self._get(channel, remote_id)
            case "PATCH", ["channels", channel, "messages", remote_id]:
                return "patch", lambda: self._patch(channel, remote_id, asked)
            case "DELETE", ["channels", channel, "messages", remote_id]:
                return "delete", lambda: self._delete(remote_id)
        return self._route_webhook(method, asked)

    def _route_webhook(self, method: str, asked: Asked) -> tuple[str, Callable[[], bytes]]:
        match method, asked.parts:
            case "GET", ["webhooks", webhook, _]:
                known = {"id": webhook, "channel_id": f"1{webhook}", "guild_id": "42"}
                return "webhook", lambda: _json(known)
            case "POST", ["webhooks", webhook, _] if asked.query.get("wait") == "true":
                return "post", lambda: self._post(f"1{webhook}", asked.body, webhook)
            case "GET", ["webhooks", webhook, _, "messages", remote_id]:
                return "get", lambda: self._get(f"1{webhook}", remote_id, by_webhook=True)
            case "PATCH", ["webhooks", webhook, _, "messages", remote_id]:
                return "patch", lambda: self._patch(f"1{webhook}", remote_id, asked)
            case "DELETE", ["webhooks", _, _, "messages", remote_id]:
                return "delete", lambda: self._delete(remote_id)
        return "unknown", lambda: _json({"code": 0, "message": "404: Not Found"}, 404)

    def _post(self, channel: str, body: dict[str, Any], webhook: str | None = None) -> bytes:
        self.bodies.append(body)
        nonce = body.get("nonce")
        if nonce and body.get("enforce_nonce") and nonce in self.nonces and self.nonce_window:
            return self._get(channel, self.nonces[nonce], by_nonce=True)
        milliseconds = int(self.now().timestamp() * 1000) - self.epoch_ms
        message = {
            "id": str((milliseconds << 22) + self.next_id()),
            "channel_id": channel,
            "author": {"id": webhook or self.me},
            "embeds": body["embeds"],
            **({"webhook_id": webhook} if webhook else {}),
        }
        self.messages.setdefault(channel, []).append(message)
        if nonce:
            self.nonces[nonce] = message["id"]
        return _json(message, headers=self.headers)

    def _visible(self, channel: str) -> list[dict[str, Any]]:
        return [each for each in self.messages.get(channel, []) if each["id"] not in self.deleted]

    def _list(self, channel: str, query: dict[str, str]) -> bytes:
        if not self.may_read_history:
            return _json([])
        after = [each for each in self._visible(channel) if int(each["id"]) > int(query["after"])]
        page = sorted(after, key=lambda each: int(each["id"]))[: int(query["limit"])]
        # What a webhook posted comes back blank to the bot.
        blanked = [{**each, "embeds": []} if "webhook_id" in each else each for each in page]
        return _json(blanked[::-1])

    def _get(
        self, channel: str, remote_id: str, *, by_webhook: bool = False, by_nonce: bool = False
    ) -> bytes:
        if not (self.may_read_history or by_webhook or by_nonce):
            return _json({"code": 50013, "message": "Missing Permissions"}, 403)
        for each in self._visible(channel):
            if each["id"] == remote_id:
                return _json(each)
        return _json({"code": 10008, "message": "Unknown Message"}, 404)

    def _patch(self, channel: str, remote_id: str, asked: Asked) -> bytes:
        for each in self._visible(channel):
            if each["id"] == remote_id:
                each["embeds"] = asked.body["embeds"]
                # Those that are named, each a new one: nothing of ours names what is there.
                each["attachments"] = asked.body["attachments"]
                self.pngs[remote_id] = [
                    asked.files[f"files[{named['id']}]"] for named in each["attachments"]
                ]
                each["allowed_mentions"] = asked.body["allowed_mentions"]
                return _json(each)
        return _json({"code": 10008, "message": "Unknown Message"}, 404)

    def _delete(self, remote_id: str) -> bytes:
        self.deleted.add(remote_id)
        return answer(204)

    def texts(self, channel: str) -> list[str]:
        return [each["embeds"][0]["title"] for each in self._visible(channel)]

    def pictures(self, channel: str) -> list[list[bytes]]:
        """What stands below each message."""
        return [self.pngs.get(each["id"], []) for each in self._visible(channel)]


class FakeSlack(Channels):
    """Operations: `post`, `update`, `history`, `auth`, `hook`, `delete`, and for files `upload-url`, `upload`,
    `upload-complete`, `file`.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self.now = now
        self.history_error: str | None = None
        self.page = 1000
        """Slack gives fewer messages than it is asked for, where it likes."""
        self.gives_cursors = True
        self.files: dict[str, bytes] = {}
        self.ready: set[str] = set()
        """Files that can be shown."""
        self.upload_url: str | None = None
        """Where files are sent; None: here."""

    def __call__(self, request: Request, connection: Connection) -> None:
        if "/upload/" in request.target:
            assert "authorization" not in request.headers
            return self.handle("upload", request, connection, lambda: self._upload(request))
        if "getUploadURLExternal" in request.target:
            host = request.headers["host"]
            return self.handle("upload-url", request, connection, lambda: self._upload_url(host))
        asked = Asked.of(request)
        body = asked.body
        routes: dict[str, tuple[str, Callable[[], bytes]]] = {
            "auth.test": (
                "auth",
                lambda: _json(
                    {
                        "ok": True,
                        "url": "https://friends.slack.com/",
                        "bot_id": "B1",
                        "user_id": "U1",
                    }
                ),
            ),
            "chat.postMessage": ("post", lambda: self._post(body)),
            "chat.update": ("update", lambda: self._update(body)),
            "chat.delete": ("delete", lambda: self._delete(body)),
            "conversations.history": ("history", lambda: self._history(asked.query)),
            "files.completeUploadExternal": ("upload-complete", lambda: self._complete(body)),
            "files.info": ("file", lambda: self._file(asked.query["file"])),
            "HOOK": ("hook", lambda: self._hook(body)),
        }
        method = asked.parts[-1]
        is_read = method in {"conversations.history", "files.info"}
        assert request.method == ("GET" if is_read else "POST")
        operation, act = routes[method]
        return self.handle(operation, request, connection, act)

    def _upload_url(self, host: str) -> bytes:
        file_id = f"F{self.next_id()}"
        url = self.upload_url or f"http://{host}/upload/{file_id}"
        return _json({"ok": True, "upload_url": url, "file_id": file_id})

    def _upload(self, request: Request) -> bytes:
        self.files[request.target.rpartition("/")[2]] = request.body
        return answer(200, "OK")

    def _complete(self, body: dict[str, Any]) -> bytes:
        (file,) = body["files"]
        assert "channel_id" not in body, "it would be a message of its own"
        return _json({"ok": file["id"] in self.files, "files": [file], "error": "file_not_found"})

    def _file(self, file_id: str) -> bytes:
        is_ready = file_id in self.ready or "all" in self.ready
        return _json({"ok": True, "file": {"mimetype": "image/png" if is_ready else ""}})

    def pictures(self, channel: str) -> list[list[bytes]]:
        """What stands below each message."""
        return [
            [
                self.files[block["slack_file"]["id"]]
                for block in each["blocks"]
                if block["type"] == "image"
            ]
            for each in self.messages.get(channel, [])
        ]

    def _post(self, body: dict[str, Any]) -> bytes:
        ts = f"{self.now().timestamp() + self.next_id() / 1e6:.6f}"
        message = {
            "ts": ts,
            "bot_id": "B1",
            "text": body["text"],
            "blocks": body["blocks"],
            "metadata": body["metadata"],
        }
        self.messages.setdefault(body["channel"], []).append(message)
        return _json({"ok": True, "ts": ts, "channel": body["channel"], "message": message})

    def _update(self, body: dict[str, Any]) -> bytes:
        for each in self.messages.get(body["channel"], []):
            if each["ts"] == body["ts"]:
                each.update({name: body[name] for name in ("text", "blocks", "metadata")})
                return _json({"ok": True, "ts": each["ts"], "message": each})
        return _json({"ok": False, "error": "message_not_found"})

    def _delete(self, body: dict[str, Any]) -> bytes:
        channel = self.messages.get(body["channel"], [])
        channel[:] = [each for each in channel if each["ts"] != body["ts"]]
        return _json({"ok": True, "ts": body["ts"]})

    def _history(self, query: dict[str, str]) -> bytes:
        if self.history_error:
            return _json({"ok": False, "error": self.history_error})
        latest = query.get("cursor") or query.get("latest") or "inf"
        asked = (float(query["oldest"]), float(latest))
        found = [
            each
            for each in self.messages.get(query["channel"], [])[::-1]
            if asked[0] < float(each["ts"]) < asked[1]
            or ("inclusive" in query and float(each["ts"]) in asked)
        ]
        page = found[: min(self.page, int(query["limit"]))]
        more = len(page) < len(found)
        if query.get("include_all_metadata") != "true":
            page = [_without_payload(each) for each in page]
        cursor = page[-1]["ts"] if more and self.gives_cursors else ""
        return _json(
            {
                "ok": True,
                "messages": page,
                "has_more": more,
                "response_metadata": {"next_cursor": cursor},
            }
        )

    def _hook(self, body: dict[str, Any]) -> bytes:
        self.messages.setdefault("HOOK", []).append(body)
        return answer(200, "ok")

    def texts(self, channel: str) -> list[str]:
        return [each["text"] for each in self.messages.get(channel, [])]


def _without_payload(message: dict[str, Any]) -> dict[str, Any]:
    """A message as Slack shows it to whom did not ask for metadata."""
    if "metadata" not in message:
        return message
    return {**message, "metadata": {"event_type": message["metadata"]["event_type"]}}


def slack_error(error: str, *, after_accept: bool = False) -> Fault:
    """Slack's way to refuse: HTTP 200 and `ok: false`."""

    def fault(call: Call) -> None:
        if after_accept:
            call.act()
        call.connection.send(_json({"ok": False, "error": error}))

    return fault


def fixed_jitter() -> Callable[[], float]:
    """Factors from 0.5 to 1, the same in every run."""
    numbers = random.Random(1)
    return lambda: 0.5 + numbers.random() / 2


@dataclass
class Recorded:
    """Crash points that were passed, and one at which to do something."""

    passed: list[str] = field(default_factory=list)
    at: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __call__(self, label: str) -> None:
        self.passed.append(label)
        action = self.at.pop(label, None)
        if action is not None:
            action()
