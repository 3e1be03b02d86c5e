"""Games that were set aside: what is wrong with each, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from lol_dagster.admin.filters import DayFilter, Filter
from lol_dagster.admin.house import current_house
from lol_dagster.admin.model_view import HouseModelView
from lol_dagster.admin.shown import words
from lol_dagster.admin.transactions import reading, writing
from lol_dagster.admin.views.downloads import attachment
from lol_dagster.admin.views.marks import mark
from lol_dagster.errors import UserError
from lol_dagster.operations import quarantine as games
from lol_dagster.operations.scenario import export_scenario
from lol_dagster.operations.stages import STAGES
from lol_dagster.storage.models import Quarantine

_WHICH = "flt0_which"


class QuarantineView(HouseModelView):
    """The list of games set aside: those that are open unless others are asked for."""

    column_list = ("set_aside_at", "match_id", "stage", "error", "tries", "closed_as")
    column_labels = {
        "set_aside_at": "Set aside (UTC)",
        "match_id": "Game",
        "closed_as": "Now",
    }
    column_export_list = (
        "match_id", "stage", "error", "code_version", "tries", "set_aside_at", "run_id",
        "closed_at", "closed_as",
    )  # fmt: skip
    column_searchable_list = ("match_id", "error")
    column_sortable_list = ("set_aside_at", "match_id", "stage")
    column_default_sort = ("id", True)
    column_display_actions = False
    list_template = "seen/quarantine.html"
    details_template = "seen/set_aside.html"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.column_filters = (
            Filter(
                "Which",
                _which,
                options=(("closed", "closed"), ("all", "open and closed")),
                unchosen="open",
            ),
            Filter(
                "Stage",
                lambda value: Quarantine.stage == value,
                options=[(each, each) for each in STAGES],
            ),
            DayFilter("From", Quarantine.set_aside_at),
            DayFilter("To", Quarantine.set_aside_at, last=True),
        )
        super().__init__(*arguments, **options)

    def search_placeholder(self) -> str:
        return "match id or error"

    def get_query(self) -> Any:
        query = super().get_query()
        return query if request.args.get(_WHICH) else query.filter(_which("open"))

    def get_empty_list_message(self) -> str:
        return "No game is set aside."

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """What is wrong with a game, with the traceback."""
        row: Quarantine = self.get_one(request.args.get("id", ""))
        game = games.show_set_aside(reading(), row.match_id)
        earlier = [each for each in (*game.earlier, game.row) if each.id != row.id]
        return self.render(self.details_template, row=row, game=game, others=earlier[::-1])

    @expose("/retry/", methods=["POST"])
    def retry_view(self) -> ResponseReturnValue:
        """Have a game tried again."""
        row: Quarantine = self.get_one(request.form.get("id", ""))
        self._decided(lambda session, who: games.retry(session, row.match_id, who, now=_now()))
        return redirect(self.get_url(".details_view", id=row.id, _anchor="progress"), 303)

    @expose("/ignore/", methods=["POST"])
    def ignore_view(self) -> ResponseReturnValue:
        """Leave a game be for good."""
        row: Quarantine = self.get_one(request.form.get("id", ""))
        reason = request.form.get("reason", "").strip()[:200]
        if self._decided(
            lambda session, who: games.ignore(session, row.match_id, who, reason, now=_now())
        ):
            flash(f"{row.match_id} is ignored: a retry takes that back.", "success")
        return redirect(self.get_url(".details_view", id=row.id), 303)

    @expose("/retry-all/", methods=["POST"])
    def retry_all_view(self) -> ResponseReturnValue:
        """Have all games that are set aside tried again."""
        requests: list[Any] = []
        self._decided(
            lambda session, who: requests.extend(games.retry_all(session, who, now=_now()))
        )
        flash(_will_be_tried(len(requests)), "success")
        return redirect(self.get_url(".index_view"), 303)

    @expose("/export-case/")
    def case_view(self) -> ResponseReturnValue:
        """A game as a scenario for the test suite, with nobody's name in it."""
        row: Quarantine = self.get_one(request.args.get("id", ""))
        try:
            scenario = export_scenario(reading(), row.match_id)
        except UserError as error:
            flash(words(error), "error")
            return redirect(self.get_url(".details_view", id=row.id))
        text = json.dumps(scenario, indent=1, allow_nan=True) + "\n"
        return attachment(text, f"scenario-{row.match_id}.json")

    @action("retry", "Try again", None)
    def action_retry(self, ids: list[str]) -> None:
        tried = self._each(
            ids, lambda row, session, who: games.retry(session, row.match_id, who, now=_now())
        )
        flash(_will_be_tried(tried), "success")

    @action("ignore", "Ignore", "Leave these games be? A retry takes that back.")
    def action_ignore(self, ids: list[str]) -> None:
        ignored = self._each(
            ids, lambda row, session, who: games.ignore(session, row.match_id, who, "", now=_now())
        )
        flash(f"Ignored {ignored}.", "success")

    def _each(self, ids: Iterable[str], decide: Callable[[Quarantine, Session, str], Any]) -> int:
        """Decide the same about each game, each in a transaction of its own; how often it worked."""
        rows = self.rows_still_there(ids)
        return sum(self._decided(partial(decide, row)) for row in rows)

    def _decided(self, decide: Callable[[Session, str], Any]) -> bool:
        """Whether it could be done; if not, it has been said why."""
        try:
            with writing() as session:
                decide(session, session.info["who"])
        except UserError as error:
            flash(words(error), "error")
            return False
        return True

    column_formatters = {
        "closed_as": lambda _view, _context, row, _name: (
            row.closed_as if row.closed_at else mark("open", "bad")
        ),
    }
    column_formatters_export: dict[str, Any] = {}


def _which(value: str) -> ColumnElement[bool]:
    if value == "open":
        return Quarantine.closed_at.is_(None)
    if value == "closed":
        return Quarantine.closed_at.is_not(None)
    return Quarantine.id > 0


def _now() -> Any:
    return current_house().now()


def _will_be_tried(count: int) -> str:
    if not count:
        return "No game is tried again."
    return f"{count} game{' is' if count == 1 else 's are'} tried again."


def register(admin: Admin) -> None:
    admin.add_view(
        QuarantineView(Quarantine, name="Set aside", endpoint="quarantine", category="Games")
    )
