"""How much of a text fits into a width, in Noto Sans.

SVG neither wraps nor shortens a text, so it is done here, by classes of characters: a little too
wide as a rule. The drawing cuts off whatever is wider after all.
"""

from __future__ import annotations

import unicodedata

_NARROW = frozenset("ijlItfr.,:;!|'`()[]{}/\\- ·")
_WIDE = frozenset("mwMWQOG@%&")
_EMS = {"narrow": 0.34, "wide": 0.92, "upper": 0.68, "other": 0.58, "full": 1.0, "none": 0.0}
_BOLD = 1.08
_ELLIPSIS = "…"
_JOINERS = "\u200c\u200d\ufe0f"


def width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is, in the unit of the font's size."""
    ems = sum(_EMS[_kind(character)] for character in text)
    return ems * size * (_BOLD if bold else 1.0)


def fitted(text: str, size: float, space: float, *, bold: bool = False) -> str:
    """The text, or as much of its beginning as fits with an ellipsis; never half a character that
    consists of several.
    """
    if width(text, size, bold=bold) <= space:
        return text
    space -= width(_ELLIPSIS, size, bold=bold)
    end = 0
    for character in text:
        space -= width(character, size, bold=bold)
        if space < 0:
            break
        end += 1
    while end and _belongs_to_the_last(text[end : end + 1]):
        end -= 1
    return text[:end].rstrip(_JOINERS + " ") + _ELLIPSIS


def _belongs_to_the_last(character: str) -> bool:
    return character != "" and (character in _JOINERS or _kind(character) == "none")


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Mn", "Me", "Cf"}:
        return "none"
    if unicodedata.east_asian_width(character) in {"W", "F"} or category == "So":
        return "full"
    if character in _NARROW:
        return "narrow"
    if character in _WIDE:
        return "wide"
    return "upper" if category == "Lu" else "other"
