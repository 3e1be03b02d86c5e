"""Whose turn it is where Riot's limits do not allow all accounts their usual pauses.

With a personal key that is so from some 200 accounts of a regional route on. Asked one after another all would
wait alike, whoever plays just now and whoever has not for weeks. What is asked for is news, and news of each
account comes at a rate of its own: games that are waited for are fewest in all if each account is asked in
proportion to the square root of its rate. The rate is that of those who play, as long as they do; else how many
games the account has had at this time of day in the last four weeks.

A quarter of the calls goes to all alike, so that nobody waits for more than four times as long as one after
another.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from lol_dagster.riot.polling import (
    PERSONAL_KEY_CALLS,
    is_polled,
    last_played,
    usual_pause,
)
from lol_dagster.riot.routing import REGIONAL_ROUTES
from lol_dagster.storage.models import Account, AccountPoll, Game, PlayerStat

POLLING_SHARE = 0.9
"""How much of Riot's limits match lists may take: the rest is for the games in them."""
SHARE_BY_NEWS = 0.75
"""Of that, how much by expected news; the rest goes to all alike."""
GOES_ON_FOR = timedelta(hours=1)
"""For so long after a game the next one of the evening may end."""
GAMES_WHILE_PLAYING = 4 / 3
"""An hour: a game of half an hour, a pause, and one in three games is the last."""
FAILING_COME_LAST_FOR = 10.0
"""Of their pauses: in so many others have had their turns before them."""
DAYS_BACK = 28
AROUND = timedelta(hours=1)
"""Before and after this time of day."""
UNKNOWN_GAMES = 0.5
"""In that time, of an account that had none."""

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Waiting:
    """An account between two of its turns."""

    account_id: int
    route: str
    quiet_for: timedelta
    """Since its last game."""
    games: int = 0
    """That ended around this time of day in the last weeks."""
    not_asked_for: timedelta | None = None
    """None: its list never came."""
    fails: bool = False

    @cached_property
    def usual_calls(self) -> float:
        """A minute, where that is allowed."""
        return _MINUTE / usual_pause(self.quiet_for)

    @cached_property
    def weight(self) -> float:
        """The square root of how many games are expected an hour."""
        if self.quiet_for < GOES_ON_FOR:
            return math.sqrt(GAMES_WHILE_PLAYING)
        return math.sqrt((self.games + UNKNOWN_GAMES) / (DAYS_BACK * (2 * AROUND / _HOUR)))


class Turns:
    """Of all accounts that are tracked at a moment."""

    def __init__(self, waiting: Iterable[Waiting], allowed: Mapping[str, float]) -> None:
        """
        Args:
            allowed: Calls a minute on each route, as far as they are known.
        """
        self._waiting = {each.account_id: each for each in waiting}
        self._allowed = allowed
        self._shares: dict[tuple[str, float], _Shares] = {}

    def place(self, account_id: int) -> tuple[bool, float, int]:
        """What accounts are sorted by: those come first of whose pauses most have gone by, and last those that
        fail, as one that always does must not be the one that closes the route to the others. But where there is
        never time for all, those who come last would never be asked again.
        """
        each = self._waiting.get(account_id)
        if each is None or (each.not_asked_for is None and not each.fails):
            return False, -math.inf, account_id
        waited = each.quiet_for if each.not_asked_for is None else each.not_asked_for
        pauses = waited / self._pause(each, self._allowed.get(each.route, PERSONAL_KEY_CALLS))
        return each.fails and pauses < FAILING_COME_LAST_FOR, -pauses, account_id

    def pause(self, account_id: int, allowed: float, quiet_for: timedelta) -> timedelta:
        """How long to leave an account alone; never for less than usually.

        Args:
            allowed: Calls a minute on its route.
            quiet_for: Since its last game, as it is known by now.
        """
        known = self._waiting.get(account_id)
        if known is None:
            return usual_pause(quiet_for)  # added meanwhile
        return self._pause(replace(known, quiet_for=quiet_for), allowed)

    def _pause(self, each: Waiting, allowed: float) -> timedelta:
        calls = self._shares_on(each.route, allowed).of(each)
        return timedelta(minutes=1 / min(calls, each.usual_calls))

    def _shares_on(self, route: str, allowed: float) -> _Shares:
        shares = self._shares.get((route, allowed))
        if shares is None:
            there = [each for each in self._waiting.values() if each.route == route]
            shares = self._shares[route, allowed] = _share_out(there, allowed)
        return shares


