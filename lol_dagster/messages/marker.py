"""The marker that a posted message carries: which message it is, in which revision.

The delivery protocol finds a message again by it (docs/delivery.md); where it is put is the
renderers' business.
"""

from __future__ import annotations

import re

_MARKER = re.compile(r"([A-Za-z0-9-]{1,64})\.([0-9]{1,9})")


def write_marker(message_id: str, rev: int) -> str:
    """`<message id>.<revision>`: URL-safe, at most 74 characters."""
    return f"{message_id}.{rev}"


def parse_marker(text: object) -> tuple[str, int] | None:
    """Message id and revision, or None if `text` is no marker."""
    found = _MARKER.fullmatch(text) if isinstance(text, str) else None
    return (found[1], int(found[2])) if found else None
