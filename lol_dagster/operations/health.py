"""Is it working? The one answer behind `lol-dagster status`, read from the database.

What is not in our database (Dagster's daemons, the disk, the settings) is not looked at here. What
counts as trouble is defined in trouble.py; here it is put into words, each with what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.operations.trouble import (
    RIOT_KEY_SCOPE,
    UNTOLD_STATES,
    Found,
    accounts_not_polled,
    blocked_scopes,
    find,
    is_tracked,
    messages_told_twice,
    parked_messages,
    set_aside_games,
    stuck_games,
    unsettled_messages,
)
from lol_dagster.riot.archive import GIVE_UP_AFTER
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
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
class Health:
    """How things stand, and what is wrong with that."""

    looked_at: datetime
    teams: int
    channels: int
    platforms: tuple[PlatformPolls, ...]
    accounts_not_polled: Found
    """Riot IDs."""
    last_poll_error: str | None
    """Of the account whose looks have failed most often in a row; None: no look fails."""
    riot_key_refused: str | None
    """Why Riot refuses the key, if it does."""
    games: dict[str, int]
    """By state of their match: how many."""
    oldest_due_game: Waiting | None
    stuck_games: Found
    set_aside_games: Found
    late_games: int
    """Riot lists them but does not give them yet."""
    gone_last_day: int
    """Riot listed them and never gave them; given up within the last 24 hours."""
    played_last_day: int
    """Games that ended within the last 24 hours."""
    messages: dict[str, int]
    """By state: how many."""
    oldest_untold_message: Waiting | None
    unsettled_messages: Found
    parked_messages: Found
    told_twice: Found
    delivered_last_day: int
    blocked: tuple[Blocked, ...]

    @property
    def accounts(self) -> int:
        """Accounts of players who are in a team."""
        return sum(each.accounts for each in self.platforms)

    @property
    def problems(self) -> list[str]:
        """What is wrong and what to do about it, a line each, causes before their effects."""
        return [*_missing(self), *_of_riot(self), *_of_games(self), *_of_messages(self)]

    @property
    def healthy(self) -> bool:
        return not self.problems


def read_health(session: Session, now: datetime) -> Health:
    """How things stand.

    Args:
        now: An aware instant.
    """
    key = session.get(Breaker, RIOT_KEY_SCOPE)
    return Health(
        looked_at=now,
        teams=_count(session, Team.id, Team.removed_at.is_(None)),
        channels=_count(session, Channel.id, Channel.removed_at.is_(None)),
        platforms=_platforms(session, now),
        accounts_not_polled=find(session, accounts_not_polled(now)),
        last_poll_error=_last_poll_error(session, now),
        riot_key_refused=key.reason if key else None,
        games=_by_state(session, Match.state, MATCH_STATES),
        oldest_due_game=_oldest_due_game(session, now),
        stuck_games=find(session, stuck_games(now)),
        set_aside_games=find(session, set_aside_games()),
        late_games=_count(
            session, Match.match_id, Match.state == "listed", Match.first_missing_at.is_not(None)
        ),
        gone_last_day=_count(
            session,
            Match.match_id,
            Match.state == "gone",
            # The last try is made when this time is up.
            Match.first_missing_at > now - GIVE_UP_AFTER - _DAY,
        ),
        played_last_day=_count(session, Game.match_id, Game.ended_at > now - _DAY),
        messages=_by_state(session, Message.state, MESSAGE_STATES),
        oldest_untold_message=_oldest_untold_message(session),
        unsettled_messages=find(session, unsettled_messages(now)),
        parked_messages=find(session, parked_messages()),
        told_twice=find(session, messages_told_twice()),
        delivered_last_day=_count(session, Message.id, Message.delivered_at > now - _DAY),
        blocked=_blocked(session),
    )


def _missing(health: Health) -> Iterator[str]:
    if not health.teams:
        yield "there is no team yet: begin with 'lol-dagster team add NAME'"
        return
    if not health.accounts:
        yield (
            "nobody is watched: add a player with "
            "\"lol-dagster player add NAME --team TEAM --account 'Name#TAG' --platform na1\""
        )
    if not health.channels:
        yield (
            "nothing is told: add a channel with "
            "'lol-dagster channel add NAME --team TEAM --kind discord-bot --address CHANNEL_ID'"
        )


def _of_riot(health: Health) -> Iterator[str]:
    if health.riot_key_refused is not None:
        yield (
            f"Riot refuses the API key ({health.riot_key_refused}): get a new one at "
            "https://developer.riotgames.com, put it into LOL_RIOT_API_KEY and start again"
        )
        return  # all else is a consequence
    late = health.accounts_not_polled
    if late:
        why = (
            f"the last error was: {health.last_poll_error}"
            if health.last_poll_error
            else "is 'lol-dagster up' running?"
        )
        yield f"no match list for over an hour of {_number(late, 'account')} ({late}): {why}"


def _of_games(health: Health) -> Iterator[str]:
    stuck = health.stuck_games
    if stuck and health.riot_key_refused is None:
        yield (
            f"{_number(stuck, 'game')} due for over half an hour ({stuck}): is 'lol-dagster up' "
            f"running? 'lol-dagster game show {stuck.first[0]}' has the last error"
        )
    if aside := health.set_aside_games:
        yield (
            f"{_number(aside, 'game')} set aside ({aside}): 'lol-dagster game show "
            f"{aside.first[0]}' says why; materialize its partition in Dagster's UI to try again"
        )


def _of_messages(health: Health) -> Iterator[str]:
    for blocked in health.blocked:
        is_token = blocked.name.endswith("-token")
        what = blocked.name if is_token else f"channel {blocked.name!r}"
        remedy = "give another token" if is_token else "put its permissions or its address right"
        trial = (
            f"it is tried again after {blocked.retry_at:%H:%M} UTC"
            if blocked.retry_at
            else "it is not tried before something has changed"
        )
        yield f"{what} is blocked ({blocked.reason or 'no reason noted'}): {remedy}; {trial}"
    if unsettled := health.unsettled_messages:
        is_running = "" if health.blocked else "is 'lol-dagster up' running? "
        yield (
            f"{_number(unsettled, 'message')} untold for too long: {is_running}"
            f"'lol-dagster message show {_short(unsettled)}' has what was tried"
        )
    if parked := health.parked_messages:
        yield (
            f"{_number(parked, 'message')} parked, as nobody can find out whether they arrived: "
            f"'lol-dagster message show {_short(parked)}' has what was tried; look into the channel, "
            "then 'lol-dagster message resend', 'mark-delivered' or 'drop'"
        )
    if twice := health.told_twice:
        yield (
            f"{_number(twice, 'message')} told twice: 'lol-dagster message show {_short(twice)}' "
            "has both ids; delete one by hand and report this as a bug"
        )


def _number(found: Found, noun: str) -> str:
    return f"{found.count} {noun}{'' if found.count == 1 else 's'}"


def _short(messages: Found) -> str:
    """Enough of the first one's id to find it by."""
    return messages.first[0][:8]


