"""Messages: the list, and a message's page with every call that was made and what can be decided."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_admin.actions import action
from flask_admin.form import BaseForm
from markupsafe import Markup
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload
from wtforms import StringField
from wtforms.validators import Optional

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import message_state
from lol_dagster.admin.filters import DayFilter, Filter, Options
from lol_dagster.admin.forms import MOST, FieldError, number_in, stripped
from lol_dagster.admin.model_view import BaseModelView
from lol_dagster.admin.transactions import end_reading, reading
from lol_dagster.admin.views.played import parts_shown, who_played
from lol_dagster.delivery import decisions
from lol_dagster.delivery.champion_icons import shown_icons
from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.explain.game import explain_message
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import write_marker
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import (
    Channel,
    Game,
    Message,
    MessageAudit,
    MessageGame,
    MessageText,
    Payload,
)
from lol_dagster.storage.models.delivery import MESSAGE_KINDS, MESSAGE_STATES

logger = logging.getLogger(__name__)


class MarkForm(BaseForm):
    """The id of a message in its channel."""

    remote_id = StringField(
        "Its id in the channel",
        [Optional()],
        filters=[stripped],
        description="Without it the message is not corrected when the stats of a game change.",
        render_kw={"autocomplete": "off"},
    )


class MessageView(BaseModelView):
    """The list of messages."""

    column_list = ("created_at", "channel", "says", "kind", "state", "delivered_at")
    column_labels = {"created_at": "Written", "delivered_at": "Delivered"}
    column_export_list = (
        "id", "subject", "kind", "channel", "state", "created_at", "due_at", "delivered_at",
        "remote_id", "evidence", "attempts", "last_error", "says",
    )  # fmt: skip
    column_searchable_list = ("id",)
    column_sortable_list = ("created_at", "delivered_at")
    column_default_sort = ("created_at", True)
    column_display_actions = False
    details_template = "games/message.html"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.column_filters = (
            Filter(
                "State",
                lambda value: Message.state == value,
                options=[(each, each.replace("_", " ")) for each in MESSAGE_STATES],
            ),
            Filter(
                "Channel",
                lambda value: Message.channel_id == number_in(value),
                options=_channels,
            ),
            Filter(
                "Kind",
                lambda value: Message.kind == value,
                options=[(each, each.replace("_", "-")) for each in MESSAGE_KINDS],
            ),
            DayFilter("From", Message.created_at),
            DayFilter("To", Message.created_at, last=True),
        )
        super().__init__(*arguments, **options)

    def search_placeholder(self) -> str:
        return "match id, or a message's id"

    def get_query(self) -> Any:
        return super().get_query().options(joinedload(Message.channel).joinedload(Channel.team))

    def _apply_search(
        self, query: Any, _count_query: Any, joins: Any, count_joins: Any, search: str
    ) -> Any:
        return query.filter(_found_by(search.strip())), None, joins, count_joins

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """A message with each call: what was sent, the response, the outcome."""
        return self._page(request.args.get("id", ""), MarkForm())

    def _page(self, key: str, form: MarkForm) -> ResponseReturnValue:
        end_reading()  # a refusal is about what is there now
        message: Message = self.get_one(key)
        session = reading()
        channel = message.channel
        transports = admin_context().transports
        # Where it goes comes first; of another service its first kind.
        services: dict[str, Transport] = {}
        for each in (transports[channel.kind], *transports.values()):
            services.setdefault(each.service, each)
        previews = _previews(message, message.content, message.desired_rev, services.values())
        return self.render(
            self.details_template,
            message=message,
            channel=channel,
            title=message.content["title"] if previews else message.subject,
            story=explain_message(session, message),
            choices=decisions.choices(session, message, transports=transports),
            form=form,
            previews=previews and zip(services, previews, strict=True),
            former=_former(message),
            games=_games(message),
            decisions=entries_about(session, Message, message.id),
            audited=session.get(MessageAudit, message.id),
        )

    @expose("/decide/", methods=["POST"])
    def decide_view(self) -> ResponseReturnValue:
        """Decide what the protocol cannot."""
        message: Message = self.get_one(request.form.get("id", ""))
        form = MarkForm(request.form)
        how: dict[str, tuple[Callable[..., Message], str]] = {
            "resend": (
                partial(
                    decisions.resend,
                    former_address_checked="former_address_checked" in request.form,
                ),
                "It is sent with the next delivery run, unless it is found in the channel.",
            ),
            "mark-delivered": (
                partial(_mark_delivered, remote_id=form.remote_id.data or None),
                "Marked as delivered.",
            ),
            "drop": (decisions.drop, "Dropped: it will never be sent."),
            "give-up-edit": (decisions.drop, "Given up: the text that is there stays."),
        }
        if request.form.get("decision") not in how:
            abort(400)
        decide, done = how[request.form["decision"]]
        typed = form if form.remote_id.data else None
        if self._written(typed, lambda session: _decide(decide, session, message)):
            flash(done, "success")
        elif typed:
            return self._page(message.id, typed)
        return redirect(self.get_url(".details_view", id=message.id), 303)

    @action(
        "resend",
        "Resend",
        "Send these again? A message that did arrive will be there twice if its channel cannot be "
        "read.",
    )
    def action_resend(self, ids: list[str]) -> None:
        done = self.done_to_each(ids, partial(_decide, decisions.resend))
        flash(
            f"{done} to be sent with the next delivery run, unless found in the channel.", "success"
        )

    @action("drop", "Drop", "Drop these messages? This cannot be undone.")
    def action_drop(self, ids: list[str]) -> None:
        done = self.done_to_each(ids, partial(_decide, decisions.drop))
        flash(f"Dropped {done}.", "success")

    column_formatters = {
        "channel": lambda _view, _context, row, _name: (
            f"{row.channel.team.name}: {row.channel.name}"
        ),
        "says": lambda _view, _context, row, _name: row.content["summary"],
        "kind": lambda _view, _context, row, _name: row.kind.replace("_", "-"),
        "state": lambda _view, _context, row, _name: message_state(row.state),
    }
    column_formatters_export = {
        "channel": column_formatters["channel"],
        "says": column_formatters["says"],
    }


def _decide(decide: Callable[..., Message], session: Session, message: Message) -> Message:
    context = admin_context()
    return decide(
        session,
        message.id,
        transports=admin_context().transports,
        clock=clock_for(context.database),
        now=context.now(),
    )


def _mark_delivered(
    session: Session, message_id: str, *, remote_id: str | None, **how: Any
) -> Message:
    try:
        return decisions.mark_delivered(session, message_id, remote_id, **how)
    except decisions.RemoteIdError as error:
        raise FieldError("remote_id", str(error)) from None


def _previews(
    message: Message, content: Any, rev: int, transports: Iterable[Transport]
) -> list[Markup] | None:
    """What it says as each kind of channel shows it; None: the stored message cannot be read."""
    marker = write_marker(message.id, rev)
    try:
        read = MessageContent.from_json(content)
        return [
            each.preview(read, marker, shown_icons(reading(), each, message.id, read))
            for each in transports
        ]
    except Exception:  # whatever is stored there: the rest of the page is what helps then
        logger.exception("message %s, revision %d: cannot be shown", message.id, rev)
        return None


def _found_by(text: str) -> ColumnElement[bool]:
    """By the beginning of its id, or by the match id of a game in it."""
    if "_" in text:
        about = select(MessageGame.message_id).where(MessageGame.match_id == text.upper())
        return Message.id.in_(about)
    return Message.id.startswith(text.lower(), autoescape=True)


def _channels(chosen: str) -> Options:
    """As forms.py has it; removed ones, whose messages are history, up to the limit."""
    rows = list(_first_channels(Channel.removed_at.is_(None), MOST))
    rows += _first_channels(Channel.removed_at.is_not(None), MOST - len(rows))
    if chosen and (row := reading().get(Channel, number_in(chosen))) and row not in rows:
        rows.append(row)
    named = [(str(row.id), f"{row.team.name}: {row.name}") for row in rows]
    return sorted(named, key=lambda each: each[1].casefold())


def _first_channels(which: ColumnElement[bool], most: int) -> Iterable[Channel]:
    return reading().scalars(
        select(Channel)
        .where(which)
        .options(joinedload(Channel.team))
        .order_by(func.lower(Channel.name))
        .limit(most)
    )


def _former(message: Message) -> list[tuple[int, list[Markup] | None]]:
    """Earlier revisions, newest first: number and previews."""
    texts = reading().scalars(
        select(MessageText)
        .where(MessageText.message_id == message.id)
        .order_by(MessageText.rev.desc())
    )
    transports = [admin_context().transports[message.channel.kind]]
    return [(each.rev, _previews(message, each.content, each.rev, transports)) for each in texts]


def _games(message: Message) -> list[tuple[str, Game | None, Payload | None, Any]]:
    """Its games: match id, game, payload, and which of our players took part."""
    session = reading()
    match_ids = sorted(
        session.scalars(select(MessageGame.match_id).where(MessageGame.message_id == message.id))
    )
    played = who_played(session, match_ids)
    return [
        (
            match_id,
            session.get(Game, match_id),
            session.get(Payload, match_id),
            parts_shown(played.get(match_id, ())),
        )
        for match_id in match_ids
    ]


def register(admin: Admin) -> None:
    admin.add_view(MessageView(Message, name="Messages", endpoint="message", category="Games"))
