"""Is it working? The figures of `lol-dagster status`, the start page and the metrics, with the result
of every check; read from the database and the disk, never from Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.delivery.model import QUIET
from lol_dagster.monitoring.checks import CheckResult, Moment, failing, run_checks
from lol_dagster.monitoring.counts import count_matches, count_messages
from lol_dagster.monitoring.disk import Disk
from lol_dagster.monitoring.heartbeat import Beat
from lol_dagster.monitoring.queries import UNDELIVERED_STATES
from lol_dagster.monitoring.riot_limits import RiotKey, WindowUse, window_uses
from lol_dagster.pipeline.match import GIVE_UP_AFTER
from lol_dagster.roster.memberships import is_tracked
from lol_dagster.settings import Settings
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Alert,
    Base,
    Channel,
    Game,
    Match,
    Message,
    Team,
)
from lol_dagster.storage.plans import through

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PlatformPolls:
    """When the accounts of a platform were last polled."""

    platform: str
    accounts: int
    """Of players who are in a team."""
    last_good_poll_at: datetime | None
    """When Riot last gave the match list of any of them."""


@dataclass(frozen=True)
class Oldest:
    """The one of its kind that has waited longest."""

    id: str
    """Match id or message id."""
    since: datetime


@dataclass(frozen=True)
class Health:
    """How things stand, and what is wrong with that."""

    checked_at: datetime
    checks: tuple[CheckResult, ...]
    """Of every check, in the order of the table."""
    heartbeats: Mapping[str, Beat]
    """The last one of each part of the system, by part."""
    disk: Disk
    teams: int
    channels: int
    platforms: tuple[PlatformPolls, ...]
    riot_key: RiotKey | None
    riot_limits: tuple[WindowUse, ...]
    games: dict[str, int]
    """By state of their match: how many."""
    oldest_due_game: Oldest | None
    delayed_games: int
    """Riot lists them but does not give them yet."""
    not_found_last_day: int
    """Riot listed them and never gave them; given up within the last 24 hours."""
    played_last_day: int
    """Games that ended within the last 24 hours."""
    messages: dict[str, int]
    """By state: how many."""
    oldest_undelivered_message: Oldest | None
    delivered_last_day: int
    """Messages, without those that only tried a channel out."""
    alerts_open: int

    @property
    def accounts(self) -> int:
        """Accounts of players who are in a team."""
        return sum(each.accounts for each in self.platforms)

    @property
    def errors(self) -> list[str]:
        """What is wrong and what to do about it, a line each, causes before their effects."""
        return self._lines("error")

    @property
    def warnings(self) -> list[str]:
        """What is worth knowing though nothing is wrong yet, a line each."""
        return self._lines("warning")

    @property
    def healthy(self) -> bool:
        return not self.errors

    def _lines(self, severity: Literal["error", "warning"]) -> list[str]:
        return [
            line
            for result in failing(self.checks, "status")
            if result.check.severity == severity
            for line in result.lines
        ]


def read_health(session: Session, now: datetime, settings: Settings) -> Health:
    """How things stand.

    Args:
        now: An aware instant.
    """
    moment = Moment(session, settings, now)
    return Health(
        checked_at=now,
        checks=tuple(run_checks(moment)),
        heartbeats=moment.beats,
        disk=moment.disk,
        teams=_count(session, Team.id, Team.removed_at.is_(None)),
        channels=_count(session, Channel.id, Channel.removed_at.is_(None)),
        platforms=_platforms(session, now),
        riot_key=moment.riot_key,
        riot_limits=window_uses(session, settings, now),
        games=count_matches(session),
        oldest_due_game=_oldest_due(session, now),
        delayed_games=_missing(session, "listed", Match.first_missing_at.is_not(None)),
        # The last try is made when this time is up.
        not_found_last_day=_missing(
            session, "not_found", Match.first_missing_at > now - GIVE_UP_AFTER - _DAY
        ),
        played_last_day=_last_day(session, Game, "ix_games_ended_at", Game.ended_at > now - _DAY),
        messages=count_messages(session),
        oldest_undelivered_message=_oldest_undelivered(session),
        delivered_last_day=_last_day(
            session,
            Message,
            "ix_messages_delivered_at",
            Message.delivered_at > now - _DAY,
            Message.kind != "test",
        ),
        alerts_open=_open_alerts(session),
    )


def _platforms(session: Session, now: datetime) -> tuple[PlatformPolls, ...]:
    rows = session.execute(
        select(Account.platform, func.count(), func.max(AccountPoll.last_good_poll_at))
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(is_tracked(now))
        .group_by(Account.platform)
        .order_by(Account.platform)
    )
    return tuple(PlatformPolls(*row) for row in rows)


def _oldest_due(session: Session, now: datetime) -> Oldest | None:
    due = (
        select(Match.match_id, Match.next_try_at)
        .where(Match.next_try_at <= now)
        .order_by(Match.next_try_at)
    )
    row = session.execute(through(due, Match, "ix_matches_due").limit(1)).first()
    return None if row is None else Oldest(*row)


def _oldest_undelivered(session: Session) -> Oldest | None:
    undelivered = (
        select(Message.id, Message.created_at)
        .where(
            Message.due_at.is_not(None),
            Message.state.in_(UNDELIVERED_STATES),
            # What waits for the end of quiet hours is not late.
            Message.last_error.is_distinct_from(QUIET),
        )
        # Of a function: PostgreSQL would walk all messages in the order in which they came to be.
        .order_by(func.coalesce(Message.created_at, Message.due_at))
    )
    row = session.execute(through(undelivered, Message, "ix_messages_due").limit(1)).first()
    return None if row is None else Oldest(*row)


def _last_day(session: Session, model: type[Base], index: str, *where: ColumnElement[bool]) -> int:
    found = select(func.count()).select_from(model).where(*where)
    return session.scalar(through(found, model, index)) or 0


def _open_alerts(session: Session) -> int:
    is_open = select(func.count(Alert.id)).where(Alert.closed_at.is_(None))
    return session.scalar(through(is_open, Alert, "uq_alerts_open")) or 0


def _missing(session: Session, state: str, where: ColumnElement[bool]) -> int:
    """How many matches in that state Riot lists, or listed, without giving them."""
    found = select(func.count(Match.match_id)).where(Match.state == state, where)
    return session.scalar(through(found, Match, "ix_matches_missing")) or 0


def _count(session: Session, key: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count(key)).where(*where)) or 0
