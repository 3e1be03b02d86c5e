"""Is it working? The one answer behind `lol-dagster status`, `/healthz`, `/metrics` and the alerts,
read from the database and the disk, never from Dagster.

What counts as trouble is defined in trouble.py; it is put into words in problems.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.monitoring.alert_channel import alert_channel_problem
from lol_dagster.monitoring.disk import Disk, look_at_disk
from lol_dagster.monitoring.heartbeats import Sign, read_signs
from lol_dagster.monitoring.housekeeping import backup_problem
from lol_dagster.monitoring.problems import notices, problems
from lol_dagster.monitoring.riot_limits import (
    RiotKey,
    WindowUse,
    read_key,
    window_uses,
)
from lol_dagster.monitoring.trouble import (
    UNDELIVERED_STATES,
    Found,
    accounts_missing_games,
    accounts_not_polled,
    audit_failures,
    blocked_scopes,
    contradictory_messages,
    duplicate_messages,
    find,
    messages_needing_review,
    quarantined_games,
    routes_down,
    stuck_games,
    unsettled_messages,
)
from lol_dagster.pipeline.match import GIVE_UP_AFTER
from lol_dagster.riot.key import RIOT_KEY_SCOPE, fingerprint_of
from lol_dagster.riot.polling import ROUTE_SCOPE
from lol_dagster.roster.memberships import is_tracked
from lol_dagster.settings import Settings
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Alert,
    Breaker,
    Channel,
    Game,
    Match,
    Message,
    Team,
)
from lol_dagster.storage.models.delivery import MESSAGE_STATES
from lol_dagster.storage.models.games import MATCH_STATES

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PlatformPolls:
    """How fresh our knowledge of a platform's accounts is."""

    platform: str
    accounts: int
    """Of players who are in a team."""
    last_good_poll_at: datetime | None
    """When Riot last gave the match list of any of them."""


@dataclass(frozen=True)
class Waiting:
    """The one of its kind that waits longest."""

    id: str
    """Match id or message id."""
    since: datetime


@dataclass(frozen=True)
class Blocked:
    """A channel or a token that is not used for now."""

    name: str
    """The channel's name, or which token it is: `discord-token`."""
    reason: str | None
    since: datetime | None
    retry_at: datetime | None
    """When it is tried again; None: not before somebody has changed something."""


@dataclass(frozen=True)
class FailingRoute:
    """One of Riot's regional routes that has given nobody's match list for a while."""

    route: str
    since: datetime
    reason: str | None


@dataclass(frozen=True)
class Health:
    """How things stand, and what is wrong with that."""

    looked_at: datetime
    signs: Mapping[str, Sign]
    """The last sign of life of each part of the system, by part."""
    disk: Disk
    teams: int
    channels: int
    platforms: tuple[PlatformPolls, ...]
    accounts_not_polled: Found
    """Riot IDs."""
    last_poll_error: str | None
    """Of the account whose looks have failed most often in a row; None: no look fails."""
    routes_down: tuple[FailingRoute, ...]
    accounts_missing_games: Found
    """Riot IDs of those who have played, as Riot's ranks prove, with no match to be seen."""
    riot_key: RiotKey | None
    riot_key_refused: str | None
    """Why Riot refuses the key that is set, if it does."""
    riot_limits: tuple[WindowUse, ...]
    games: dict[str, int]
    """By state of their match: how many."""
    oldest_due_game: Waiting | None
    stuck_games: Found
    quarantined_games: Found
    delayed_games: int
    """Riot lists them but does not give them yet."""
    not_found_last_day: int
    """Riot listed them and never gave them; given up within the last 24 hours."""
    played_last_day: int
    """Games that ended within the last 24 hours."""
    messages: dict[str, int]
    """By state: how many."""
    oldest_undelivered_message: Waiting | None
    unsettled_messages: Found
    messages_needing_review: Found
    duplicate_messages: Found
    audit_failures: Found
    """Told, and not there as they should be when they were last looked at."""
    contradictory_messages: Found
    delivered_last_day: int
    blocked: tuple[Blocked, ...]
    alerts_open: int
    alert_channel_problem: str | None
    """Why alerts cannot be told in LOL_ALERT_CHANNEL, if they cannot."""
    backup_problem: str | None
    """In words, with what to do about it."""

    @property
    def accounts(self) -> int:
        """Accounts of players who are in a team."""
        return sum(each.accounts for each in self.platforms)

    @property
    def problems(self) -> list[str]:
        """What is wrong and what to do about it, a line each, causes before their effects."""
        return problems(self)

    @property
    def notices(self) -> list[str]:
        """What is worth knowing though nothing is wrong yet, a line each."""
        return notices(self)

    @property
    def healthy(self) -> bool:
        return not self.problems


