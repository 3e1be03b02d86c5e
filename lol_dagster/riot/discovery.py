"""The stage match_lists: which accounts are looked at when, and what a look brings.

Only accounts of players who are in a team, or have just left one, are looked at: every minute while
their owners play, ever less often as they keep quiet, never less than every half hour. Once a day a
look is deep. What Riot's answer to one account means for the others is decided here: a limit ends
the sweep, a refused key stops everything, all else stays with the account.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import (
    BadRequest,
    ForbiddenHere,
    KeyRejected,
    RateLimited,
    RiotError,
    RouteDown,
    ServerTrouble,
)
from lol_dagster.riot.failing_routes import failing_routes, note_answering, note_failing
from lol_dagster.riot.listing import Window, deep_poll, short_look
from lol_dagster.riot.resolving import UnresolvedAccount, refresh_riot_id, resolve_puuid
from lol_dagster.riot.routing import REGIONAL_ROUTES, UnknownPlatform
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Membership
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

SHORTEST_PAUSE = timedelta(seconds=50)
"""A little less than the schedule's minute, so that a look that began late misses no tick."""
LONGEST_PAUSE = timedelta(minutes=28)
"""A little less than the half hour that is promised."""
PLAYING_FOR = timedelta(minutes=30)
"""After a game the next may end at any time."""
QUIET_AFTER = timedelta(weeks=2)

DEEP_POLL_EVERY = timedelta(days=1)
DEEP_POLL_REACH = timedelta(days=30)
STILL_LISTED_FOR = timedelta(days=2)
"""How long an account is looked at after its player has left: games that ended before may be listed
late."""
GAME_IN_PROGRESS = timedelta(hours=3)
"""Riot filters by a game's start, memberships count its end: a game may have begun before one."""


@dataclass(frozen=True)
class PollReport:
    """What a look at one account brought."""

    account_id: int
    riot_id: str
    new_match_ids: tuple[str, ...] = ()
    """Remembered, also if the look was cut short."""
    trouble: str | None = None
    """Why the look failed or was cut short, in a line."""
    stays_due: bool = False
    """The trouble is not the account's own: it keeps its turn."""
    limited_until: datetime | None = None
    """When Riot's limits have room again, if they were the trouble."""
    is_servers_trouble: bool = False
    """It may be Riot's servers that fail, whatever the account."""


@dataclass(frozen=True)
class DiscoveryReport:
    """What a sweep over the accounts brought."""

    polls: tuple[PollReport, ...]
    not_asked: int = 0
    """Accounts that stay due unasked, as Riot's limits for their route are used up."""

    @property
    def accounts_polled(self) -> int:
        """Accounts whose list Riot gave."""
        return sum(poll.trouble is None for poll in self.polls)

    @property
    def failures(self) -> tuple[PollReport, ...]:
        """Looks that failed for a reason of the account's own or of Riot's servers."""
        return tuple(poll for poll in self.polls if poll.trouble and not poll.limited_until)

    @property
    def limited_until(self) -> datetime | None:
        """When Riot's limits have room again for all; None if they had."""
        return max((poll.limited_until for poll in self.polls if poll.limited_until), default=None)

    @property
    def new_match_ids(self) -> tuple[str, ...]:
        return tuple(match_id for poll in self.polls for match_id in poll.new_match_ids)


def tracked_accounts(session: Session, now: datetime) -> list[Account]:
    """Accounts of players who are in a team or have just left one: the one that was looked at
    longest ago first, and those whose last look failed at the end.
    """
    return list(session.scalars(_tracked(now)))


def due_accounts(session: Session, now: datetime) -> list[Account]:
    """Those tracked accounts whose turn it is, in the same order; a new one's is at once.

    Of a route that fails only one, due or not, to see whether it still does: the most trustworthy.
    """
    is_due = or_(AccountPoll.account_id.is_(None), AccountPoll.next_poll_at <= now)
    due = list(session.scalars(_tracked(now).where(is_due)))
    failing = failing_routes(session)
    if not failing:
        return due
    probes: dict[str, Account] = {}
    for account in tracked_accounts(session, now):
        route = _route(account)
        if route in failing:
            probes.setdefault(route, account)
    return [
        *(each for each in due if _route(each) not in failing),
        *probes.values(),
    ]


def discover(
    database: Database, client: RiotClient, *, now: datetime, everyone: bool = False
) -> DiscoveryReport:
    """Look at every account that is due.

    Args:
        everyone: Look at the others, too.

    Raises:
        KeyRejected: Riot refuses the key; what was found before is remembered.
    """
    with database.reading() as session:
        accounts = tracked_accounts(session, now) if everyone else due_accounts(session, now)
        failing = failing_routes(session)
    polls: dict[int, PollReport] = {}
    used_up: set[str] = set()
    not_asked = 0
    for account in accounts:
        route = _route(account)
        if route in used_up:
            not_asked += 1
            continue
        with bound_contextvars(account=account.riot_id):
            poll = poll_account(database, client, account, now=now, route_fails=route in failing)
        polls[account.id] = poll
        if poll.limited_until:
            used_up.add(route)
    for route in sorted({_route(account) for account in accounts} - used_up):
        found = [polls[account.id] for account in accounts if _route(account) == route]
        if route not in failing and _all_in_trouble(found):
            # One bad account is no bad route: somebody who is not due may say so.
            for witness in _witness(database, route, polls, now):
                polls[witness.id] = poll_account(database, client, witness, now=now)
                found.append(polls[witness.id])
        if _all_in_trouble(found):
            note_failing(database, route, found[-1].trouble or "", now)
        elif route in failing and any(poll.trouble is None for poll in found):
            note_answering(database, route, now)
    return DiscoveryReport(tuple(polls.values()), not_asked)


def poll_account(
    database: Database,
    client: RiotClient,
    account: Account,
    *,
    now: datetime,
    route_fails: bool = False,
) -> PollReport:
    """Look at one account's match list, and note when to look again.

    Args:
        route_fails: Its route has been failing for everybody: if it still does, that is not held
            against the account.

    Raises:
        KeyRejected: Riot refuses the key; the account stays due.
    """
    with database.reading() as session:
        since = _member_since(session, account, now)
        poll = session.get(AccountPoll, account.id)
    report = PollReport(account.id, account.riot_id)
    if since is None:
        return report  # taken out of all teams, or their time ran out, meanwhile
    last_deep = poll.last_deep_poll_at if poll else None
    is_deep = last_deep is None or now - last_deep >= DEEP_POLL_EVERY
    window_start = since - GAME_IN_PROGRESS
    if last_deep is not None and is_deep:
        window_start = max(window_start, now - DEEP_POLL_REACH)
    found: list[str] = []
    try:
        for match_id in _look(database, client, account, window_start, now, is_deep=is_deep):
            found.append(match_id)  # noqa: PERF402 - what was found counts also if the look fails
    except KeyRejected:
        raise
    except (RiotError, UnresolvedAccount, UnknownPlatform) as trouble:
        report = _on_trouble(report, trouble, route_fails=route_fails)
        if not report.stays_due:
            _note_failed_look(database, account, str(trouble), now)
    else:
        _note_good_look(database, account, now, is_deep=is_deep)
    if found and report.trouble and not is_deep:
        _let_next_look_be_deep(database, account, now)
    if found:
        log.info(
            "%s: %d new matches",
            account.riot_id,
            len(found),
            extra={"account_id": account.id, "match_ids": found},
        )
    return replace(report, new_match_ids=tuple(found))


def _on_trouble(report: PollReport, trouble: Exception, *, route_fails: bool) -> PollReport:
    is_servers = isinstance(trouble, ServerTrouble)
    return replace(
        report,
        trouble=str(trouble),
        stays_due=isinstance(trouble, RateLimited | RouteDown) or (is_servers and route_fails),
        limited_until=trouble.retry_at if isinstance(trouble, RateLimited) else None,
        is_servers_trouble=is_servers,
    )


def note_played(session: Session, account_id: int, ended_at: datetime, now: datetime) -> None:
    """Note that an account has played, so that it is looked at more often for a while.

    Args:
        ended_at: When the game ended; an older game than is known changes nothing.
    """
    poll = _poll_row(session, account_id, now)
    if poll.last_played_at is None or ended_at > poll.last_played_at:
        poll.last_played_at = ended_at
        poll.next_poll_at = min(poll.next_poll_at, now + pause_after(ended_at, now))


def pause_after(last_played_at: datetime, now: datetime) -> timedelta:
    """How long to leave an account alone that played last at a moment.

    Grows with the logarithm of the time since, from a minute to half an hour: some 3 minutes after
    3 hours, 8 after a day, 20 after a week.
    """
    quiet_for = min(max(now - last_played_at, PLAYING_FOR), QUIET_AFTER)
    share = math.log(quiet_for / PLAYING_FOR) / math.log(QUIET_AFTER / PLAYING_FOR)
    growth: float = (LONGEST_PAUSE / SHORTEST_PAUSE) ** share
    return SHORTEST_PAUSE * growth


def is_looked_at(now: datetime) -> ColumnElement[bool]:
    """Condition: the account's player is in a team or has just left one."""
    return Account.player_id.in_(select(Membership.player_id).where(_may_bring_games(now)))


