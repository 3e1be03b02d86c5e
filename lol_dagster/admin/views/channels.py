"""Channels: where a team's games are announced. An address is a secret: it is typed once and never shown again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import flash, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session, joinedload
from wtforms import (
    BooleanField,
    Form,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget, NumberInput, PasswordInput

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import row_link, sentence
from lol_dagster.admin.forms import EntryForm, FieldError, offer_teams, stripped
from lol_dagster.admin.merging import Typed, typed_value
from lol_dagster.admin.roster_view import RosterView, removed_filter
from lol_dagster.admin.transactions import end_reading, reading
from lol_dagster.delivery.probe import Finding, is_left_behind, probe_channel
from lol_dagster.delivery.scopes import Call, channel_scope
from lol_dagster.delivery.transports.base import AddressError, Place, PlacesError
from lol_dagster.delivery.transports.registry import transport_type, transport_types
from lol_dagster.explain.preview import preview_rules
from lol_dagster.messages.templates import FIELDS, NAMES
from lol_dagster.riot.modes import KIND_NAMES, MODE_NAMES, Wanted, shown_wanted
from lol_dagster.roster.channels import (
    CHOSEN_KINDS,
    MOST_MEMBERS,
    ChannelRules,
    add_channel,
    change_channel,
    check_rules,
    check_templates,
    checked_address,
    parse_queues,
    parse_quiet_hours,
    remove_channel,
    wanted,
)
from lol_dagster.roster.errors import RosterError, RuleError
from lol_dagster.roster.names import clean_name
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe
from lol_dagster.storage.searching import has_part

_MESSAGES = {
    "game": "Games",
    "catch_up": "Catch-up: old games together",
    "alert": "Alerts: what the operator should know",
}
_ONLY_IF = {
    "": "are any",
    "won": "one of the team has won",
    "remarkable": "are worth a remark",
}
_QUIET_WAYS = {
    "hold": "Hold games back: one message about all of them when they end",
    "silent": "Send what comes without a sound (Discord)",
}
_YES = {True: "yes", False: "no"}
_POLICIES = {
    "review": "Hold it for review: somebody checks and decides",
    "resend": "Send it again: it may appear twice",
}
_PICTURES = {
    "none": "None",
    "icons": "The champions' icons beside the members",
    "card": "A card of the game",
}
_PAUSED: dict[Call, str] = {
    "post": "Sending is paused",
    "edit": "Corrections are paused",
    "scan": "What may have been sent waits, as it cannot be looked for",
}
_T = TypeVar("_T")
_QUEUES = {
    **{str(kind): f"{name}: all of this kind" for kind, name in KIND_NAMES.items()},
    **{name: name for name in MODE_NAMES},
}


class Boxes(SelectMultipleField):
    """Several of a few, each with a box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class AddressField(PasswordField):
    """What is typed, also after it was refused; never what is stored."""

    widget = PasswordInput(hide_value=False)

    def process_data(self, value: Any) -> None:
        self.data = None


