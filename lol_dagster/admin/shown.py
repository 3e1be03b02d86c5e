"""How values look on a page. Everything here escapes what it is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

NOTHING = Markup('<span class="faint">–</span>')


def instant(value: datetime) -> Markup:
    """A moment, to the minute, in UTC; the exact one as a tooltip and for machines."""
    value = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S}", f"{value:%Y-%m-%d %H:%M}"
    )


def ago(value: datetime, now: datetime) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `12 days ago`, or `in 5 min`."""
    distance = now - value
    size = abs(distance)
    if size < timedelta(minutes=1):
        return "just now"
    if size < timedelta(hours=1):
        span = f"{size // timedelta(minutes=1)} min"
    elif size < timedelta(days=2):
        span = f"{size // timedelta(hours=1)} h"
    else:
        span = f"{size // timedelta(days=1)} days"
    return f"{span} ago" if distance > timedelta(0) else f"in {span}"


def words(said: object) -> str:
    """What an error or a line says, as a sentence."""
    text = str(said)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…", "?")) else ".")


TYPE_FORMATTERS: dict[type, Any] = {
    type(None): lambda _view, _value, _name: NOTHING,
    bool: lambda _view, value, _name: "yes" if value else "no",
    datetime: lambda _view, value, _name: instant(value),
    list: lambda _view, value, _name: ", ".join(str(each) for each in value),
}
"""By type, how a value looks in a list and on a page of details."""