def read_health(session: Session, now: datetime, settings: Settings) -> Health:
    """How things stand.

    Args:
        now: An aware instant.
    """
    return Health(
        looked_at=now,
        signs=read_signs(session),
        disk=look_at_disk(session, settings),
        teams=_count(session, Team.id, Team.removed_at.is_(None)),
        channels=_count(session, Channel.id, Channel.removed_at.is_(None)),
        platforms=_platforms(session, now),
        accounts_not_polled=find(session, accounts_not_polled(now)),
        last_poll_error=_last_poll_error(session, now),
        routes_down=tuple(
            FailingRoute(each.scope.removeprefix(ROUTE_SCOPE), each.since or now, each.reason)
            for each in session.scalars(routes_down(now))
        ),
        accounts_missing_games=find(session, accounts_missing_games(now)),
        riot_key=read_key(session, settings),
        riot_key_refused=_riot_key_refused(session, settings),
        riot_limits=window_uses(session, settings, now),
        games=_by_state(session, Match.state, MATCH_STATES),
        oldest_due_game=_oldest_due_game(session, now),
        stuck_games=find(session, stuck_games(now)),
        quarantined_games=find(session, quarantined_games()),
        delayed_games=_count(
            session, Match.match_id, Match.state == "listed", Match.first_missing_at.is_not(None)
        ),
        not_found_last_day=_count(
            session,
            Match.match_id,
            Match.state == "not_found",
            # The last try is made when this time is up.
            Match.first_missing_at > now - GIVE_UP_AFTER - _DAY,
        ),
        played_last_day=_count(session, Game.match_id, Game.ended_at > now - _DAY),
        messages=_by_state(session, Message.state, MESSAGE_STATES),
        oldest_undelivered_message=_oldest_undelivered_message(session),
        unsettled_messages=find(session, unsettled_messages(now)),
        messages_needing_review=find(session, messages_needing_review()),
        duplicate_messages=find(session, duplicate_messages()),
        audit_failures=find(session, audit_failures()),
        contradictory_messages=find(session, contradictory_messages(now)),
        delivered_last_day=_count(session, Message.id, Message.delivered_at > now - _DAY),
        blocked=_blocked(session),
        alerts_open=_count(session, Alert.id, Alert.closed_at.is_(None)),
        alert_channel_problem=alert_channel_problem(session, settings),
        backup_problem=backup_problem(session, now),
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


def _riot_key_refused(session: Session, settings: Settings) -> str | None:
    breaker = session.get(Breaker, RIOT_KEY_SCOPE)
    if breaker is None or breaker.fingerprint not in {None, fingerprint_of(settings)}:
        return None  # another key is set by now, and will be tried
    return breaker.reason


def _last_poll_error(session: Session, now: datetime) -> str | None:
    return session.scalar(
        select(AccountPoll.last_error)
        .join(Account, Account.id == AccountPoll.account_id)
        .where(AccountPoll.last_error.is_not(None), is_tracked(now))
        .order_by(AccountPoll.failures.desc(), AccountPoll.account_id)
        .limit(1)
    )


def _oldest_due_game(session: Session, now: datetime) -> Waiting | None:
    row = session.execute(
        select(Match.match_id, Match.next_try_at)
        .where(Match.next_try_at <= now)
        .order_by(Match.next_try_at)
        .limit(1)
    ).first()
    return None if row is None or row[1] is None else Waiting(row[0], row[1])


def _oldest_undelivered_message(session: Session) -> Waiting | None:
    row = session.execute(
        select(Message.id, Message.created_at)
        .where(Message.state.in_(UNDELIVERED_STATES))
        .order_by(Message.created_at)
        .limit(1)
    ).first()
    return None if row is None else Waiting(*row)


def _blocked(session: Session) -> tuple[Blocked, ...]:
    breakers = session.scalars(
        select(Breaker).where(Breaker.scope.in_(blocked_scopes())).order_by(Breaker.since)
    ).all()
    ids = [
        int(key)
        for kind, _, key in (each.scope.partition(":") for each in breakers)
        if kind == "channel"
    ]
    names = {
        f"channel:{channel_id}": name
        for channel_id, name in session.execute(
            select(Channel.id, Channel.name).where(Channel.id.in_(ids))
        )
    }
    return tuple(
        Blocked(
            name=names.get(breaker.scope, breaker.scope),
            reason=breaker.reason,
            since=breaker.since,
            retry_at=None if breaker.dead else breaker.open_until,
        )
        for breaker in breakers
    )


def _by_state(
    session: Session, column: InstrumentedAttribute[str], states: tuple[str, ...]
) -> dict[str, int]:
    counts = session.execute(select(column, func.count()).group_by(column))
    return dict.fromkeys(states, 0) | dict(counts.all())


def _count(session: Session, key: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count(key)).where(*where)) or 0