class ChannelForm(EntryForm):
    """What a channel should be."""

    name = StringField("Name", [InputRequired("Give the channel a name.")])
    team = SelectField("Team", [InputRequired("Choose a team.")])
    kind = SelectField(
        "Kind",
        [InputRequired()],
        choices=lambda: [SelectChoice(each.kind, each.label) for each in transport_types()],
    )
    address = AddressField(
        "Address",
        [Optional()],
        description="A bot's channel id or the link to the channel, or a webhook's URL. It is not shown again. "
        "What is saved is tried out with a test message, which people in the channel may briefly see.",
        render_kw={"autocomplete": "new-password", "spellcheck": "false"},
    )
    message_kinds = Boxes(
        "Messages", choices=[SelectChoice(kind, _MESSAGES[kind]) for kind in CHOSEN_KINDS]
    )
    queues = Boxes(
        "Only these games",
        choices=[SelectChoice(word, label) for word, label in _QUEUES.items()],
        description="None chosen: every game. A kind or a mode includes the queues that Riot has yet to open "
        "for it.",
    )
    other_queues = StringField(
        "Other queues",
        [Optional()],
        description="Single queues by Riot's numbers, such as 420, 3130.",
    )
    min_members = IntegerField(
        "At least so many of the team took part",
        [InputRequired("1: every game."), NumberRange(1, MOST_MEMBERS)],
        default=1,
        widget=NumberInput(min=1, max=MOST_MEMBERS),
    )
    only_if = SelectField(
        "And only games that",
        choices=[SelectChoice(value, words) for value, words in _ONLY_IF.items()],
        coerce=lambda value: value or None,
    )
    quiet_hours = StringField(
        "Quiet hours",
        [Optional()],
        description="Such as 23:00-08:00, in the team's time zone. Empty: none.",
        filters=[stripped],
    )
    quiet_way = SelectField(
        "In quiet hours",
        [InputRequired()],
        choices=[SelectChoice(way, words) for way, words in _QUIET_WAYS.items()],
        description="What makes no sound is unread all the same. Slack has no such messages.",
    )
    template_lead = StringField("A member's name reads", [Optional()], filters=[stripped])
    template_facts = StringField("Champion and score read", [Optional()], filters=[stripped])
    template_details = StringField(
        "The figures below read",
        [Optional()],
        description="Empty: as usual. A template such as “{{ name }} as {{ champion }}”; it may use "
        + ", ".join(NAMES)
        + ", and is tried with the team's last games.",
        filters=[stripped],
    )
    pictures = SelectField(
        "Pictures",
        choices=[SelectChoice(value, words) for value, words in _PICTURES.items()],
        description="Icons are there once “lol-dagster icons upload” has been run; not for Discord's webhooks. "
        "A card is drawn, and added to the message once that is posted; not for Slack's webhooks.",
    )
    story = BooleanField(
        "Tell how a game of the Rift went",
        description="In three lines below it: how it began, what turned it, how it ended. Comes some minutes "
        "later as an edit, and costs one call to Riot a game.",
    )
    uncertain = SelectField(
        "When nobody can find out whether a message arrived",
        [InputRequired()],
        choices=[SelectChoice(policy, words) for policy, words in _POLICIES.items()],
    )

    def chosen_queues(self) -> Wanted | None:
        """None: all.

        Raises:
            RosterError: what is typed is no list of queues.
        """
        typed = parse_queues(self.other_queues.data) if self.other_queues.data else []
        return wanted([*(self.queues.data or ()), *map(str, typed)]) or None

    def chosen_kinds(self) -> list[str] | None:
        """Of `CHOSEN_KINDS`; None: all."""
        chosen = [kind for kind in CHOSEN_KINDS if kind in (self.message_kinds.data or ())]
        return None if len(chosen) == len(CHOSEN_KINDS) else chosen

    def chosen_quiet_hours(self) -> str | None:
        """None: there are none.

        Raises:
            RosterError: what is typed is no time of day.
        """
        typed: str = self.quiet_hours.data
        return parse_quiet_hours(typed) if typed else None

    def chosen_templates(self) -> dict[str, str] | None:
        """None: every line is as usual."""
        typed = {field: self[f"template_{field}"].data for field in FIELDS}
        return {field: text for field, text in typed.items() if text} or None

    def fill_in_templates(self, templates: Mapping[str, str] | None) -> None:
        for field in FIELDS:
            self[f"template_{field}"].data = (templates or {}).get(field, "")

    def fill_in_queues(self, chosen: Wanted | None) -> None:
        self.queues.data = [each for each in chosen or () if each in _QUEUES]
        self.other_queues.data = ", ".join(
            str(each) for each in chosen or () if each not in _QUEUES
        )

    def fill_in_kinds(self, kinds: Sequence[str] | None) -> None:
        self.message_kinds.data = list(CHOSEN_KINDS if kinds is None else kinds)


def _label(kind: str) -> str:
    return transport_type(kind).label


def _shown_address(channel: Channel) -> str:
    return admin_context().transports[channel.kind].shown_address(channel.address)


def _typed_queues(form: Any) -> Any:
    try:
        return form.chosen_queues()
    except RosterError:
        return form.other_queues.data  # is none; `save` says so


def _typed_quiet_hours(form: Any) -> Any:
    try:
        return form.chosen_quiet_hours()
    except RosterError:
        return form.quiet_hours.data  # is none; `save` says so