def _tracked(now: datetime) -> Select[Account]:
    return (
        select(Account)
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(is_looked_at(now))
        # One account that always fails must not be the one that closes the route to the others.
        .order_by(
            func.coalesce(AccountPoll.failures, 0) > 0,
            AccountPoll.last_good_poll_at.asc().nulls_first(),
            Account.id,
        )
    )


def _may_bring_games(now: datetime) -> ColumnElement[bool]:
    return or_(Membership.until.is_(None), Membership.until > now - STILL_LISTED_FOR)


def _member_since(session: Session, account: Account, now: datetime) -> datetime | None:
    """The beginning of the longest membership that may still bring games; None: there is none."""
    return session.scalar(
        select(func.min(Membership.since)).where(
            Membership.player_id == account.player_id, _may_bring_games(now)
        )
    )


def _look(
    database: Database,
    client: RiotClient,
    account: Account,
    since: datetime,
    now: datetime,
    *,
    is_deep: bool,
) -> Iterator[str]:
    look = deep_poll if is_deep else short_look
    puuid = account.puuid or resolve_puuid(database, client, account)
    for has_own_puuid in (False, True):
        window = Window(account.id, puuid, account.platform, since)
        try:
            yield from look(database, client, window, now)
            break
        except ForbiddenHere:
            # Every key may ask for an account: if that is refused too, KeyRejected says so.
            client.account_by_puuid(puuid, account.platform)
            raise
        except BadRequest as refusal:
            if has_own_puuid or not refusal.foreign_puuid:
                raise
            log.warning("Puuid of another application", extra={"account_id": account.id})
            puuid = resolve_puuid(database, client, account)
    if is_deep:
        _refresh(database, client, account, puuid)


def _refresh(database: Database, client: RiotClient, account: Account, puuid: str) -> None:
    """A Riot ID out of date is no reason to call a look failed that brought the list."""
    try:
        refresh_riot_id(database, client, account, puuid)
    except KeyRejected:
        raise
    except RiotError as trouble:
        log.info("Not renamed: %s", trouble, extra={"account_id": account.id})


def _note_good_look(database: Database, account: Account, now: datetime, *, is_deep: bool) -> None:
    with database.writing() as session:
        if session.get(Account, account.id) is None:
            return  # removed meanwhile
        poll = _poll_row(session, account.id, now)
        # Whoever was just added may be playing: his account's first hours count as a game.
        last_played_at = max(poll.last_played_at or account.created_at, account.created_at)
        poll.next_poll_at = now + pause_after(last_played_at, now)
        poll.last_good_poll_at = now
        poll.failures = 0
        poll.last_error = None
        if is_deep:
            poll.last_deep_poll_at = now


def _route(account: Account) -> str:
    return REGIONAL_ROUTES.get(account.platform, "")


def _all_in_trouble(polls: Collection[PollReport]) -> bool:
    """Whether Riot's servers have failed and nobody's list came."""
    return any(poll.is_servers_trouble for poll in polls) and all(poll.trouble for poll in polls)


def _witness(database: Database, route: str, asked: Container[int], now: datetime) -> list[Account]:
    """An account of the route that was not asked in this sweep and never fails; none, if there is
    none.
    """
    with database.reading() as session:
        others = session.scalars(_tracked(now).where(func.coalesce(AccountPoll.failures, 0) == 0))
        return [each for each in others if each.id not in asked and _route(each) == route][:1]


def _note_failed_look(database: Database, account: Account, error: str, now: datetime) -> None:
    log.warning("%s: %s", account.riot_id, error, extra={"account_id": account.id})
    with database.writing() as session:
        if session.get(Account, account.id) is None:
            return
        poll = _poll_row(session, account.id, now)
        poll.next_poll_at = now + min(SHORTEST_PAUSE * 2 ** min(poll.failures, 10), LONGEST_PAUSE)
        poll.failures += 1
        poll.last_error = error[:500]


def _let_next_look_be_deep(database: Database, account: Account, now: datetime) -> None:
    """A short look that was cut short after some pages would stop at them the next time, as they
    bring nothing new any more.
    """
    with database.writing() as session:
        session.execute(
            update(AccountPoll)
            .where(AccountPoll.account_id == account.id)
            .values(last_deep_poll_at=now - DEEP_POLL_EVERY)
        )


def _poll_row(session: Session, account_id: int, now: datetime) -> AccountPoll:
    """The account's row, locked; made if this is the first look."""
    poll = session.get(AccountPoll, account_id, with_for_update=True)
    if poll is None:
        insert_if_absent(session, AccountPoll, [{"account_id": account_id, "next_poll_at": now}])
        poll = session.get_one(AccountPoll, account_id, with_for_update=True)
    return poll
