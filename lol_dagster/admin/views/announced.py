"""Where games were announced, for lists of games."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.admin.display import NOTHING, message_state, row_link
from lol_dagster.storage.models import Channel, Message, MessageGame

_AT_ONCE = 500
"""Ids in one question: both databases have a most of their own."""


@dataclass(frozen=True)
class Place:
    """A channel in which a game is, or is to be, announced."""

    channel: str
    message_id: str
    state: str
    """Of the message; `pending` where the text that stands there does not name the game yet."""


def where_announced(session: Session, match_ids: Sequence[str]) -> Mapping[str, list[Place]]:
    """The places of each game, by the channel's name; a game without any is not in it."""
    found: dict[str, list[Place]] = {}
    for begin in range(0, len(match_ids), _AT_ONCE):
        rows = session.execute(
            select(
                MessageGame.match_id,
                Channel.name,
                Message.id,
                Message.state,
                MessageGame.since_rev,
                Message.remote_rev,
            )
            .join(Message, Message.id == MessageGame.message_id)
            .join(Channel, Channel.id == MessageGame.channel_id)
            .where(MessageGame.match_id.in_(match_ids[begin : begin + _AT_ONCE]))
            .order_by(MessageGame.match_id, Channel.name)
        )
        for match_id, channel, message_id, state, since_rev, remote_rev in rows:
            is_said = state != "delivered" or remote_rev is None or since_rev <= remote_rev
            place = Place(channel, message_id, state if is_said else "pending")
            found.setdefault(match_id, []).append(place)
    return found


def places_shown(places: Iterable[Place]) -> Markup:
    """One line each: how far it has come, and where."""
    lines = [
        Markup('<div class="place">{} {}</div>').format(
            message_state(place.state), row_link("message", place.message_id, place.channel)
        )
        for place in places
    ]
    return Markup("").join(lines) or NOTHING
