"""The form that looks up a Riot account: what was found is shown first and saved with a second click.

Riot is asked outside any transaction. What was found comes back in the form, signed, so that what is
saved is what was shown.
"""

from __future__ import annotations

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import TypeAdapter
from wtforms import HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import sentence
from lol_dagster.admin.forms import EntryForm, add_error
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.riot.routing import PLATFORM_NAMES
from lol_dagster.roster.accounts import check_not_taken
from lol_dagster.roster.errors import AccountTakenError, NoSuchEntryError, RosterError
from lol_dagster.roster.names import RiotId, parse_riot_id
from lol_dagster.roster.riot_lookup import (
    FoundAccount,
    KnownAccount,
    RiotUnavailableError,
    UnknownWhereError,
    WrongPlatformError,
    account_to_be_resolved,
    look_up,
)
from lol_dagster.settings import SettingsError

_FOUND = TypeAdapter(FoundAccount)
_PLATFORMS = [
    SelectChoice("", "Ask Riot"),
    *(SelectChoice(platform, f"{name} ({platform})") for platform, name in PLATFORM_NAMES.items()),
]
_CHOOSE_PLATFORM = "Choose where it plays: Riot cannot be asked now."


class LookUpForm(EntryForm):
    """A Riot ID and where it plays."""

    riot_id = StringField(
        "Riot ID",
        [InputRequired("Enter the Riot ID as the game shows it: Name#TAG.")],
        description="Name#TAG, as the game shows it. Case and spaces do not matter.",
        render_kw={"placeholder": "Name#TAG", "autocomplete": "off", "spellcheck": "false"},
    )
    platform = SelectField("Plays on", choices=_PLATFORMS)
    found_account = HiddenField()
    """What was found for what is typed above, signed."""

    error_field = "riot_id"
    found: FoundAccount | None = None
    """What is shown to the person."""
    lookup_error: str | None = None
    """Why Riot could not be asked; the account may be saved all the same."""
    taken_by: int | None = None
    """Id of the player who has the account already."""

    def chosen(self, *, but: int | None = None) -> KnownAccount | None:
        """Do what the pressed button says.

        Args:
            but: Id of the account that may be it: the one that is being corrected.

        Returns:
            The account to be saved; None: something is to be shown first.
        """
        riot_id = self._riot_id()
        if riot_id is None:
            return None
        known: KnownAccount | None = None
        if request.form.get("step") == "keep":
            if not self.platform.data:
                add_error(self, "platform", _CHOOSE_PLATFORM)
                return None
            known = account_to_be_resolved(riot_id, self.platform.data)
        elif request.form.get("step") == "save" and (found := self._shown_before(riot_id)):
            self.found, known = found, found.known
        if known is None:
            self._look_up(riot_id, but)
            return None
        return known if self._is_free(known.riot_id, known.puuid, but) else None

    def _riot_id(self) -> RiotId | None:
        try:
            return parse_riot_id(self.riot_id.data)
        except RosterError as error:
            add_error(self, "riot_id", sentence(error))
            return None

    def _is_free(self, riot_id: RiotId, puuid: str | None, but: int | None) -> bool:
        try:
            with admin_context().database.reading() as session:
                check_not_taken(session, riot_id, puuid, but=but)
        except AccountTakenError as error:
            self.taken_by = error.player_id
            add_error(self, "riot_id", sentence(error))
            return False
        return True

    def _look_up(self, riot_id: RiotId, but: int | None) -> None:
        if not self._is_free(riot_id, None, but):
            return
        try:
            found = look_up(admin_context().riot, riot_id, self.platform.data or None)
        except WrongPlatformError as error:
            add_error(self, "platform", sentence(error))
            if error.plays_on in PLATFORM_NAMES:
                self.platform.data = error.plays_on
                add_error(self, "platform", "It is selected now: look up again.")
        except UnknownWhereError as error:
            add_error(self, "platform", sentence(error))
        except NoSuchEntryError as error:
            add_error(self, "riot_id", sentence(error))
        except (RiotUnavailableError, KeyRejected, SettingsError) as error:
            self.lookup_error = sentence(error)
        else:
            if self._is_free(found.known.riot_id, found.known.puuid, but):
                self.found = found
                self.platform.data = found.known.platform
                asked = {"riot_id": str(riot_id), "found": _FOUND.dump_python(found, mode="json")}
                self.found_account.data = _signer().dumps(asked)

    def _shown_before(self, riot_id: RiotId) -> FoundAccount | None:
        """What the signed field holds, if it is about what is typed now."""
        try:
            asked = _signer().loads(self.found_account.data or "")
        except BadSignature:
            return None
        found = _FOUND.validate_python(asked["found"])
        same = parse_riot_id(asked["riot_id"]).is_same(riot_id.game_name, riot_id.tag_line)
        return found if same and found.known.platform == self.platform.data else None


def _signer() -> URLSafeSerializer:
    assert current_app.secret_key is not None, "the app has one"
    return URLSafeSerializer(current_app.secret_key, salt="found account")
