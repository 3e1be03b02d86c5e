"""Rows of memberships inside the forms of teams and players.

Rows and never one box with everybody in it: a box is saved as a whole, so that a player whom somebody
else has just added would silently be removed again. Nothing is deleted here: a membership ends.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_admin.form import BaseForm
from flask_admin.model.fields import InlineFieldList, InlineModelFormField
from sqlalchemy.orm import Session
from wtforms import BooleanField, Form, HiddenField, StringField
from wtforms.validators import InputRequired, Optional

from lol_dagster.admin.display import sentence
from lol_dagster.admin.forms import IN_THE_FUTURE, InstantField, number_in
from lol_dagster.admin.merging import refuse_if_stale, typed_instant, typed_value
from lol_dagster.errors import UserError
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.memberships import add_membership, correct_membership
from lol_dagster.roster.players import get_player
from lol_dagster.roster.teams import get_team
from lol_dagster.storage.models import Membership, Player, Team

_TYPED = (
    typed_instant("since"),
    typed_instant("until"),
    typed_value("left_out", lambda value: "left out" if value else "not left out"),
)


class _Entry(BaseForm):
    id = HiddenField()
    version = HiddenField()


class _PlayerName(_Entry):
    player = StringField(
        "Player",
        [InputRequired("Enter a player.")],
        render_kw={"list": "names", "autocomplete": "off"},
    )


class _TeamName(_Entry):
    team = StringField(
        "Team",
        [InputRequired("Enter a team.")],
        render_kw={"list": "names", "autocomplete": "off"},
    )


class _Span(BaseForm):
    since = InstantField("From (UTC)", [Optional()])
    until = InstantField("Until (UTC)", [Optional()])
    left_out = BooleanField("Left out")


# A form's fields come in the order in which they are defined.


class PlayerRow(_PlayerName, _Span):
    """A membership in a team's form."""


class TeamRow(_TeamName, _Span):
    """A membership in a player's form."""


class MembershipList(InlineFieldList):
    """The rows. The box of a current one ends it."""

    remove_words = "End now"
    hint = "A new row without a start date starts now. No message names who is left out."
    add_words = "Add a row"

    def __init__(self, row: type[Form], label: str, **options: Any) -> None:
        super().__init__(InlineModelFormField(row, "id"), label, **options)

    def display_row_controls(self, field: InlineModelFormField) -> bool:
        return field.form.until.data is None

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        # Only what was sent counts: stored rows go by their id, never by their place, which another may
        # have by now.
        stored = () if formdata else data or ()
        rows = sorted(stored, key=lambda row: (row.until is not None, -row.since.timestamp()))
        super().process(formdata, rows, extra_filters)
        for entry in self.entries:
            # Whose it is cannot be changed: a membership ends, another begins.
            if entry.form.id.data:
                name = entry.form.player if "player" in entry.form else entry.form.team
                name.render_kw = {"readonly": True}


def save_rows(
    session: Session,
    rows: MembershipList,
    *,
    team: Team | None = None,
    player: Player | None = None,
    now: datetime,
) -> None:
    """Write what was typed into the rows of a team or of a player.

    Raises:
        UserError: a row cannot be written; the row says why.
    """
    for entry in rows.entries:
        form = entry.form
        try:
            if form.id.data:
                _correct(session, form, now, ends=rows.should_delete(entry))
            elif not rows.should_delete(entry):
                _add(session, form, team, player, now)
        except UserError as error:
            # Above the row's fields, unless it is known which one it is about.
            if not any(field.errors for field in form):
                form.since.errors = [*form.since.errors, sentence(error)]
            raise UserError("not saved: see the marked row") from None


def _correct(session: Session, form: Form, now: datetime, *, ends: bool) -> None:
    row = session.get(Membership, number_in(form.id.data), with_for_update=True)
    if row is None:
        raise RosterError("this membership no longer exists")
    if form.since.data is None:
        form.since.errors = ["Enter a start date."]
        raise RosterError("no start date")
    changed = refuse_if_stale(session, row, form, _TYPED, version_field="version")
    if ends and row.until is None:
        correct_membership(
            session,
            row.id,
            since=row.since,
            until=max(now, row.since),
            version=row.version,
            now=now,
        )
    elif changed:
        _refuse_future(form, now)
        correct_membership(
            session,
            row.id,
            since=_exact(form.since.data, row.since) or row.since,
            until=_exact(form.until.data, row.until),
            left_out=form.left_out.data,
            version=row.version,
            now=now,
        )


def _add(
    session: Session, form: Form, team: Team | None, player: Player | None, now: datetime
) -> None:
    name = form.player if player is None else form.team
    try:
        player = player or get_player(session, name.data)
        team = team or get_team(session, name.data)
    except RosterError as error:
        name.errors = [*name.errors, sentence(error)]
        raise
    _refuse_future(form, now)
    add_membership(
        session,
        team,
        player,
        since=form.since.data or now,
        until=form.until.data,
        left_out=form.left_out.data,
    )


def _refuse_future(form: Form, now: datetime) -> None:
    for field in (form.since, form.until):
        if field.data is not None and field.data > now:
            field.errors = [*field.errors, IN_THE_FUTURE]
            raise RosterError("in the future")


def _exact(typed: datetime | None, was: datetime | None) -> datetime | None:
    """What is typed to the minute; the moment as it was if that is the same minute."""
    if typed is not None and was is not None and typed == was.replace(second=0, microsecond=0):
        return was
    return typed
