"""Data Dragon as this world plays it: one version, and an icon of one colour for each champion."""

from __future__ import annotations

import struct
import zlib

from lol_dagster.simulator.champions import BY_POSITION
from lol_dagster.simulator.faults import Fault
from lol_dagster.simulator.service import Call, RefusedError, html_answer
from lol_dagster.simulator.wire import Answer, Request, json_answer

_NAMES = {each.id: each.name for champions in BY_POSITION.values() for each in champions}
_SIZE = 120


class DataDragon:
    """Riot's files of a patch. Nothing is asked for but addresses."""

    name = "ddragon"

    def __init__(self, version: str) -> None:
        """
        Args:
            version: Of the games that this world makes up, such as `16.9.1`.
        """
        self._version = version

    def find(self, request: Request) -> Call:
        match (request.method, *request.segments[1:]):
            case ("GET", "api", "versions.json"):
                return Call("ddragon.versions", "", lambda: json_answer(200, [self._version]))
            case ("GET", "cdn", self._version, "data", _, "champion.json"):
                return Call("ddragon.champions", "", lambda: json_answer(200, _CHAMPIONS))
            case ("GET", "cdn", self._version, "img", "champion", file):
                return Call("ddragon.icon", "", lambda: _icon(file))
        raise RefusedError(html_answer(403, "Access Denied"))

    def has(self, address: str) -> bool:
        """Whether an icon of a champion's is there."""
        _, _, path = address.partition("/ddragon/cdn/")
        folder, _, file = path.rpartition("/")
        return folder == f"{self._version}/img/champion" and _number(file) is not None

    def admit(self, call: Call) -> Answer | None:
        """There are no limits."""
        return None

    def refuse(self, call: Call, fault: Fault) -> Answer:
        return html_answer(429 if fault.kind == "429" else int(fault.kind), "Access Denied")

    def finish(self, call: Call, answer: Answer) -> Answer:
        return answer


_CHAMPIONS = {
    "type": "champion",
    "data": {name: {"id": name, "key": str(number)} for number, name in _NAMES.items()},
}


def _icon(file: str) -> Answer:
    """As S3 does, it says 403 of what is not there."""
    number = _number(file)
    if number is None:
        return html_answer(403, "Access Denied")
    return Answer(200, _square(number), {"Content-Type": "image/png"})


def _number(file: str) -> int | None:
    return next((number for number, name in _NAMES.items() if f"{name}.png" == file), None)


def _square(number: int) -> bytes:
    """A PNG (RFC 2083) of a colour that tells champions apart."""
    colour = bytes((number * 37 % 160 + 60, number * 101 % 160 + 60, number * 53 % 160 + 60))
    rows = (b"\0" + colour * _SIZE) * _SIZE
    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
