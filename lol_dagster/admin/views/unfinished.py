"""Match ids that are not processed: on their way, quarantined, ignored, or never given."""

from __future__ import annotations

from typing import Any

from flask_admin import Admin

from lol_dagster.admin.display import match_state, row_link
from lol_dagster.admin.filters import Filter
from lol_dagster.admin.model_view import BaseModelView
from lol_dagster.storage.models import Match
from lol_dagster.storage.models.games import MATCH_STATES

_STATES = [each for each in MATCH_STATES if each != "processed"]


class UnfinishedView(BaseModelView):
    """The list of matches that are not processed."""

    can_view_details = False
    column_list = ("match_id", "state", "listed_at", "next_try_at", "tries", "last_error")
    column_labels = {
        "match_id": "Game",
        "listed_at": "Listed",
        "next_try_at": "Next try",
    }
    column_searchable_list = ("match_id",)
    column_sortable_list = ("listed_at", "next_try_at", "tries")
    column_default_sort = ("listed_at", True)
    column_display_actions = False
    column_filters = (
        Filter(
            "State",
            lambda value: Match.state == value,
            options=[(each, each.replace("_", " ")) for each in _STATES],
        ),
    )
    column_formatters = {
        "match_id": lambda _view, _context, row, _name: row_link(
            "game", row.match_id, row.match_id
        ),
        "state": lambda _view, _context, row, _name: match_state(row.state),
    }
    column_formatters_export: dict[str, Any] = {}

    def search_placeholder(self) -> str:
        return "match id"

    def get_empty_list_message(self) -> str:
        return "Every game that Riot has listed is processed."

    def get_query(self) -> Any:
        return super().get_query().filter(Match.state.in_(_STATES))


def register(admin: Admin) -> None:
    admin.add_view(
        UnfinishedView(Match, name="Unprocessed", endpoint="unfinished", category="Games")
    )
