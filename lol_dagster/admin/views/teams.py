"""Teams, and who belongs to them from when until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from flask import flash, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, selectinload
from wtforms import Form, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from lol_dagster.admin.display import row_links, sentence
from lol_dagster.admin.forms import EntryForm, FieldError, names_of, number_in
from lol_dagster.admin.merging import typed_value
from lol_dagster.admin.roster_view import RosterView, removed_filter
from lol_dagster.admin.security.request_checks import way_back
from lol_dagster.admin.transactions import reading, writing
from lol_dagster.admin.views.memberships import MembershipList, PlayerRow, save_rows
from lol_dagster.errors import UserError
from lol_dagster.messages.language import LANGUAGES
from lol_dagster.roster.errors import RosterError, TimeZoneError
from lol_dagster.roster.memberships import end_membership
from lol_dagster.roster.teams import add_team, change_team, remove_team
from lol_dagster.roster.versions import as_seen
from lol_dagster.storage.models import Channel, Membership, Player, Team
from lol_dagster.storage.searching import has_part

_AT_ONCE = 500
"""Ids in one query: databases take only so many."""


class TeamForm(EntryForm):
    """A team with its memberships."""

    name = StringField("Name", [InputRequired("Enter a name for the team.")])
    language = SelectField(
        "Language of its messages",
        [InputRequired()],
        default="en",
        choices=[SelectChoice(code, name) for code, name in LANGUAGES.items()],
        description="What was posted stays as it is until there is more to say in it.",
    )
    time_zone = StringField(
        "Time zone",
        [InputRequired("Enter a time zone, such as Europe/Berlin.")],
        default="UTC",
        description="Of its messages' times and its channels' quiet hours, by IANA's name, such as Europe/Berlin. Where Discord "
        "and Slack can, they show each reader their own.",
    )
    memberships = MembershipList(PlayerRow, "Players")


class TeamView(RosterView):
    """The list of teams."""

    can_create = True
    can_edit = True
    create_words = "Add a team"
    remove_words = "Remove the team"
    remove_question = (
        "Remove this team? Its memberships end now and its channels stop receiving messages. "
        "Its history is kept."
    )
    column_list = ("name", "members", "channels", "created_at")
    column_details_list = ("language", "time_zone", "created_at")
    column_labels = {"created_at": "Added", "members": "Players"}
    column_searchable_list = ("name",)
    column_sortable_list = ("name", "created_at")
    column_default_sort = "name"
    column_filters = (removed_filter(Team.removed_at),)
    typed_columns = (
        typed_value("name"),
        typed_value("language", LANGUAGES.__getitem__),
        typed_value("time_zone"),
    )
    create_template = "roster/team_create.html"
    edit_template = "roster/team_edit.html"
    details_template = "roster/team.html"

    def get_list(self, *arguments: Any, **options: Any) -> Any:
        count, rows = super().get_list(*arguments, **options)
        ids = [row.id for row in rows]
        g.members = _by_team(
            ids,
            lambda some: (
                select(Membership.team_id, Player.id, Player.name)
                .join(Membership.player)
                .where(Membership.team_id.in_(some), Membership.until.is_(None))
                .order_by(func.lower(Player.name))
            ),
        )
        g.channels = _by_team(
            ids,
            lambda some: (
                select(Channel.team_id, Channel.id, Channel.name)
                .where(Channel.team_id.in_(some), Channel.removed_at.is_(None))
                .order_by(func.lower(Channel.name))
            ),
        )
        return count, rows

    def searched(self, text: str) -> ColumnElement[bool]:
        return has_part(Team.name, text)

    def get_create_form(self) -> type[Form]:
        return TeamForm

    def get_edit_form(self) -> type[Form]:
        return TeamForm

    def save(self, session: Session, form: Form, row: Team | None) -> Team:
        typed = {name: form[name].data for name in ("name", "language", "time_zone")}
        try:
            if row is None:
                row = add_team(session, **typed, now=self.now())
            elif any(getattr(row, column) != value for column, value in typed.items()):
                row = change_team(session, row.id, **typed, version=row.version, now=self.now())
        except TimeZoneError as error:
            raise FieldError("time_zone", str(error)) from None
        except RosterError as error:
            raise FieldError("name", str(error)) from None
        save_rows(session, form.memberships, team=row, now=self.now())
        return row

    def remove(self, session: Session, row: Team) -> None:
        remove_team(session, row.name, even_if_used=True, now=self.now())

    @action(
        "delete",
        "Remove",
        "Remove these teams? Their memberships end and their channels are removed.",
    )
    def action_delete(self, ids: list[str]) -> None:
        self.remove_each(ids)

    @expose("/end/", methods=["POST"])
    def end_view(self) -> ResponseReturnValue:
        """End one membership now."""
        row_id, version = (number_in(request.form.get(name)) for name in ("id", "version"))
        try:
            with writing() as session:
                row = as_seen(session, Membership, row_id, version)
                if row.until is None:
                    end_membership(row, self.now())
                said = f"{row.player.name} is no longer in the team {row.team.name}."
        except UserError as error:
            flash(sentence(error), "error")
        else:
            flash(said, "success")
        back = request.form.get("back", "")
        return redirect(way_back(back, self.get_url(".index_view")), 303)

    def known_names(self) -> list[str]:
        """Suggestions for a player's name."""
        return names_of(Player)

    def past_and_present(self, team: Team) -> list[Membership]:
        """The team's memberships: open ones first, then the latest."""
        rows = reading().scalars(
            select(Membership)
            .where(Membership.team_id == team.id)
            .options(selectinload(Membership.player))
        )
        return sorted(rows, key=lambda row: (row.until is not None, -row.since.timestamp()))

    def live_channels(self, team: Team) -> list[Channel]:
        return list(
            reading().scalars(
                select(Channel)
                .where(Channel.team_id == team.id, Channel.removed_at.is_(None))
                .order_by(Channel.name)
            )
        )

    column_formatters = {
        "members": lambda _view, _context, team, _name: row_links("player", g.members[team.id]),
        "channels": lambda _view, _context, team, _name: row_links("channel", g.channels[team.id]),
    }
    column_formatters_export = {
        "members": lambda _view, _context, team, _name: [name for _, name in g.members[team.id]],
        "channels": lambda _view, _context, team, _name: [name for _, name in g.channels[team.id]],
    }


def _by_team(
    ids: list[int], query: Callable[[list[int]], Select[int, int, str]]
) -> dict[int, list[tuple[int, str]]]:
    """Id and name of what belongs to each of the teams: a few queries for a whole list."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for start in range(0, len(ids), _AT_ONCE):
        for team_id, row_id, name in reading().execute(query(ids[start : start + _AT_ONCE])):
            found[team_id].append((row_id, name))
    return found


def register(admin: Admin) -> None:
    admin.add_view(TeamView(Team, name="Teams", endpoint="team", category="Roster"))
