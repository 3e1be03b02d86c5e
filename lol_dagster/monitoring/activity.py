"""How much has happened lately, by the hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Game, Message

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class HourOfWork:
    """What happened from a full hour on, until the next."""

    begins_at: datetime
    games: int
    """Games that ended in it."""
    deliveries: int
    """Messages that were delivered in it."""


def hourly(session: Session, now: datetime, *, hours: int) -> list[HourOfWork]:
    """The last hours, the current one last.

    Args:
        now: An aware instant.
        hours: How many, the current one included.
    """
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - (hours - 1) * HOUR
    games = _by_hour(
        session.scalars(select(Game.ended_at).where(Game.ended_at >= first, Game.ended_at <= now))
    )
    deliveries = _by_hour(
        session.scalars(
            select(Message.delivered_at).where(
                Message.delivered_at >= first, Message.delivered_at <= now
            )
        )
    )
    begins = [first + number * HOUR for number in range(hours)]
    return [HourOfWork(each, games[each], deliveries[each]) for each in begins]


def _by_hour(instants: Iterable[datetime | None]) -> Counter[datetime]:
    return Counter(
        each.replace(minute=0, second=0, microsecond=0) for each in instants if each is not None
    )
