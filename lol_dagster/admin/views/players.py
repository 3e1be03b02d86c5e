"""Players, with their accounts and teams."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import flash, make_response, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload
from wtforms import Form, StringField
from wtforms.validators import InputRequired

from lol_dagster.admin.context import admin_context, current_who
from lol_dagster.admin.display import row_links
from lol_dagster.admin.filters import Filter
from lol_dagster.admin.forms import EntryForm, FieldError, names_of
from lol_dagster.admin.merging import typed_value
from lol_dagster.admin.roster_view import RosterView
from lol_dagster.admin.transactions import end_reading, reading
from lol_dagster.admin.views.accounts import State, account_state
from lol_dagster.admin.views.memberships import MembershipList, TeamRow, save_rows
from lol_dagster.admin.views.played import RecentGames, recent_games
from lol_dagster.admin.views.ranks import ShownRank, ranks_of
from lol_dagster.pipeline.forgetting import forget_player, what_goes
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.players import remove_player, rename_player
from lol_dagster.storage.models import Account, Membership, Player, Team
from lol_dagster.storage.searching import has_part


class PlayerForm(EntryForm):
    """A player with their memberships."""

    name = StringField("Name", [InputRequired("Enter a name for the player.")])
    memberships = MembershipList(TeamRow, "Teams")


class PlayerView(RosterView):
    """The list of players. A new one is added with an account: see accounts.py."""

    can_edit = True
    remove_words = "Remove the player"
    remove_question = (
        "Remove this player? Their memberships end now; games and messages are kept. A player "
        "without any game is deleted, with their accounts."
    )
    column_list = ("name", "accounts", "teams", "created_at")
    column_details_list = ("created_at",)
    column_labels = {"created_at": "Added"}
    column_searchable_list = ("name",)
    column_sortable_list = ("name", "created_at")
    column_default_sort = "name"
    typed_columns = (typed_value("name"),)
    list_template = "roster/players.html"
    edit_template = "roster/player_edit.html"
    details_template = "roster/player.html"

    column_filters = (
        Filter(
            "In the team",
            lambda value: Player.id.in_(
                select(Membership.player_id)
                .join(Membership.team)
                .where(has_part(Team.name, value), Membership.until.is_(None))
            ),
        ),
    )

    def search_placeholder(self) -> str:
        return "name or Riot ID"

    def get_query(self) -> Any:
        return (
            super()
            .get_query()
            .options(
                selectinload(Player.accounts),
                selectinload(Player.memberships.and_(Membership.until.is_(None))).joinedload(
                    Membership.team
                ),
            )
        )

    def searched(self, text: str) -> ColumnElement[bool]:
        riot_id = Account.game_name + "#" + Account.tag_line
        return or_(
            has_part(Player.name, text),
            Player.id.in_(select(Account.player_id).where(has_part(riot_id, text))),
        )

    def get_edit_form(self) -> type[Form]:
        return PlayerForm

    def save(self, session: Session, form: Form, row: Player | None) -> Player:
        assert row is not None, "players are added with an account, on another page"
        if form.name.data != row.name:
            try:
                rename_player(session, row.id, form.name.data, version=row.version)
            except RosterError as error:
                raise FieldError("name", str(error)) from None
        save_rows(session, form.memberships, player=row, now=self.now())
        return row

    def remove(self, session: Session, row: Player) -> None:
        _, for_good = remove_player(session, row.name, team=None, now=self.now())
        flash(
            f"{row.name} had no game and was deleted."
            if for_good
            else f"{row.name} is no longer in any team; games and accounts are kept.",
            "success",
        )

    @expose("/forget/", methods=["GET", "POST"])
    def forget_view(self) -> ResponseReturnValue:
        """What would go; and, once the name was typed, gone."""
        context = admin_context()
        player: Player = self.get_one(request.values.get("id"))
        wrong = None
        if request.method == "POST":
            if request.form.get("name", "").strip() == player.name:
                end_reading()
                forget_player(context.database, player.id, who=current_who(), now=self.now())
                flash("Forgotten.", "success")
                return redirect(self.get_url(".index_view"), 303)
            wrong = f"Enter the name {player.name} to confirm."
        goes = asdict(what_goes(reading(), player))
        page = self.render("roster/player_forget.html", model=player, goes=goes, wrong=wrong)
        return make_response(page, 422 if wrong else 200)

    @action("delete", "Remove", "Remove these players from all their teams?")
    def action_delete(self, ids: list[str]) -> None:
        self.remove_each(ids)

    def known_names(self) -> list[str]:
        """Suggestions for a team's name."""
        return names_of(Team)

    def accounts_of(self, player: Player) -> list[tuple[Account, State]]:
        """The player's accounts, each with its state."""
        rows = reading().scalars(
            select(Account)
            .where(Account.player_id == player.id)
            .options(joinedload(Account.poll))
            .order_by(Account.id)
        )
        return [(row, account_state(row, self.now())) for row in rows]

    def past_and_present(self, player: Player) -> list[Membership]:
        """The player's memberships: open ones first, then the latest."""
        rows = reading().scalars(
            select(Membership)
            .where(Membership.player_id == player.id)
            .options(joinedload(Membership.team), joinedload(Membership.player))
        )
        return sorted(rows, key=lambda row: (row.until is not None, -row.since.timestamp()))

    def ranks_of(self, accounts: list[tuple[Account, State]]) -> list[ShownRank]:
        return ranks_of(reading(), [account for account, _ in accounts])

    def recent_games(self, player: Player) -> RecentGames:
        return recent_games(reading(), player.id, now=self.now())

    column_formatters = {
        "accounts": lambda _view, _context, player, _name: row_links(
            "account", [(row.id, row.riot_id) for row in player.accounts]
        ),
        "teams": lambda _view, _context, player, _name: row_links(
            "team",
            [(row.team.id, row.team.name) for row in player.memberships if row.until is None],
        ),
    }
    column_formatters_export = {
        "accounts": lambda _view, _context, player, _name: [row.riot_id for row in player.accounts],
        "teams": lambda _view, _context, player, _name: [
            row.team.name for row in player.memberships if row.until is None
        ],
    }


def register(admin: Admin) -> None:
    admin.add_view(PlayerView(Player, name="Players", endpoint="player", category="Roster"))
