"""HTTP/1.1 as this world speaks it: one request read from a socket, one answer written to it.

Written by hand on raw sockets because a server library cannot reset a connection in mid-answer, drip
its headers or stop half-way through a body. Nothing here knows what is asked or answered.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from http import HTTPStatus
from http.client import responses
from threading import Event
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

_MAX_LINE = 16 * 1024
_MAX_HEADERS = 200
_MAX_BODY = 4 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST instead of FIN


class BadRequestError(Exception):
    """What came over the socket is no HTTP request that we read."""


class Manner(Enum):
    """How the bytes of an answer go out."""

    WHOLE = "whole"
    RESET = "reset"
    """Nothing of the answer, then RST."""
    HALF_BODY = "half-body"
    """Headers and half of the promised body, then FIN."""
    HEADER_DRIP = "header-drip"
    """One byte of the head at a time, with a pause after each."""
    BODY_DRIP = "body-drip"
    """The head at once, the body one byte at a time."""
    SILENCE = "silence"
    """Not a byte: the connection stays open until the client gives up."""


@dataclass(frozen=True)
class Request:
    """One request. `path` is decoded segment by segment into `segments`; `raw_path` is as sent."""

    method: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's parts, each percent-decoded by itself, so that `%2F` stays inside its part."""
        return tuple(unquote(part) for part in self.raw_path.split("/") if part)

    def header(self, name: str) -> str:
        """The header's value, or an empty string."""
        return self.headers.get(name.lower(), "")

    def form_parts(self) -> dict[str, bytes] | None:
        """The parts of a multipart/form-data body by their names; None: it is none, or not well formed."""
        kind, _, boundary = self.header("Content-Type").partition("; boundary=")
        pieces = self.body.split(f"--{boundary}".encode())
        if kind != "multipart/form-data" or not boundary or pieces[-1].strip() != b"--":
            return None
        parts: dict[str, bytes] = {}
        for piece in pieces[1:-1]:
            head, gap, content = piece.partition(b"\r\n\r\n")
            name = re.search(rb'[; ]name="([^"]+)"', head)
            if not gap or name is None or not content.endswith(b"\r\n"):
                return None
            parts[name[1].decode()] = content[:-2]
        return parts

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is not JSON in UTF-8.
        """
        return json.loads(self.body.decode("utf-8"))


@dataclass(frozen=True)
class Answer:
    """One answer: a whole one, or one that goes wrong on its way in a given `manner`."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.WHOLE
    drip_seconds: float = 0.5
    """Pause between two bytes of a drip."""

    def with_headers(self, **more: str) -> Answer:
        """The same answer with more headers; `_` in a name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return replace(self, headers={**self.headers, **named})


def json_answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is `value` as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(
        status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    )


def text_answer(status: int, text: str, content_type: str = "text/plain") -> Answer:
    """An answer whose body is plain text, or text of another type."""
    return Answer(status, text.encode(), {"Content-Type": f"{content_type}; charset=utf-8"})


def read_request(stream: BinaryIO, connection: socket.socket) -> Request | None:
    """Read the next request of a connection; None when the client has closed it.

    Raises:
        BadRequestError: not HTTP/1.1, too long, or a body in a transfer encoding.
    """
    first = stream.readline(_MAX_LINE)
    if not first.strip():
        return None
    try:
        method, target, version = first.decode("latin-1").split()
    except ValueError:
        raise BadRequestError("malformed request line") from None
    if not version.startswith("HTTP/1."):
        raise BadRequestError("not HTTP/1.x")
    headers = _read_headers(stream)
    if "transfer-encoding" in headers:
        raise BadRequestError("send a Content-Length, not a transfer encoding")
    body = _read_body(stream, connection, headers)
    parts = urlsplit(target)
    query = {
        name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
    }
    return Request(method, parts.path, query, headers, body)


def _read_headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_LINE)
        if not line.strip():
            return headers
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    raise BadRequestError("too many headers")


def _read_body(stream: BinaryIO, connection: socket.socket, headers: Mapping[str, str]) -> bytes:
    text = headers.get("content-length", "0")
    if not text.isdigit() or int(text) > _MAX_BODY:
        raise BadRequestError("Content-Length is no number up to 4 MiB")
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = stream.read(int(text))
    if len(body) < int(text):
        raise BadRequestError("the body ended early")
    return body


def write_answer(
    connection: socket.socket, answer: Answer, *, keep_alive: bool, stopping: Event
) -> bool:
    """Send an answer in its manner; True when the connection can take another request."""
    if answer.manner is Manner.SILENCE:
        wait_for_hang_up(connection, None, stopping)
        return False
    if answer.manner is Manner.RESET:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return False
    head = _head(answer, keep_alive)
    if answer.manner is Manner.HEADER_DRIP:
        return _drip(connection, head + answer.body, answer.drip_seconds, stopping) and keep_alive
    if answer.manner is Manner.BODY_DRIP:
        connection.sendall(head)
        return _drip(connection, answer.body, answer.drip_seconds, stopping) and keep_alive
    if answer.manner is Manner.HALF_BODY:
        connection.sendall(head + answer.body[: len(answer.body) // 2])
        return False
    connection.sendall(head + answer.body)
    return keep_alive


def wait_for_hang_up(connection: socket.socket, seconds: float | None, stopping: Event) -> bool:
    """Wait until the client hangs up (True) or `seconds` have passed or the server stops (False)."""
    waited = 0.0
    while not stopping.is_set() and (seconds is None or waited < seconds):
        step = 0.05 if seconds is None else min(0.05, seconds - waited)
        readable, _, _ = select.select([connection], [], [], step)
        if readable and not connection.recv(1, socket.MSG_PEEK):
            return True
        if readable:  # more bytes of the client's: nothing to wait on, so only let time pass
            stopping.wait(step)
        waited += step
    return False


def _drip(connection: socket.socket, data: bytes, pause: float, stopping: Event) -> bool:
    for byte in data:
        connection.sendall(bytes([byte]))
        if wait_for_hang_up(connection, pause, stopping) or stopping.is_set():
            return False
    return True


def _head(answer: Answer, keep_alive: bool) -> bytes:
    headers = {
        **answer.headers,
        "Content-Length": str(len(answer.body)),
        "Connection": "keep-alive" if keep_alive else "close",
    }
    if answer.status == HTTPStatus.NO_CONTENT:
        del headers["Content-Length"]
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
