"""The audit trail: who changed what, when, from what to what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_admin import Admin
from markupsafe import Markup

from lol_dagster.admin.filters import DayFilter, Filter
from lol_dagster.admin.model_view import HouseModelView
from lol_dagster.admin.shown import NOTHING
from lol_dagster.admin.views.names import link
from lol_dagster.storage.models import AuditEntry

_PAGES = {
    "players": "player",
    "accounts": "account",
    "teams": "team",
    "channels": "channel",
    "messages": "message",
    "matches": "game",
}
"""Table → the endpoint on which its rows are seen."""
_TABLES = (*_PAGES, "memberships")
_LONGEST = 300


class AuditView(HouseModelView):
    """The list of changes and decisions."""

    can_view_details = False
    column_list = ("at", "who", "action", "row", "change")
    column_labels = {"at": "When (UTC)", "action": "What", "row": "Of"}
    column_export_list = ("at", "who", "action", "table", "row", "before", "after")
    column_sortable_list = ("at",)
    column_default_sort = ("id", True)
    column_display_actions = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.column_filters = (
            Filter(
                "Of",
                lambda value: AuditEntry.table == value,
                options=[(each, each) for each in _TABLES],
            ),
            Filter("Row", lambda value: AuditEntry.row == value.strip()),
            Filter("Who", lambda value: AuditEntry.who.icontains(value.strip(), autoescape=True)),
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
    name = Markup("{} {}").format(
        entry.table.removesuffix("s").replace("matche", "game"), entry.row
    )
    endpoint = _PAGES.get(entry.table)
    return name if endpoint is None else link(endpoint, entry.row, name)


def _change(entry: AuditEntry) -> Markup:
    """What was and what is, a line for each value."""
    lines = [
        Markup('<div><span class="faint">{}:</span> {}</div>').format(
            name.replace("_", " "), _between(before, after)
        )
        for name, before, after in _values(entry)
    ]
    return Markup("").join(lines) or NOTHING


def _values(entry: AuditEntry) -> Iterator[tuple[str, Any, Any]]:
    """Name, before and after of each value that is another one now."""
    before, after = entry.before or {}, entry.after or {}
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        # A secret stands as «changed» on both sides.
        if was != now or (was == "changed" and entry.action == "changed"):
            yield name, was, now


def _between(before: Any, after: Any) -> Markup:
    if before == after:
        return Markup("<em>{}</em>").format(before)
    if before is None:
        return Markup("{}").format(_text(after))
    if after is None:
        return Markup("<del>{}</del>").format(_text(before))
    return Markup("<del>{}</del> → {}").format(_text(before), _text(after))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def register(admin: Admin) -> None:
    admin.add_view(
        AuditView(AuditEntry, name="Audit trail", endpoint="audit", category="Looking back")
    )
