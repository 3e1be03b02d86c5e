"""Games that were quarantined: what is wrong with each, and what can be done about it."""

from __future__ import annotations

import json
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from flask_admin.form import BaseForm
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session
from wtforms import StringField
from wtforms.validators import Length, Optional

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import mark, sentence
from lol_dagster.admin.export import attachment
from lol_dagster.admin.filters import DayFilter, Filter
from lol_dagster.admin.forms import stripped
from lol_dagster.admin.model_view import BaseModelView
from lol_dagster.admin.transactions import end_reading, reading
from lol_dagster.errors import UserError
from lol_dagster.pipeline import quarantine as games
from lol_dagster.pipeline.process import STAGES
from lol_dagster.pipeline.scenario import export_scenario
from lol_dagster.storage.models import Match, Quarantine, RunRequest

_WHICH = "flt0_which"


class IgnoreForm(BaseForm):
    """Why a game is left be."""

    reason = StringField(
        "Why",
        [Optional(), Length(max=200, message="Say it in 200 characters.")],
        filters=[stripped],
        render_kw={"autocomplete": "off"},
    )


class QuarantineView(BaseModelView):
    """The list of games quarantined: those that are open unless others are asked for."""

    column_list = ("quarantined_at", "match_id", "stage", "error", "tries", "closed_as")
    column_labels = {
        "quarantined_at": "Quarantined",
        "match_id": "Game",
        "closed_as": "Now",
    }
    column_export_list = (
        "match_id", "stage", "error", "code_version", "tries", "quarantined_at", "run_id",
        "closed_at", "closed_as",
    )  # fmt: skip
    column_searchable_list = ("match_id", "error")
    column_sortable_list = ("quarantined_at", "match_id", "stage")
    column_default_sort = ("id", True)
    column_display_actions = False
    list_template = "games/quarantine.html"
    details_template = "games/quarantined.html"

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
            DayFilter("From", Quarantine.quarantined_at),
            DayFilter("To", Quarantine.quarantined_at, last=True),
        )
        super().__init__(*arguments, **options)

    def search_placeholder(self) -> str:
        return "match id or error"

    def get_query(self) -> Any:
        query = super().get_query()
        return query if request.args.get(_WHICH) else query.filter(_which("open"))

    def get_empty_list_message(self) -> str:
        return "No game is quarantined."

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """What is wrong with a game, with the traceback."""
        return self._page(request.args.get("id", ""), IgnoreForm())

    @expose("/retry/", methods=["POST"])
    def retry_view(self) -> ResponseReturnValue:
        """Have a game tried again."""
        row: Quarantine = self.get_one(request.form.get("id", ""))
        self._written(None, lambda session: _retry(session, row))
        return redirect(self.get_url(".details_view", id=row.id, _anchor="progress"), 303)

    @expose("/ignore/", methods=["POST"])
    def ignore_view(self) -> ResponseReturnValue:
        """Leave a game be for good."""
        row: Quarantine = self.get_one(request.form.get("id", ""))
        form = IgnoreForm(request.form)
        if not form.validate() or not self._written(
            form, lambda session: _ignore(session, row, form.reason.data)
        ):
            return self._page(row.id, form)
        flash(f"{row.match_id} is ignored: a retry takes that back.", "success")
        return redirect(self.get_url(".details_view", id=row.id), 303)

    @expose("/retry-all/", methods=["POST"])
    def retry_all_view(self) -> ResponseReturnValue:
        """Have all games that are quarantined tried again."""
        requests = self._written(
            None, lambda session: games.retry_all(session, session.info["who"], now=_now())
        )
        flash(_will_be_tried(len(requests or ())), "success")
        return redirect(self.get_url(".index_view"), 303)

    @expose("/export-case/")
    def case_view(self) -> ResponseReturnValue:
        """A game as a scenario for the test suite, with nobody's name in it."""
        row: Quarantine = self.get_one(request.args.get("id", ""))
        try:
            scenario = export_scenario(reading(), row.match_id)
        except UserError as error:
            flash(sentence(error), "error")
            return redirect(self.get_url(".details_view", id=row.id))
        text = json.dumps(scenario, indent=1, allow_nan=True) + "\n"
        return attachment(text, f"scenario-{row.match_id}.json")

    @action("retry", "Try again", None)
    def action_retry(self, ids: list[str]) -> None:
        flash(_will_be_tried(self.done_to_each(ids, _retry)), "success")

    @action("ignore", "Ignore", "Leave these games be? A retry takes that back.")
    def action_ignore(self, ids: list[str]) -> None:
        flash(f"Ignored {self.done_to_each(ids, _ignore)}.", "success")

    def _page(self, key: Any, form: IgnoreForm) -> ResponseReturnValue:
        end_reading()  # what was refused was so because of what is there now
        row: Quarantine = self.get_one(key)
        game = games.show_quarantined(reading(), row.match_id)
        earlier = [each for each in (*game.earlier, game.row) if each.id != row.id]
        return self.render(
            self.details_template, row=row, game=game, others=earlier[::-1], form=form
        )

    column_formatters = {
        "closed_as": lambda _view, _context, row, _name: (
            row.closed_as if row.closed_at else mark("open", "bad")
        ),
    }
    column_formatters_export: dict[str, Any] = {}


def _retry(session: Session, row: Quarantine) -> RunRequest:
    return games.retry(session, row.match_id, session.info["who"], now=_now())


def _ignore(session: Session, row: Quarantine, reason: str = "") -> Match:
    return games.ignore(session, row.match_id, session.info["who"], reason, now=_now())


def _which(value: str) -> ColumnElement[bool]:
    if value == "open":
        return Quarantine.closed_at.is_(None)
    if value == "closed":
        return Quarantine.closed_at.is_not(None)
    return Quarantine.id > 0


def _now() -> Any:
    return admin_context().now()


def _will_be_tried(count: int) -> str:
    if not count:
        return "No game is tried again."
    return f"{count} game{' is' if count == 1 else 's are'} tried again."


def register(admin: Admin) -> None:
    admin.add_view(
        QuarantineView(Quarantine, name="Quarantine", endpoint="quarantine", category="Games")
    )
