"""Which characters a font has: its table `cmap`, read without the rest of the file, which may have 30 MB.

https://learn.microsoft.com/en-us/typography/opentype/spec/cmap: formats 4 (of Unicode's first plane) and 12.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import BinaryIO, NamedTuple


class Charmap(NamedTuple):
    """Ranges of characters, in order, both ends included."""

    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def has(self, character: str) -> bool:
        at = bisect_right(self.starts, ord(character)) - 1
        return at >= 0 and ord(character) <= self.ends[at]


@cache
def charmap_of(file: str) -> Charmap:
    """The characters of a font, of a collection's first; none where it cannot be read."""
    try:
        with open(file, "rb") as font:  # noqa: PTH123 - a name, as others take it
            ranges = sorted(_ranges(_cmap(font)))
    except (OSError, struct.error, ValueError):
        return Charmap()
    return Charmap(tuple(start for start, _ in ranges), tuple(end for _, end in ranges))


def _cmap(font: BinaryIO) -> bytes:
    """
    Raises:
        ValueError: it has none.
    """
    begins = 0
    if font.read(4) == b"ttcf":
        font.seek(12)
        (begins,) = struct.unpack(">I", font.read(4))
    font.seek(begins + 4)
    (count,) = struct.unpack(">H", font.read(2))
    font.seek(begins + 12)
    for _ in range(count):
        tag, _, offset, length = struct.unpack(">4sIII", font.read(16))
        if tag == b"cmap":
            font.seek(offset)
            return font.read(length)
    raise ValueError("no cmap")


def _ranges(table: bytes) -> Iterator[tuple[int, int]]:
    """Of the largest subtable that is understood."""
    (count,) = struct.unpack_from(">H", table, 2)
    found = {}
    for number in range(count):
        (offset,) = struct.unpack_from(">I", table, 4 + 8 * number + 4)
        (kind,) = struct.unpack_from(">H", table, offset)
        found[kind] = offset
    if 12 in found:
        (groups,) = struct.unpack_from(">I", table, found[12] + 12)
        for start, end, _ in struct.iter_unpack(">III", _part(table, found[12] + 16, 12 * groups)):
            yield start, end
    elif 4 in found:
        yield from _ranges_of_format_4(table, found[4])


def _ranges_of_format_4(table: bytes, at: int) -> Iterator[tuple[int, int]]:
    (length,) = struct.unpack_from(">H", table, at + 2)
    (twice,) = struct.unpack_from(">H", table, at + 6)
    ends, starts, deltas, offsets = (
        struct.unpack(f">{twice // 2}H", _part(table, at + 14 + number * twice + gap, twice))
        for number, gap in ((0, 0), (1, 2), (2, 2), (3, 2))
    )
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        # Glyph 0 is the box.
        def glyph(character: int, number: int = number, start: int = start) -> int:
            if not offsets[number]:
                return int(character + deltas[number]) % 0x10000
            place = at + 16 + 3 * twice + 2 * number + offsets[number] + 2 * (character - start)
            if place + 2 > at + length:
                return 0
            (found,) = struct.unpack_from(">H", table, place)
            return int(found)

        present = (each for each in range(start, end + 1) if each < 0xFFFF and glyph(each))
        for _, run in groupby(enumerate(present), lambda each: each[1] - each[0]):
            characters = [each for _, each in run]
            yield characters[0], characters[-1]


def _part(table: bytes, start: int, length: int) -> bytes:
    part = table[start : start + length]
    if len(part) < length:
        raise ValueError("it ends too soon")
    return part
