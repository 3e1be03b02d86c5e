"""A message as a deliverer holds it that has claimed it, and how its channel is given and asked for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lol_dagster.delivery.destinations import Destination
from lol_dagster.delivery.message_rows import row_of, terms_of
from lol_dagster.delivery.model import Effect, PostVerdict, Refused, Row, Scan, Terms, Timing
from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    Answer,
    Outgoing,
    ShownIcons,
    Transport,
    Wanted,
)
from lol_dagster.delivery.whereabouts import stands_elsewhere
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import write_marker
from lol_dagster.storage.models import Channel, Message, MessageGame

logger = logging.getLogger(__name__)

ABOUT_GAMES = ("game", "catch_up")


@dataclass(frozen=True)
class ClaimedMessage:
    """A message that a deliverer has claimed, as of its last step."""

    row: Row
    effects: tuple[Effect, ...]
    content: dict[str, Any]
    """Of revision `row.desired_rev`."""
    nonce: str
    match_ids: tuple[str, ...]
    channel_name: str
    kind: str
    address: str
    destination: Destination
    terms: Terms
    was_delivered: bool
    """It was delivered before this claim: what is done now is an edit."""
    games_ended_at: datetime | None
    """By Riot's clock: before it was first sent. None: it is about no game."""
    probes: frozenset[str] = frozenset()
    """The circuit breakers whose turn it is, which it tries out."""
    doubtful: bool = False
    """The last such call to its channel has failed: its own, too, may take all of their time."""
    claimed_at: float = 0.0
    """On `Clock.local`, from before the claim."""
    run_id: str | None = None
    begins_at: datetime | None = None
    """When the service allows the intended call; None: now."""
    attempt_id: int | None = None
    outgoing: Outgoing | Answer[PostVerdict] | None = None
    """What the intended call is to send, or why it cannot be rendered."""


def as_claimed(
    session: Session,
    message: Message,
    transports: Mapping[str, Transport],
    destination: Destination,
    timing: Timing,
) -> ClaimedMessage:
    """The message as it stands, with nothing to be done about it yet."""
    channel = session.get_one(Channel, message.channel_id)
    row = row_of(message)
    terms = terms_of(session, channel, transports, timing)
    if row.delivered and stands_elsewhere(session, message):
        # Its id means nothing at the channel's new address, which would say that it was deleted.
        terms = replace(terms, edit=False)
    match_ids = session.scalars(
        select(MessageGame.match_id)
        .where(MessageGame.message_id == message.id)
        .order_by(MessageGame.match_id)
    )
    return ClaimedMessage(
        row=row,
        effects=(),
        content=message.content,
        nonce=message.nonce,
        match_ids=tuple(match_ids),
        channel_name=channel.name,
        kind=channel.kind,
        address=channel.address,
        destination=destination,
        terms=terms,
        was_delivered=row.delivered,
        # Seen before it ended: Riot's clock is wrong, if not ours.
        games_ended_at=(
            min(message.order_at, message.created_at) if message.kind in ABOUT_GAMES else None
        ),
    )


def wanted(transport: Transport, claimed: ClaimedMessage, scan: Scan, known: str | None) -> Wanted:
    """What to look for in the channel's history.

    Args:
        known: As `Wanted.known`.
    """
    message = rendered(transport, claimed, claimed.row.desired_rev)
    body = message.body if isinstance(message, Outgoing) else {}
    return Wanted(claimed.row.id, scan.after_id, known, scan.position, body)


def rendered(
    transport: Transport,
    claimed: ClaimedMessage,
    rev: int,
    icons: Callable[[MessageContent], ShownIcons] = lambda _content: NO_ICONS,
) -> Outgoing | Answer[PostVerdict]:
    """The message as its channel takes it, or that it cannot be rendered: whatever is wrong with
    one message's content sends that message alone to review.

    Args:
        icons: Finds those of the champions in it.
    """
    try:
        content = MessageContent.from_json(claimed.content)
        shown = icons(content)
        body = transport.render(content, write_marker(claimed.row.id, rev), shown)
    except SQLAlchemyError:
        raise
    except Exception as error:
        logger.exception("cannot be rendered", extra={"message_id": claimed.row.id})
        return Answer(Refused(f"it cannot be rendered: {type(error).__name__}"))
    return Outgoing(claimed.row.id, rev, claimed.nonce, body, has_icons=bool(shown))
