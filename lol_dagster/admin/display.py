"""How values are shown: moments, states, links to rows and runs. Everything here escapes its input."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import g, url_for
from markupsafe import Markup

from lol_dagster.admin.transactions import reading
from lol_dagster.monitoring.failed_jobs import ui_url

NOTHING = Markup('<span class="faint">–</span>')


def instant(value: datetime) -> Markup:
    """A moment, to the minute, in the viewer's own time zone; the exact one in UTC as a tooltip and for
    machines. Without scripts it is shown in UTC.
    """
    value = value.astimezone(UTC)
    return Markup(
        '<time datetime="{}" title="{} UTC" data-own-zone="16">{}</time><noscript> UTC</noscript>'
    ).format(value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S}", f"{value:%Y-%m-%d %H:%M}")


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


def sentence(said: object) -> str:
    """An error or a line as a sentence: a capital first, a full stop last."""
    text = str(said)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…", "?")) else ".")


TYPE_FORMATTERS: dict[type, Any] = {
    type(None): lambda _view, _value, _name: NOTHING,
    bool: lambda _view, value, _name: "yes" if value else "no",
    datetime: lambda _view, value, _name: instant(value),
    list: lambda _view, value, _name: ", ".join(str(each) for each in value),
}
"""By type, how a value looks in a list and on a page of details."""


_MESSAGE = {
    "delivered": "good",
    "needs_review": "bad",
    "dropped": "warn",
    "blocked": "warn",
    "uncertain": "warn",
}
_STAGE = {"done": "good", "failed": "bad", "given up": "warn"}
_MATCH = {"quarantined": "bad", "not_found": "warn", "processed": "good"}


def message_state(state: str) -> Markup:
    return mark(state.replace("_", " "), _MESSAGE.get(state, ""))


def stage_state(state: str) -> Markup:
    return mark(state, _STAGE.get(state, ""))


def match_state(state: str) -> Markup:
    return mark(state.replace("_", " "), _MATCH.get(state, ""))


def mark(word: str, kind: str) -> Markup:
    """
    Args:
        kind: `good`, `bad`, `warn`, or "" for neither.
    """
    return Markup('<span class="state {}">{}</span>').format(kind, word)


_MOST = 12


def row_links(endpoint: str, rows: Iterable[tuple[int, str]]) -> Markup:
    """Names, each with a link to its page; the first dozen of them.

    Args:
        endpoint: Of the list whose rows they are.
        rows: Id and name.
    """
    all_of_them = list(rows)
    links = [row_link(endpoint, row_id, name) for row_id, name in all_of_them[:_MOST]]
    more = len(all_of_them) - _MOST
    if more > 0:
        links.append(Markup("and {} more").format(more))
    return Markup(", ").join(links) if links else Markup('<span class="faint">–</span>')


def row_link(endpoint: str, row_id: int | str, name: str) -> Markup:
    """A name with a link to its page."""
    return Markup('<a href="{}">{}</a>').format(
        url_for(f"{endpoint}.details_view", id=row_id), name
    )


_SHORT = 8


def run_links(run_id: str | None) -> Markup:
    """A run's short id, with links to it in Dagster and to what it has logged."""
    if run_id is None:
        return NOTHING
    log = Markup('<a href="{}">log</a>').format(url_for("logs.index", run=run_id))
    url = _ui_url()
    if url is None:
        return Markup("<code>{}</code> · {}").format(run_id[:_SHORT], log)
    return Markup('<a href="{}/runs/{}"><code>{}</code></a> · {}').format(
        url, run_id, run_id[:_SHORT], log
    )


def partition_url(match_id: str) -> str | None:
    """A game's partition of the asset `games`; None while Dagster's UI has never run."""
    url = _ui_url()
    return url and f"{url}/assets/games?view=partitions&partition={match_id}"


def _ui_url() -> str | None:
    if "ui_url" not in g:
        g.ui_url = ui_url(reading())
    url: str | None = g.ui_url
    return url
