"""Reading and making PNGs, by what the format says (RFC 2083), and with no library of pictures."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """Its pixels, each of four bytes: red, green, blue, and how opaque."""

    width: int
    height: int
    rows: list[bytes]

    def part(self, x: int, y: int, width: int, height: int) -> list[bytes]:
        return [row[4 * x : 4 * (x + width)] for row in self.rows[y : y + height]]

    def colours(self, x: int, y: int, width: int, height: int) -> set[bytes]:
        part = self.part(x, y, width, height)
        return {row[4 * at : 4 * at + 3] for row in part for at in range(len(row) // 4)}


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height, and that it is whole: its last chunk is there."""
    assert data.startswith(SIGNATURE)
    assert data.endswith(_chunk(b"IEND", b""))
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def read_png(data: bytes) -> Picture:
    """An RGBA picture of eight bits a channel, not interlaced. Takes a second: it is Python alone."""
    assert data.startswith(SIGNATURE)
    chunks: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + content)
        chunks[kind] = chunks.get(kind, b"") + content
        at += 12 + length
    width, height, *how = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert how == [8, 6, 0, 0, 0], "eight bits, RGBA, as usual"
    raw, rows, above = zlib.decompress(chunks[b"IDAT"]), [], bytes(4 * width)
    for number in range(height):
        start = number * (4 * width + 1)
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + 4 * width], above)
        rows.append(above)
    return Picture(width, height, rows)


def _unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    row = bytearray(line)
    for at in range(len(row)):
        left, up = row[at - 4] if at >= 4 else 0, above[at]
        corner = above[at - 4] if at >= 4 else 0
        row[at] = (row[at] + _predicted(kind, left, up, corner)) & 0xFF
    return bytes(row)


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:  # Paeth
        guess = left + up - corner
        return min((left, up, corner), key=lambda each: abs(guess - each))
    return (0, left, up, (left + up) // 2)[kind]


def a_png(red: int, green: int, blue: int, *, size: int = 4) -> bytes:
    """A square of one colour."""
    raw = (b"\0" + bytes((red, green, blue, 255)) * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return SIGNATURE + b"".join(
        _chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum
