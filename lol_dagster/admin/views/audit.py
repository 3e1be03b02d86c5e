"""The audit trail: who changed what, when, from what to what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask_admin import Admin
from markupsafe import Markup, escape

from lol_dagster.admin.display import NOTHING, instant, row_link
from lol_dagster.admin.filters import DayFilter, Filter
from lol_dagster.admin.forms import number_in
from lol_dagster.admin.model_view import BaseModelView
from lol_dagster.admin.transactions import reading
from lol_dagster.storage.models import Account, AuditEntry, Base, Channel, Player, Team
from lol_dagster.storage.searching import has_part

_PAGES = {
    "players": "player",
    "accounts": "account",
    "teams": "team",
    "channels": "channel",
    "messages": "message",
    "matches": "game",
}
"""Table → the endpoint that shows its rows."""
_TABLES = (*_PAGES, "memberships")
_NAMED: dict[str, type[Base]] = {
    "player": Player,
    "account": Account,
    "team": Team,
    "channel": Channel,
}
_MOMENTS = {"created_at", "removed_at", "since", "until"}
_SECRETS = {"address"}
_LONGEST = 300


class AuditView(BaseModelView):
    """The list of changes and decisions."""

    can_view_details = False
    column_list = ("at", "who", "action", "row", "change")
    column_labels = {"at": "When", "action": "Action", "row": "Entry"}
    column_export_list = ("at", "who", "action", "table", "row", "before", "after")
    column_sortable_list = ("at",)
    column_default_sort = ("id", True)
    column_display_actions = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.column_filters = (
            Filter(
                "Table",
                lambda value: AuditEntry.table == value,
                options=[(each, each) for each in _TABLES],
            ),
            Filter("Id", lambda value: AuditEntry.row == value.strip()),
            Filter("Who", lambda value: has_part(AuditEntry.who, value.strip())),
            DayFilter("From", AuditEntry.at),
            DayFilter("To", AuditEntry.at, last=True),
        )
        super().__init__(*arguments, **options)

    column_formatters = {
        "row": lambda _view, _context, entry, _name: _row(entry),
        "change": lambda _view, _context, entry, _name: _change(entry),
    }
    column_formatters_export: dict[str, Any] = {}


def _row(entry: AuditEntry) -> Markup:
    endpoint = _PAGES.get(entry.table)
    if endpoint is None:
        return Markup("{} {}").format(entry.table.removesuffix("s"), entry.row)
    return Markup("{} {}").format(endpoint, _named(endpoint, entry.row))


def _named(endpoint: str, key: Any) -> Markup:
    """A link to a row's page, with its name if it still exists."""
    model = _NAMED.get(endpoint)
    row = None if model is None else reading().get(model, number_in(key))
    return row_link(endpoint, key, str(key if row is None else row))


def _change(entry: AuditEntry) -> Markup:
    """Before and after, a line for each value."""
    lines = [
        Markup('<div><span class="faint">{}:</span> {}</div>').format(
            name.removesuffix("_id").replace("_", " "), _between(name, before, after)
        )
        for name, before, after in _values(entry)
    ]
    return Markup("").join(lines) or NOTHING


def _values(entry: AuditEntry) -> Iterator[tuple[str, Any, Any]]:
    """Name, before and after of each value that changed."""
    before, after = entry.before or {}, entry.after or {}
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        # A secret is «changed» on both sides.
        if was != now or (was == "changed" and entry.action == "changed"):
            yield name, was, now


def _between(name: str, before: Any, after: Any) -> Markup:
    was, now = _value(name, before), _value(name, after)
    if before == after:  # a secret: only that it changed
        return Markup("<em>changed</em>")
    if before is None:
        return now
    if after is None:
        return Markup("<del>{}</del>").format(was)
    return Markup("<del>{}</del> → {}").format(was, now)


def _value(name: str, value: Any) -> Markup:
    """A value as people read it: rows by name, moments to the minute."""
    endpoint = name.removesuffix("_id")
    if endpoint in _NAMED and isinstance(value, int):
        return _named(endpoint, value)
    if name in _SECRETS and value == "changed":
        return Markup("<em>not shown</em>")
    if name in _MOMENTS and isinstance(value, str):
        with contextlib.suppress(ValueError):
            return instant(datetime.fromisoformat(value))
    return escape(_text(value))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def register(admin: Admin) -> None:
    admin.add_view(AuditView(AuditEntry, name="Audit trail", endpoint="audit", category="History"))