def shown_templates(templates: Mapping[str, str] | None) -> str:
    """Templates with the fields that they fill."""
    return ", ".join(f"{field}: {text}" for field, text in (templates or {}).items()) or "none"


def shown_queues(chosen: Wanted | None) -> str:
    """What a channel wants, as people call it."""
    return "all" if chosen is None else ", ".join(map(shown_wanted, chosen))


_COLUMNS = (
    typed_value("name"),
    typed_value("kind", _label),
    Typed(
        "address",
        read=lambda form: "typed" if form.address.data else "changed",
        write=lambda _form, _value: None,
        field=lambda form: form.address,
        show=lambda _value: "another one",
    ),
    Typed(
        "message_kinds",
        read=lambda form: form.chosen_kinds(),
        write=lambda form, value: form.fill_in_kinds(value),
        field=lambda form: form.message_kinds,
        show=lambda value: ", ".join(CHOSEN_KINDS if value is None else value),
    ),
    Typed(
        "queues",
        read=_typed_queues,
        write=lambda form, value: form.fill_in_queues(value),
        field=lambda form: form.queues,
        show=shown_queues,
    ),
    typed_value("min_members"),
    typed_value("only_if", lambda value: _ONLY_IF[value or ""]),
    Typed(
        "quiet_hours",
        read=_typed_quiet_hours,
        write=lambda form, value: setattr(form.quiet_hours, "data", value or ""),
        field=lambda form: form.quiet_hours,
        show=lambda value: value or "none",
    ),
    typed_value("quiet_way", _QUIET_WAYS.__getitem__),
    Typed(
        "templates",
        read=lambda form: form.chosen_templates(),
        write=lambda form, value: form.fill_in_templates(value),
        field=lambda form: form.template_lead,
        show=shown_templates,
    ),
    typed_value("pictures", lambda value: _PICTURES[value]),
    typed_value("story", lambda value: _YES[bool(value)]),
    typed_value("uncertain", _POLICIES.__getitem__),
)


@dataclass(frozen=True)
class Tried:
    """What trying a channel out has shown."""

    is_running: bool
    error: str | None
    """Why the last try failed."""
    at: datetime | None
    findings: list[Finding]
    promise: str | None
    """None: nothing is, as it was never tried."""
    paused: dict[str, str | None]
    """What is not done there for now, in words, each with why."""

    @property
    def left_behind(self) -> bool:
        """The test message stands in the channel, or may."""
        return is_left_behind(self.findings)


