"""Riot accounts: the list, and the forms that add one, put a mistyped one right, or move one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from markupsafe import Markup
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, joinedload
from wtforms import Form, SelectField, StringField
from wtforms.validators import InputRequired, Optional

from lol_dagster.admin.account_lookup import LookUpForm
from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import NOTHING, ago, instant, row_link, sentence
from lol_dagster.admin.filters import Filter
from lol_dagster.admin.forms import InstantField
from lol_dagster.admin.merging import number_in
from lol_dagster.admin.roster_view import EntryForm, RosterView
from lol_dagster.admin.transactions import end_reading, reading, writing
from lol_dagster.admin.views.choices import names_of, offer_teams
from lol_dagster.errors import UserError
from lol_dagster.riot.routing import PLATFORM_NAMES
from lol_dagster.roster.accounts import add_account, correct_account, move_account, remove_account
from lol_dagster.roster.errors import AccountTakenError, AlreadyThereError
from lol_dagster.roster.names import clean_name, find_named
from lol_dagster.roster.players import add_player, get_player, players
from lol_dagster.roster.riot_lookup import KnownAccount, LastGame
from lol_dagster.roster.versions import StaleEntryError
from lol_dagster.stats.modes import queue_display_name
from lol_dagster.storage.models import Account, AccountPoll, Player

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """How things stand with an account."""

    kind: Literal["good", "warn", "bad", "new"]
    word: str
    said: str

    def __str__(self) -> str:
        return f"{self.word}: {self.said}" if self.said else self.word


def account_state(account: Account, now: datetime) -> State:
    """Whether an account is watched, and what keeps it from being so."""
    poll = account.poll
    if account.puuid is None:
        said = poll.last_error if poll and poll.last_error else "Riot is asked for it by itself"
        return State("warn", "to be resolved", said)
    if poll and poll.last_error:
        return State("bad", "trouble", poll.last_error)
    if poll and poll.last_good_poll_at:
        return State("good", "watched", f"looked at {ago(poll.last_good_poll_at, now)}")
    return State("new", "not looked at yet", "")


class AddForm(LookUpForm):
    """A player by Riot ID, into a team."""

    team = SelectField("Team", [InputRequired("Choose a team.")])
    name = StringField(
        "Name",
        [Optional()],
        description="What your group calls them. Empty: the name of the account.",
        render_kw={"autocomplete": "off"},
    )
    since = InstantField(
        "Since (UTC)",
        [Optional()],
        description="Games that ended before are not told. Empty: from now on.",
    )


class MoreForm(LookUpForm):
    """Another account of a player."""


class MoveForm(EntryForm):
    """Whose an account is."""

    player = StringField(
        "Player",
        [InputRequired("Name the player.")],
        render_kw={"list": "names", "autocomplete": "off"},
    )


class AccountView(RosterView):
    """The list of accounts. What is typed into it is looked up at Riot before it is saved."""

    can_edit = True
    remove_words = "Remove the account"
    remove_question = (
        "Remove this account? Its games no longer count for the player. What was told stays told."
    )
    column_list = ("riot_id", "player", "platform", "state", "last_played_at")
    column_details_list = ("player", "platform", "state", "last_played_at", "created_at", "puuid")
    column_labels = {
        "riot_id": "Riot ID",
        "last_played_at": "Last played",
        "created_at": "Added",
        "puuid": "PUUID",
    }
    column_searchable_list = ("game_name", "tag_line")
    column_sortable_list = (("riot_id", "game_name"), ("player", "player.name"), "platform")
    column_default_sort = "game_name"
    column_filters = (
        Filter(
            "Platform",
            lambda value: Account.platform == value,
            options=[(platform, platform) for platform in PLATFORM_NAMES],
        ),
        Filter(
            "State",
            lambda value: _STATES[value],
            options=(("to be resolved", "to be resolved"), ("trouble", "trouble")),
        ),
    )
    list_template = "roster/accounts.html"
    details_template = "roster/account.html"

    def search_placeholder(self) -> str:
        return "Riot ID or player"

    def get_query(self) -> Any:
        return super().get_query().options(joinedload(Account.player), joinedload(Account.poll))

    def searched(self, text: str) -> ColumnElement[bool]:
        return or_(
            (Account.game_name + "#" + Account.tag_line).icontains(text, autoescape=True),
            Account.player_id.in_(
                select(Player.id).where(Player.name.icontains(text, autoescape=True))
            ),
        )

    def remove(self, session: Session, row: Account) -> None:
        games = remove_account(session, row)
        if games:
            flash(f"{games} games no longer count.", "success")

    @action("delete", "Remove", "Remove these accounts? Their games no longer count.")
    def action_delete(self, ids: list[str]) -> None:
        self.remove_each(ids)

    def state_of(self, account: Account) -> State:
        return account_state(account, self.now())

    def known_names(self) -> list[str]:
        """What is offered for a player's name."""
        return names_of(Player)

    @expose("/add/", methods=["GET", "POST"])
    def add_view(self) -> ResponseReturnValue:
        """A player by Riot ID, in one form."""
        form = AddForm(request.form if request.method == "POST" else None, **self._asked_for())
        offer_teams(form.team, form.team.data)
        if not form.team.choices:
            flash("There is no team yet: add one first.", "error")
            return redirect(self.get_url("team.create_view"))
        end_reading()
        if form.is_submitted_and_valid() and self._may_be_added(form):
            known = form.chosen()
            if known is not None and (player := self._add_player(form, known)):
                flash(
                    f"{player.name} is in the team {form.team.data}, with {known.riot_id}"
                    + ("." if known.puuid else ", to be resolved."),
                    "success",
                )
                return redirect(self.get_url("player.details_view", id=player.id), 303)
        return self._look_up_page(form, "Add a player", self.get_url("team.index_view"))

    @expose("/more/", methods=["GET", "POST"])
    def more_view(self) -> ResponseReturnValue:
        """Another account of a player."""
        player = reading().get(Player, number_in(request.args.get("id"))) or abort(404)
        end_reading()
        form = MoreForm(request.form if request.method == "POST" else None)
        if form.is_submitted_and_valid() and (known := form.chosen()):
            try:
                with writing() as session:
                    add_account(session, _still_there(session, player), known, now=self.now())
            except UserError as error:
                form.refuse(error)
            else:
                flash(f"{player.name} also plays as {known.riot_id}.", "success")
                return redirect(self.get_url("player.details_view", id=player.id), 303)
        back = self.get_url("player.details_view", id=player.id)
        return self._look_up_page(form, f"Another account of {player.name}", back)

    @expose("/edit/", methods=["GET", "POST"])
    def edit_view(self) -> ResponseReturnValue:
        """Put a mistyped Riot ID right: the entry stays, with what counts for it."""
        account: Account = self.get_one(request.args.get("id"))
        end_reading()
        form = LookUpForm(
            request.form if request.method == "POST" else None,
            riot_id=account.riot_id,
            platform=account.platform,
            seen_version=str(account.version),
        )
        if form.is_submitted_and_valid() and (known := form.chosen(but=account.id)):
            try:
                with writing() as session:
                    seen = number_in(form.seen_version.data)
                    correct_account(session, account.id, known, version=seen)
            except StaleEntryError as stale:
                form.seen_version.data = str(stale.version)
                form.refuse(stale)
            except UserError as error:
                form.refuse(error)
            else:
                flash(f"{account.riot_id} is {known.riot_id} now.", "success")
                return redirect(self.get_url(".details_view", id=account.id), 303)
        back = self.get_url(".details_view", id=account.id)
        return self._look_up_page(form, f"Correct {account.riot_id}", back)

    @expose("/move/", methods=["GET", "POST"])
    def move_view(self) -> ResponseReturnValue:
        """Give an account to another player."""
        account: Account = self.get_one(request.args.get("id"))
        form = MoveForm(
            request.form if request.method == "POST" else None,
            player=account.player.name,
            seen_version=str(account.version),
        )
        if request.method == "POST" and form.validate():
            try:
                with writing() as session:
                    owner = get_player(session, form.player.data)
                    seen = number_in(form.seen_version.data)
                    move_account(session, account.id, owner.id, version=seen)
            except StaleEntryError as stale:
                form.seen_version.data = str(stale.version)
                form.player.errors = [sentence(stale)]
            except UserError as error:
                form.player.errors = [sentence(error)]
            else:
                flash(f"{account.riot_id} is {owner.name}'s now.", "success")
                return redirect(self.get_url(".details_view", id=account.id), 303)
        return self._page("roster/account_move.html", form, model=account)

    def _asked_for(self) -> dict[str, str]:
        """What a link to the form fills in."""
        return {name: request.args[name] for name in ("team", "riot_id") if name in request.args}

    def _may_be_added(self, form: AddForm) -> bool:
        """Whether what is typed besides the account can be saved; says why not."""
        if form.since.data is not None and form.since.data > self.now():
            form.since.errors = ["This lies in the future: name a moment that has been."]
        if form.name.data:
            try:
                with admin_context().database.reading() as session:
                    taken = find_named(players(session), clean_name(form.name.data))
            except UserError as error:
                form.name.errors = [sentence(error)]
            else:
                if taken is not None:
                    form.taken_by = taken.id
                    said = f"There is already a player {taken.name}: choose another name, or open "
                    form.name.errors = [f"{said}that player to add the account there."]
        return not (form.since.errors or form.name.errors)

    def _add_player(self, form: AddForm, known: KnownAccount) -> Player | None:
        try:
            with writing() as session:
                return add_player(
                    session,
                    form.name.data or known.riot_id.game_name,
                    team=form.team.data,
                    account=known,
                    since=form.since.data or self.now(),
                    now=self.now(),
                )
        except AccountTakenError as error:
            form.refuse(error)
        except AlreadyThereError as error:
            name = form.name.data or known.riot_id.game_name
            form.name.data = name
            form.name.errors = [f"There is already a player {name}: choose another name."]
            logger.info("Not added: %s", error)
        except UserError as error:
            form.refuse(error)
        return None

    def _look_up_page(self, form: LookUpForm, title: str, back: str) -> ResponseReturnValue:
        owner = None
        if form.taken_by is not None:
            owner = reading().get(Player, form.taken_by)
        return self._page(
            "roster/account_lookup.html", form, title=title, return_url=back, owner=owner
        )

    def _page(self, template: str, form: Form, **values: Any) -> ResponseReturnValue:
        page: Any = self.render(template, form=form, **values)
        refused = request.method == "POST" and form.errors
        return (page, 422) if refused else page

    def platform_name(self, platform: str) -> str:
        """What players call a platform, with Riot's own word for it."""
        return f"{PLATFORM_NAMES.get(platform, platform)} ({platform})"

    def played(self, game: LastGame) -> str:
        """What people call what was played."""
        return queue_display_name(
            game.queue_id,
            game_mode=game.game_mode,
            game_type=game.game_type,
            tournament_code=game.tournament_code,
        )

    column_formatters = {
        "player": lambda _view, _context, row, _name: row_link(
            "player", row.player_id, row.player.name
        ),
        "state": lambda view, _context, row, _name: shown_state(view.state_of(row)),
        "last_played_at": lambda _view, _context, row, _name: _last_played(row),
    }
    column_formatters_export = {
        "player": lambda _view, _context, row, _name: row.player.name,
        "state": lambda view, _context, row, _name: str(view.state_of(row)),
        "last_played_at": lambda _view, _context, row, _name: row.poll and row.poll.last_played_at,
    }


def _still_there(session: Session, player: Player) -> Player:
    row = session.get(Player, player.id)
    if row is None:
        raise UserError("this player is not there any more")
    return row


def shown_state(state: State) -> Markup:
    return Markup('<span class="state {}">{}</span> {}').format(state.kind, state.word, state.said)


def _last_played(row: Account) -> Markup:
    played = row.poll and row.poll.last_played_at
    return instant(played) if played else NOTHING


_STATES: dict[str, ColumnElement[bool]] = {
    "to be resolved": Account.puuid.is_(None),
    "trouble": Account.id.in_(
        select(AccountPoll.account_id).where(AccountPoll.last_error.is_not(None))
    ),
}


def register(admin: Admin) -> None:
    admin.add_view(AccountView(Account, name="Accounts", endpoint="account", category="Roster"))