def _platforms(session: Session, now: datetime) -> tuple[PlatformPolls, ...]:
    rows = session.execute(
        select(Account.platform, func.count(), func.max(AccountPoll.last_good_poll_at))
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(is_tracked(now))
        .group_by(Account.platform)
        .order_by(Account.platform)
    )
    return tuple(PlatformPolls(*row) for row in rows)


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


def _oldest_untold_message(session: Session) -> Waiting | None:
    row = session.execute(
        select(Message.id, Message.created_at)
        .where(Message.state.in_(UNTOLD_STATES))
        .order_by(Message.created_at)
        .limit(1)
    ).first()
    return None if row is None else Waiting(*row)


def _blocked(session: Session) -> tuple[Blocked, ...]:
    names = {
        f"channel:{channel_id}": name
        for channel_id, name in session.execute(select(Channel.id, Channel.name))
    }
    return tuple(
        Blocked(
            name=names.get(breaker.scope, breaker.scope),
            reason=breaker.reason,
            since=breaker.since,
            retry_at=None if breaker.dead else breaker.open_until,
        )
        for breaker in session.scalars(
            select(Breaker).where(Breaker.scope.in_(blocked_scopes())).order_by(Breaker.since)
        )
    )


def _by_state(
    session: Session, column: InstrumentedAttribute[str], states: tuple[str, ...]
) -> dict[str, int]:
    counts = session.execute(select(column, func.count()).group_by(column))
    return dict.fromkeys(states, 0) | dict(counts.all())


def _count(session: Session, key: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count(key)).where(*where)) or 0
