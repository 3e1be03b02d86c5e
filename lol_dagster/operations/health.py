"""Is it working? The one answer behind `lol-dagster status`, computed from the database.

Reads only. What is not in our database (Dagster's daemons, disk, memory) is not looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Breaker,
    Channel,
    Match,
    Membership,
    Message,
    Team,
)

POLL_DEADLINE = timedelta(minutes=65)
"""No account is asked about less often than every 30 minutes; one look may fail."""
GAME_DEADLINE = timedelta(minutes=30)
"""A batch takes minutes at most; what is due for longer than this is stuck."""
MESSAGE_DEADLINE = timedelta(hours=1)
"""For a message whose channel is open: settling the fate of a send takes minutes."""


@dataclass(frozen=True)
class PlatformHealth:
    """How fresh our knowledge of a platform's accounts is."""

    platform: str
    accounts: int
    """Of players who are in a team."""
    last_good_poll_at: datetime | None
    """When Riot last told any account's match list."""


@dataclass(frozen=True)
class Waiting:
    """The one of its kind that waits longest."""

    key: str
    """Match id or message id."""
    since: datetime


@dataclass(frozen=True)
class Closed:
    """A channel, a token or the Riot key that is not used for now."""

    name: str
    """The channel's name, or the breaker's scope."""
    reason: str | None
    since: datetime | None
    until: datetime | None
    """When it is tried again; None: not before somebody has changed something."""


@dataclass(frozen=True)
class Health:
    """How things stand, and what is wrong with that."""

    looked_at: datetime
    platforms: tuple[PlatformHealth, ...]
    oldest_unprocessed: Waiting | None
    """A game that is due."""
    oldest_untold: Waiting | None
    """A message that has not come to its end."""
    set_aside: int
    late: int
    """Games that Riot lists but does not give yet."""
    parked: int
    blocked: tuple[Closed, ...]
    problems: tuple[str, ...]
    """In words, most important first; empty: it works."""

    @property
    def healthy(self) -> bool:
        return not self.problems


def look(session: Session, now: datetime) -> Health:
    """How things stand at `now`, an aware instant."""
    platforms = _platforms(session, now)
    unprocessed, untold = _oldest_unprocessed(session, now), _oldest_untold(session)
    blocked = _blocked(session, now)
    set_aside = _count(session, Match.state == "set_aside")
    parked = _count(session, Message.state == "parked")
    problems = [
        *_missing(session, platforms),
        *_stale(platforms, now),
        *(
            f"{_closed_name(each)} is blocked: {each.reason or 'no reason noted'}"
            for each in blocked
        ),
    ]
    if unprocessed and unprocessed.since < now - GAME_DEADLINE:
        problems.append(f"game {unprocessed.key} has been due since {unprocessed.since:%F %R} UTC")
    if untold and untold.since < now - MESSAGE_DEADLINE:
        problems.append(f"message {untold.key} has been untold since {untold.since:%F %R} UTC")
    if set_aside:
        problems.append(
            f"{set_aside} games are set aside: each has a failed run of its own in Dagster's UI"
        )
    if parked:
        problems.append(
            f"{parked} messages wait for your decision: lol-dagster message list --state parked"
        )
    return Health(
        looked_at=now,
        platforms=platforms,
        oldest_unprocessed=unprocessed,
        oldest_untold=untold,
        set_aside=set_aside,
        late=_count(session, Match.first_missing_at.is_not(None), Match.state == "listed"),
        parked=parked,
        blocked=blocked,
        problems=tuple(problems),
    )


def _platforms(session: Session, now: datetime) -> tuple[PlatformHealth, ...]:
    members = select(Membership.player_id).where(
        Membership.since <= now, or_(Membership.until.is_(None), Membership.until > now)
    )
    rows = session.execute(
        select(Account.platform, func.count(), func.max(AccountPoll.last_good_poll_at))
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(Account.player_id.in_(members))
        .group_by(Account.platform)
        .order_by(Account.platform)
    )
    return tuple(PlatformHealth(*row) for row in rows)


def _oldest_unprocessed(session: Session, now: datetime) -> Waiting | None:
    row = session.scalars(
        select(Match).where(Match.next_try_at <= now).order_by(Match.next_try_at).limit(1)
    ).first()
    return Waiting(row.match_id, row.next_try_at) if row and row.next_try_at else None


def _oldest_untold(session: Session) -> Waiting | None:
    # A blocked message waits for its channel, which is told of by itself.
    row = session.execute(
        select(Message.id, Message.created_at)
        .where(Message.state.in_(("pending", "sending", "uncertain")))
        .order_by(Message.created_at)
        .limit(1)
    ).first()
    return Waiting(*row) if row else None


def _blocked(session: Session, now: datetime) -> tuple[Closed, ...]:
    channels = {
        f"channel:{row.id}": (row.name, row.removed_at) for row in session.scalars(select(Channel))
    }
    closed = session.scalars(
        select(Breaker)
        .where(or_(Breaker.dead, Breaker.open_until > now))
        .order_by(Breaker.since, Breaker.scope)
    )
    found = []
    for breaker in closed:
        name, removed_at = channels.get(breaker.scope, (breaker.scope, None))
        if removed_at is None:
            until = None if breaker.dead else breaker.open_until
            found.append(Closed(name, breaker.reason, breaker.since, until))
    return tuple(found)


def _missing(session: Session, platforms: tuple[PlatformHealth, ...]) -> list[str]:
    if not _count(session, Team.removed_at.is_(None)):
        return ["nothing is set up yet: begin with 'lol-dagster team add NAME'"]
    missing = []
    if not platforms:
        missing.append("nobody is watched: add a player with 'lol-dagster player add'")
    if not _count(session, Channel.removed_at.is_(None)):
        missing.append("nothing is told: add a channel with 'lol-dagster channel add'")
    return missing


def _stale(platforms: tuple[PlatformHealth, ...], now: datetime) -> list[str]:
    problems = []
    for each in platforms:
        if each.last_good_poll_at is None:
            problems.append(
                f"Riot has never been asked about {each.platform}: is 'lol-dagster up' running?"
            )
        elif each.last_good_poll_at < now - POLL_DEADLINE:
            problems.append(
                f"Riot was last asked about {each.platform} at {each.last_good_poll_at:%F %R} UTC: "
                "is 'lol-dagster up' running, and its key valid?"
            )
    return problems


def _closed_name(closed: Closed) -> str:
    return closed.name if ":" in closed.name or "-" in closed.name else f"channel {closed.name}"


def _count(session: Session, *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).where(*where)) or 0
