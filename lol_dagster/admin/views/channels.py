"""Channels: where a team's games are announced. An address is a secret: it is typed once and never shown again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import flash, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session, joinedload
from wtforms import Form

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import row_link, sentence
from lol_dagster.admin.forms import FieldError, offer_teams
from lol_dagster.admin.roster_view import RosterView, removed_filter
from lol_dagster.admin.transactions import end_reading, reading
from lol_dagster.admin.views.channel_form import (
    ONLY_IF,
    PICTURES,
    POLICIES,
    QUIET_WAYS,
    TYPED_COLUMNS,
    YES,
    ChannelForm,
    shown_kind,
    shown_kinds,
    shown_queues,
    shown_templates,
)
from lol_dagster.delivery.probe import Finding, is_left_behind, probe_channel
from lol_dagster.delivery.scopes import Call, channel_scope
from lol_dagster.delivery.transports.base import AddressError, Place, PlacesError
from lol_dagster.explain.preview import preview_rules
from lol_dagster.roster.channels import (
    ChannelRules,
    add_channel,
    change_channel,
    check_rules,
    check_templates,
    checked_address,
    remove_channel,
)
from lol_dagster.roster.errors import RosterError, RuleError
from lol_dagster.roster.names import clean_name
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe
from lol_dagster.storage.searching import has_part

_PAUSED: dict[Call, str] = {
    "post": "Sending is paused",
    "edit": "Corrections are paused",
    "scan": "What may have been sent waits, as it cannot be looked for",
}
_T = TypeVar("_T")


def _shown_address(channel: Channel) -> str:
    return admin_context().transports[channel.kind].shown_address(channel.address)


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
    typed_columns = TYPED_COLUMNS
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
        "kind": lambda _view, _context, row, _name: shown_kind(row.kind),
        "address": lambda _view, _context, row, _name: _shown_address(row),
        "message_kinds": lambda _view, _context, row, _name: shown_kinds(row.message_kinds),
        "queues": lambda _view, _context, row, _name: shown_queues(row.queues),
        "only_if": lambda _view, _context, row, _name: ONLY_IF[row.only_if or ""],
        "quiet_hours": lambda _view, _context, row, _name: row.quiet_hours or "none",
        "templates": lambda _view, _context, row, _name: shown_templates(row.templates),
        "quiet_way": lambda _view, _context, row, _name: QUIET_WAYS[row.quiet_way],
        "pictures": lambda _view, _context, row, _name: PICTURES[row.pictures],
        "story": lambda _view, _context, row, _name: YES[row.story],
        "uncertain": lambda _view, _context, row, _name: POLICIES[row.uncertain],
    }
    column_formatters_export = {
        "team": lambda _view, _context, row, _name: row.team.name,
        "address": lambda _view, _context, row, _name: _shown_address(row),
    }


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
