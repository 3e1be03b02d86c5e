"""Riot accounts: the list, and the forms that add one, correct a mistyped one, or move one."""

from __future__ import annotations

from collections.abc import Callable
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
from wtforms.validators import InputRequired, Optional, ValidationError

from lol_dagster.admin.account_lookup import LookUpForm
from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import NOTHING, ago, instant, row_link, sentence
from lol_dagster.admin.filters import Filter
from lol_dagster.admin.forms import (
    IN_THE_FUTURE,
    EntryForm,
    FieldError,
    InstantField,
    names_of,
    number_in,
    offer_teams,
    posted,
)
from lol_dagster.admin.roster_view import RosterView
from lol_dagster.admin.security.request_checks import way_back
from lol_dagster.admin.transactions import end_reading, reading
from lol_dagster.errors import UserError
from lol_dagster.riot.routing import PLATFORM_NAMES
from lol_dagster.roster.accounts import add_account, correct_account, move_account, remove_account
from lol_dagster.roster.errors import AccountTakenError, AlreadyThereError
from lol_dagster.roster.names import clean_name, find_named
from lol_dagster.roster.players import add_player, get_player, players
from lol_dagster.roster.riot_lookup import KnownAccount
from lol_dagster.storage.models import Account, AccountPoll, Player
from lol_dagster.storage.searching import has_part


@dataclass(frozen=True)
class State:
    """The state of an account."""

    kind: Literal["good", "warn", "bad", "new"]
    word: str
    said: str

    def __str__(self) -> str:
        return f"{self.word}: {self.said}" if self.said else self.word


def account_state(account: Account, now: datetime) -> State:
    """Whether an account is tracked, and what prevents it."""
    poll = account.poll
    if account.puuid is None:
        said = poll.last_error if poll and poll.last_error else "Riot is asked automatically"
        return State("warn", "to be resolved", said)
    if poll and poll.last_error:
        return State("bad", "error", poll.last_error)
    if poll and poll.last_good_poll_at:
        return State("good", "tracked", f"last checked {ago(poll.last_good_poll_at, now)}")
    return State("new", "not checked yet", "")


class AddPlayerForm(LookUpForm):
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
        description="Games that ended earlier are not announced. Empty: from now on.",
    )

    def validate_since(self, field: InstantField) -> None:
        if field.data and field.data > admin_context().now():
            raise ValidationError(IN_THE_FUTURE)

    def validate_name(self, field: StringField) -> None:
        try:
            with admin_context().database.reading() as session:
                taken = find_named(players(session), clean_name(field.data))
        except UserError as error:
            raise ValidationError(sentence(error)) from None
        if taken is not None:
            self.taken_by = taken.id
            raise ValidationError(
                f"There is already a player {taken.name}: choose another name, or add the account on "
                "that player's page."
            )


class MoveForm(EntryForm):
    """Which player an account belongs to."""

    error_field = "player"
    player = StringField(
        "Player",
        [InputRequired("Enter a player.")],
        render_kw={"list": "names", "autocomplete": "off"},
    )