@dataclass(frozen=True)
class _Shares:
    """Of the calls a minute."""

    by_weight: float = math.inf
    alike: float = math.inf

    def of(self, each: Waiting) -> float:
        return self.by_weight * each.weight + self.alike


def _share_out(waiting: Sequence[Waiting], allowed: float) -> _Shares:
    """Who gets as much as usually leaves the rest of their share to the others."""
    if not is_crowded(waiting, allowed):
        return _Shares()
    left, calls = waiting, allowed * POLLING_SHARE
    while left:
        shares = _Shares(
            calls * SHARE_BY_NEWS / sum(each.weight for each in left),
            calls * (1 - SHARE_BY_NEWS) / len(left),
        )
        less = [each for each in left if shares.of(each) < each.usual_calls]
        if len(less) == len(left):
            return shares
        calls -= sum(each.usual_calls for each in left) - sum(each.usual_calls for each in less)
        left = less
    return _Shares()


def is_crowded(waiting: Iterable[Waiting], allowed: float) -> bool:
    """Whether those of a route cannot all have their usual pauses.

    Args:
        allowed: Calls a minute.
    """
    return sum(each.usual_calls for each in waiting) > allowed * POLLING_SHARE


def read_turns(session: Session, now: datetime, allowed: Mapping[str, float]) -> Turns:
    """
    Args:
        allowed: Calls a minute on each route, as far as they are known.
    """
    on_route = _read_waiting(session, now)
    games: Mapping[int, int] = {}
    if any(is_crowded(on_route[route], calls) for route, calls in allowed.items()):
        games = _games_at_this_time(session, now)
    waiting = (
        replace(each, games=games.get(each.account_id, 0))
        for there in on_route.values()
        for each in there
    )
    return Turns(waiting, allowed)


@dataclass(frozen=True)
class CrowdedRoute:
    """A regional route of which the accounts cannot all have their usual pauses."""

    route: str
    accounts: int
    wanted: float
    """Calls a minute for match lists."""
    allowed: float
    """Calls a minute that match lists may take."""


def crowded_routes(
    session: Session, now: datetime, allowed: Mapping[str, float]
) -> list[CrowdedRoute]:
    """
    Args:
        allowed: Calls a minute on each route, as far as they are known.
    """
    return [
        CrowdedRoute(
            route,
            len(waiting),
            sum(each.usual_calls for each in waiting),
            allowed[route] * POLLING_SHARE,
        )
        for route, waiting in sorted(_read_waiting(session, now).items())
        if route in allowed and is_crowded(waiting, allowed[route])
    ]


def _read_waiting(session: Session, now: datetime) -> defaultdict[str, list[Waiting]]:
    """The accounts of each route."""
    rows = session.execute(
        select(
            Account.id,
            Account.platform,
            Account.created_at,
            AccountPoll.last_played_at,
            AccountPoll.last_good_poll_at,
            func.coalesce(AccountPoll.failures, 0),
        )
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(is_polled(now))
    )
    on_route: defaultdict[str, list[Waiting]] = defaultdict(list)
    for account_id, platform, created_at, played_at, asked_at, failures in rows:
        route = REGIONAL_ROUTES.get(platform, "")
        on_route[route].append(
            Waiting(
                account_id,
                route,
                now - last_played(created_at, played_at),
                not_asked_for=None if asked_at is None else now - asked_at,
                fails=failures > 0,
            )
        )
    return on_route


def _games_at_this_time(session: Session, now: datetime) -> dict[int, int]:
    """Account's id → its games that ended around this time of day in the last weeks."""
    days = [now - timedelta(days=back) for back in range(1, DAYS_BACK + 1)]
    # A part for each day, as neither database takes an index for a choice of ranges in a join.
    parts = union_all(
        *(
            select(PlayerStat.account_id)
            .join(Game, Game.match_id == PlayerStat.match_id)
            .where(Game.ended_at.between(each - AROUND, each + AROUND))
            for each in days
        )
    ).subquery()
    rows = session.execute(select(parts.c.account_id, func.count()).group_by(parts.c.account_id))
    return dict(rows.all())