class ChannelView(RosterView):
    """The list of channels."""

    can_create = True
    can_edit = True
    create_words = "Add a channel"
    remove_words = "Remove the channel"
    remove_question = "Remove this channel? It stops receiving messages; its history stays."
    column_list = ("name", "team", "kind", "address", "message_kinds", "queues")
    column_details_list = (
        "name", "team", "kind", "address", "message_kinds", "queues", "min_members", "only_if",
        "quiet_hours", "quiet_way", "templates", "pictures", "story", "uncertain", "created_at",
    )  # fmt: skip
    column_labels = {
        "message_kinds": "Messages",
        "queues": "Only these games",
        "min_members": "At least so many of the team took part",
        "only_if": "And only games that",
        "quiet_way": "In quiet hours",
        "story": "Tells how a game of the Rift went",
        "uncertain": "When it is unknown whether a message arrived",
        "created_at": "Added",
    }
    column_searchable_list = ("name",)
    column_sortable_list = ("name", ("team", "team.name"), "kind")
    column_default_sort = "name"
    column_filters = (removed_filter(Channel.removed_at),)
    typed_columns = _COLUMNS
    create_template = "roster/channel_create.html"
    edit_template = "roster/channel_edit.html"
    details_template = "roster/channel.html"

    def get_query(self) -> Any:
        return super().get_query().options(joinedload(Channel.team))

    def searched(self, text: str) -> ColumnElement[bool]:
        return has_part(Channel.name, text)

    def get_create_form(self) -> type[Form]:
        return ChannelForm

    def get_edit_form(self) -> type[Form]:
        return ChannelForm

    def create_form(self, obj: Any = None) -> Form:
        form = super().create_form(obj)
        form.address.flags.optional = False
        if request.method == "GET":
            form.team.data = request.args.get("team")
            for field in ("kind", "address"):  # of a place that was chosen
                if field in request.args:
                    form[field].data = request.args[field]
            form.fill_in_kinds(None)
        offer_teams(form.team, form.team.data)
        return form

    def edit_form(self, obj: Any = None) -> Form:
        form = super().edit_form(obj)
        del form.team  # its history is that team's
        form.address.description = f"Empty: it stays as it is, {_shown_address(obj)}"
        if request.method == "GET":
            form.fill_in_queues(obj.queues)
            form.fill_in_kinds(obj.message_kinds)
            form.fill_in_templates(obj.templates)
        return form

    def _rules(self, form: Form) -> ChannelRules:
        """
        Raises:
            FieldError: what is typed is no rule.
        """
        queues = _at("other_queues", form.chosen_queues)
        quiet_hours = _at("quiet_hours", form.chosen_quiet_hours)
        kinds = form.chosen_kinds()
        if kinds == []:
            raise FieldError("message_kinds", "choose at least one, or remove the channel")
        rules = ChannelRules(
            queues=queues,
            message_kinds=kinds,
            min_members=form.min_members.data,
            only_if=form.only_if.data,
            pictures=form.pictures.data,
            quiet_hours=quiet_hours,
            quiet_way=form.quiet_way.data,
            templates=form.chosen_templates(),
            story=form.story.data,
        )
        transports = admin_context().transports
        _at("kind", lambda: check_rules(rules, form.kind.data, transports))
        return rules

    def save(self, session: Session, form: Form, row: Channel | None) -> Channel:
        transports = admin_context().transports
        address = (form.address.data or "").strip() or None
        _at("name", lambda: clean_name(form.name.data))
        rules = self._rules(form)
        if row is None and address is None:
            raise FieldError("address", "say where: a bot's channel id, or a webhook's URL")
        if address is not None:
            _at("address", lambda: checked_address(form.kind.data, address, transports))
        how: dict[str, Any] = {
            "kind": form.kind.data,
            "transports": transports,
            "rules": rules,
            "now": self.now(),
            "uncertain": form.uncertain.data,
        }
        if row is None:
            assert address is not None, "refused above"
            return _at(
                "name",
                lambda: add_channel(
                    session, form.name.data, team=form.team.data, address=address, **how

                ),
            )  # fmt: skip
        return _at(
            "address" if address or form.kind.data != row.kind else "name",
            lambda: change_channel(
                session, row.id, name=form.name.data, address=address, version=row.version, **how
            ),
        )

    def create_model(self, form: Form) -> Any:
        made = super().create_model(form)
        if made:
            self._try(made.id)
        return made

    def update_model(self, form: Form, model: Any) -> bool:
        if "preview" in request.form:
            self._show_preview(form, model)
            return False
        is_another = bool(form.address.data) or form.kind.data != model.kind
        done = super().update_model(form, model)
        if done and is_another:
            self._try(model.id)
        return done

    def _show_preview(self, form: Form, channel: Channel) -> None:
        """Let the form show what the rules in it would have made of last week's games."""
        try:
            rules = self._rules(form)
            _at("templates", lambda: check_templates(reading(), rules, channel.team))
        except FieldError as error:
            self.refuse(form, error)
            return
        stale_after = admin_context().settings.stale_after
        g.preview = preview_rules(
            reading(), channel, rules, stale_after=stale_after, now=self.now()
        )

    def get_save_return_url(self, model: Any, is_created: bool = False) -> str:
        """Where one sees what the test shows, if one has begun."""
        if admin_context().probes.is_running(model.id) or is_created:
            return self._tried_url(model.id)
        url: str = super().get_save_return_url(model, is_created)
        return url

    def remove(self, session: Session, row: Channel) -> None:
        remove_channel(session, row.name, now=self.now())

    @action("delete", "Remove", "Remove these channels? They stop receiving messages.")
    def action_delete(self, ids: list[str]) -> None:
        self.remove_each(ids)

    @expose("/places/")
    def places_view(self) -> ResponseReturnValue:
        """The channels in which our bots can post, to choose from."""
        end_reading()  # the services may take their time
        found: list[tuple[str, str, list[Place], str | None]] = []
        for kind, transport in admin_context().transports.items():
            try:
                places, wrong = transport.places(), None
            except PlacesError as error:
                places, wrong = [], sentence(error)
            if places is not None:
                found.append((kind, transport.label, places, wrong))
        return self.render("roster/places.html", bots=found, team=request.args.get("team"))

    @expose("/try/", methods=["POST"])
    def try_view(self) -> ResponseReturnValue:
        """Send a test message: in the background, as a channel that does not answer takes a minute."""
        channel: Channel = self.get_one(request.form.get("id"))
        if not self._try(channel.id):
            flash("A test message is on its way already.", "success")
        return redirect(self._tried_url(channel.id), 303)

    def _try(self, channel_id: int) -> bool:
        """
        Returns:
            False: it is being tried already.
        """
        context = admin_context()
        return context.probes.start(
            channel_id,
            lambda: probe_channel(
                context.database, context.transports, channel_id, now=context.now()
            ),
        )

    def _tried_url(self, channel_id: int) -> str:
        url: str = self.get_url(".details_view", id=channel_id, _anchor="tried")
        return url

    def tried(self, channel: Channel) -> Tried:
        """What is known of what the channel can do."""
        context = admin_context()
        is_running = context.probes.is_running(channel.id)
        # Read after that was asked: the page's own snapshot may be older than the end of the try.
        with context.database.reading() as session:
            probe = session.get(ChannelProbe, channel.id)
            breakers = {
                words: session.get(Breaker, channel_scope(channel.id, call))
                for call, words in _PAUSED.items()
            }
        transport = context.transports[channel.kind]
        steps = (probe.findings or {}).get("steps", []) if probe else []
        return Tried(
            is_running=is_running,
            error=context.probes.error(channel.id),
            at=probe.probed_at if probe else None,
            findings=[Finding(**step) for step in steps],
            promise=transport.capabilities.promised(unreadable_history=probe.unreadable_history)
            if probe and (probe.findings or probe.unreadable_history)
            else None,
            paused={
                words: breaker.reason
                for words, breaker in breakers.items()
                if breaker and (breaker.dead or breaker.open_until)
            },
        )

    column_formatters = {
        "team": lambda _view, _context, row, _name: row_link("team", row.team_id, row.team.name),
        "kind": lambda _view, _context, row, _name: _label(row.kind),
        "address": lambda _view, _context, row, _name: _shown_address(row),
        "message_kinds": lambda _view, _context, row, _name: shown_kinds(row.message_kinds),
        "queues": lambda _view, _context, row, _name: shown_queues(row.queues),
        "only_if": lambda _view, _context, row, _name: _ONLY_IF[row.only_if or ""],
        "quiet_hours": lambda _view, _context, row, _name: row.quiet_hours or "none",
        "templates": lambda _view, _context, row, _name: shown_templates(row.templates),
        "quiet_way": lambda _view, _context, row, _name: _QUIET_WAYS[row.quiet_way],
        "pictures": lambda _view, _context, row, _name: _PICTURES[row.pictures],
        "story": lambda _view, _context, row, _name: _YES[row.story],
        "uncertain": lambda _view, _context, row, _name: _POLICIES[row.uncertain],
    }
    column_formatters_export = {
        "team": lambda _view, _context, row, _name: row.team.name,
        "address": lambda _view, _context, row, _name: _shown_address(row),
    }


def shown_kinds(kinds: Sequence[str] | None) -> str:
    """Kinds of message as people call them."""
    return (
        "all" if kinds is None else ", ".join(_MESSAGES[kind].partition(":")[0] for kind in kinds)
    )


def _at(field: str, work: Callable[[], _T]) -> _T:
    """What `work` returns; a refusal stands at the field."""
    try:
        return work()
    except RuleError as error:
        raise FieldError(error.rule, str(error)) from None
    except (RosterError, AddressError) as error:
        raise FieldError(field, str(error)) from None


def register(admin: Admin) -> None:
    admin.add_view(ChannelView(Channel, name="Channels", endpoint="channel", category="Roster"))
