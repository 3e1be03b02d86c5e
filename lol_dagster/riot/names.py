"""Riot IDs as the game's client puts them on the clipboard, and as Riot's answers have them."""

from __future__ import annotations

import unicodedata


def without_format_characters(text: str) -> str:
    """A name without what nobody sees and what turns other characters around: bidirectional isolates and
    overrides, zero-width spaces, byte order marks. They are no part of a Riot ID.
    """
    return "".join(c for c in text if unicodedata.category(c) != "Cf")
