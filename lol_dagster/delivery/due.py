"""Which messages have something to be done about them, and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.gates import FOREVER
from lol_dagster.delivery.states import Moment
from lol_dagster.storage.models import Message, MessageGame


def count(session: Session, opening_times: Mapping[int, datetime], now: datetime) -> int:
    """How many messages can be sent, looked up or edited now.

    Args:
        opening_times: When channels that are closed open again, by id.
    """
    # Not grouped by the database: SQLite would walk all history by channel for it.
    channels = session.scalars(select(Message.channel_id).where(Message.due_at <= now))
    return sum(opening_times.get(channel, now) <= now for channel in channels)


def next_time(
    session: Session,
    opening_times: Mapping[int, datetime],
    only_match_ids: Collection[str] | None = None,
) -> datetime | None:
    """When there is something to do next, perhaps by now; None: not before something changes."""
    waiting = session.execute(
        select(Message.channel_id, Message.due_at).where(
            Message.due_at.is_not(None), *telling_of(only_match_ids)
        )
    )
    times = [max(due, opening_times.get(channel, due)) for channel, due in waiting if due]
    return min((time for time in times if time != FOREVER), default=None)


def telling_of(match_ids: Collection[str] | None) -> list[ColumnElement[bool]]:
    """Condition: the message tells of one of these games. None: no condition."""
    if match_ids is None:
        return []
    told_of = select(MessageGame.message_id).where(MessageGame.match_id.in_(match_ids))
    return [Message.id.in_(told_of)]


def free(now: Moment) -> ColumnElement[bool]:
    """Condition: due by the wall, and in nobody's hands by the delivery clock."""
    return and_(
        Message.due_at <= now.wall,
        or_(
            Message.state != "sending",
            Message.clock != now.epoch,
            Message.lease_until <= now.at,
        ),
    )