class AccountView(RosterView):
    """The list of accounts. What is typed is looked up at Riot before it is saved."""

    can_edit = True
    remove_words = "Remove the account"
    remove_question = (
        "Remove this account? Its games no longer count for the player. Messages that were delivered "
        "stay."
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
            options=(("to be resolved", "to be resolved"), ("error", "error")),
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
            has_part(Account.game_name + "#" + Account.tag_line, text),
            Account.player_id.in_(select(Player.id).where(has_part(Player.name, text))),
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
        """Suggestions for a player's name."""
        return names_of(Player)

    @expose("/add/", methods=["GET", "POST"])
    def add_view(self) -> ResponseReturnValue:
        """Add a player by Riot ID, with the team, in one form."""
        asked = {name: request.args[name] for name in ("team", "riot_id") if name in request.args}
        form = AddPlayerForm(posted(), **asked)
        offer_teams(form.team, form.team.data)
        if not form.team.choices:
            flash("There is no team yet: add one first.", "error")
            return redirect(self.get_url("team.create_view", url=request.full_path))

        def save(session: Session, known: KnownAccount) -> tuple[str, str]:
            name, now = form.name.data or known.riot_id.game_name, self.now()
            try:
                player = add_player(
                    session, name, team=form.team.data, account=known,
                    since=form.since.data or now, now=now,
                )  # fmt: skip
            except AccountTakenError:
                raise
            except AlreadyThereError:
                form.name.data = name
                raise FieldError(
                    "name", f"there is already a player {name}: choose another name"
                ) from None
            said = f"{player.name} is in the team {form.team.data}, with {known.riot_id}"
            said += "." if known.puuid else ", to be resolved."
            return said, self.get_url("player.details_view", id=player.id)

        back = way_back(request.args.get("url", ""), self.get_url("team.index_view"))
        return self._look_up(form, save, "Add a player", back)

    @expose("/more/", methods=["GET", "POST"])
    def more_view(self) -> ResponseReturnValue:
        """Add another account of a player."""
        player = reading().get(Player, number_in(request.args.get("id"))) or abort(404)
        page = self.get_url("player.details_view", id=player.id)

        def save(session: Session, known: KnownAccount) -> tuple[str, str]:
            owner = session.get(Player, player.id)
            if owner is None:
                raise UserError("this player no longer exists")
            add_account(session, owner, known, now=self.now())
            return f"{owner.name} also plays as {known.riot_id}.", page

        title = f"Another account of {player.name}"
        return self._look_up(LookUpForm(posted()), save, title, page)

    @expose("/edit/", methods=["GET", "POST"])
    def edit_view(self) -> ResponseReturnValue:
        """Correct a mistyped Riot ID: the entry stays, with the games that count for it."""
        account: Account = self.get_one(request.args.get("id"))
        page = way_back(request.args.get("url", ""), self.get_url(".details_view", id=account.id))
        riot_id = account.riot_id
        form = LookUpForm(
            posted(),
            riot_id=riot_id,
            platform=account.platform,
            seen_version=str(account.version),
        )

        def save(session: Session, known: KnownAccount) -> tuple[str, str]:
            version = number_in(form.seen_version.data)
            correct_account(session, account.id, known, version=version)
            return f"{riot_id} is now {known.riot_id}.", page

        return self._look_up(form, save, f"Correct {riot_id}", page, but=account.id)

    @expose("/move/", methods=["GET", "POST"])
    def move_view(self) -> ResponseReturnValue:
        """Give an account to another player."""
        account: Account = self.get_one(request.args.get("id"))
        form = MoveForm(posted(), player=account.player.name, seen_version=str(account.version))

        def move(session: Session) -> str:
            owner, version = get_player(session, form.player.data), form.seen_version.data
            move_account(session, account.id, owner.id, version=number_in(version))
            return owner.name

        if form.is_submitted_and_valid() and (owner := self._written(form, move)):
            flash(f"{account.riot_id} now belongs to {owner}.", "success")
            return redirect(self.get_url(".details_view", id=account.id), 303)
        return self.render("roster/account_move.html", form=form, model=account)

    def _look_up(
        self,
        form: LookUpForm,
        save: Callable[[Session, KnownAccount], tuple[str, str]],
        title: str,
        back: str,
        *,
        but: int | None = None,
    ) -> ResponseReturnValue:
        """Look up what was typed and show what was found, or save what was shown before.

        Args:
            save: Writes the account; returns what to say, and the address of the next page.
            but: Id of the account that is being corrected.
        """
        end_reading()  # Riot may take its time
        if form.is_submitted_and_valid() and (known := form.chosen(but=but)):
            saved = self._written(form, lambda session: save(session, known))
            if saved is not None:
                flash(saved[0], "success")
                return redirect(saved[1], 303)
        return self.render(
            "roster/account_lookup.html",
            form=form,
            title=title,
            return_url=back,
            owner=form.taken_by and reading().get(Player, form.taken_by),
        )

    def refuse(self, form: Form, error: UserError) -> None:
        if isinstance(error, AccountTakenError):
            form.taken_by = error.player_id
        super().refuse(form, error)

    def platform_name(self, platform: str) -> str:
        """What players call a platform, with Riot's own word for it."""
        return f"{PLATFORM_NAMES.get(platform, platform)} ({platform})"

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


def shown_state(state: State) -> Markup:
    return Markup('<span class="state {}">{}</span> {}').format(state.kind, state.word, state.said)


def _last_played(row: Account) -> Markup:
    played = row.poll and row.poll.last_played_at
    return instant(played) if played else NOTHING


_STATES: dict[str, ColumnElement[bool]] = {
    "to be resolved": Account.puuid.is_(None),
    "error": Account.id.in_(
        select(AccountPoll.account_id).where(AccountPoll.last_error.is_not(None))
    ),
}


def register(admin: Admin) -> None:
    admin.add_view(AccountView(Account, name="Accounts", endpoint="account", category="Roster"))
