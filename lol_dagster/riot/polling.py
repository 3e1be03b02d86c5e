"""Which accounts are asked for their match lists, and when; which regional routes fail.

Only accounts of players who are in a team, or have just left one, are polled: every 20 seconds while
their owners play, ever less often as they keep quiet, never less than every half hour. Where Riot's limits do
not allow that for all, turns.py says who waits longer.

A regional route of Riot's that gives nobody's match list is a breaker in the database. While it is
there one account a minute is asked whether the route still fails, and everybody else's turn waits:
hours of an outage cost a bounded number of calls. When it answers, all have their turn.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.orm import Session

from lol_dagster.riot.routing import REGIONAL_ROUTES
from lol_dagster.storage.models import Account, AccountPoll, Breaker, Membership
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

PLAYING_PAUSE = timedelta(seconds=20)
"""Between two polls of an account whose owner plays."""
PERSONAL_KEY_CALLS = 50.0
"""A minute, as long as Riot's answers have named no limits: 100 in two minutes, of the smallest key."""
SHORTEST_PAUSE = timedelta(seconds=50)
"""After a failure, and of those who have just stopped playing."""
LONGEST_PAUSE = timedelta(minutes=28)
"""A little less than the half hour that is promised."""
PLAYING_FOR = timedelta(minutes=30)
"""After a game the next may end at any time."""
QUIET_AFTER = timedelta(weeks=2)
STILL_LISTED_FOR = timedelta(days=2)
"""How long an account is polled after its player has left: games that ended before may be listed
late."""
FORMER_PLATFORM_FOR = timedelta(days=30)
"""How long an account's former platform is asked for games after the last new one that it brought."""
ROUTE_SCOPE = "riot-route:"
"""With a route: its breaker."""


def tracked_accounts(session: Session, now: datetime) -> list[Account]:
    """Accounts of players who are in a team or have just left one: the one that was polled longest
    ago first, and those whose last poll failed at the end.
    """
    return list(session.scalars(_tracked(now)))


def due_accounts(session: Session, now: datetime) -> list[Account]:
    """Those tracked accounts whose turn it is, in the same order; a new one's is at once.

    Of a route that fails only one, due or not, to see whether it still does: the most trustworthy.
    """
    due = list(session.scalars(_tracked(now).where(_is_due(now))))
    failing = failing_routes(session)
    if not failing:
        return due
    probes: dict[str, Account] = {}
    for account in tracked_accounts(session, now):
        route = route_of(account)
        if route in failing:
            probes.setdefault(route, account)
    return [*(each for each in due if route_of(each) not in failing), *probes.values()]


def is_an_account_due(now: datetime) -> ColumnElement[bool]:
    """Condition: some tracked account's turn has come."""
    return _tracked(now).where(_is_due(now)).exists()


def somebody_plays(session: Session, now: datetime) -> bool:
    """Whether a tracked account has played within the last half hour, or was just added."""
    return bool(session.scalar(select(_tracked(now).where(_is_playing(now)).exists())))


@dataclass(frozen=True)
class PollTimes:
    """When an account was asked and is to be asked."""

    riot_id: str
    answered_at: datetime | None
    due_at: datetime | None
    """None: at once."""
    error: str | None


def poll_times(session: Session, now: datetime) -> list[PollTimes]:
    """Of all tracked accounts, those whose turn comes first at the front."""
    rows = session.execute(
        select(Account, AccountPoll)
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(is_polled(now))
        .order_by(AccountPoll.next_poll_at.asc().nulls_first(), Account.id)
    )
    return [
        PollTimes(
            account.riot_id,
            poll.last_good_poll_at if poll else None,
            poll.next_poll_at if poll else None,
            poll.last_error if poll else None,
        )
        for account, poll in rows
    ]


def reliable_accounts(session: Session, route: str, now: datetime) -> list[Account]:
    """The tracked accounts on a route whose last poll did not fail."""
    never_failing = _tracked(now).where(func.coalesce(AccountPoll.failures, 0) == 0)
    return [each for each in session.scalars(never_failing) if route_of(each) == route]


def route_of(account: Account) -> str:
    return REGIONAL_ROUTES.get(account.platform, "")


def is_polled(now: datetime) -> ColumnElement[bool]:
    """Condition: the account's player is in a team or has just left one."""
    return Account.player_id.in_(select(Membership.player_id).where(_may_bring_games(now)))


def member_since(session: Session, account: Account, now: datetime) -> datetime | None:
    """The beginning of the longest membership that may still bring games; None: there is none."""
    return session.scalar(
        select(func.min(Membership.since)).where(
            Membership.player_id == account.player_id, _may_bring_games(now)
        )
    )


def usual_pause(quiet_for: timedelta) -> timedelta:
    """How long to leave an account alone whose last game ended so long ago, if Riot's limits allow it.

    After the half hour in which the next game may end it grows with the logarithm of that time, from
    a minute to half an hour: some 3 minutes after 3 hours, 8 after a day, 20 after a week.
    """
    if quiet_for < PLAYING_FOR:
        return PLAYING_PAUSE
    of_all = math.log(QUIET_AFTER / PLAYING_FOR)
    share = math.log(min(quiet_for, QUIET_AFTER) / PLAYING_FOR) / of_all
    growth: float = (LONGEST_PAUSE / SHORTEST_PAUSE) ** share
    return SHORTEST_PAUSE * growth


def last_played(created_at: datetime, last_played_at: datetime | None) -> datetime:
    """Whoever was just added may be playing: their account's first hours count as a game."""
    return max(last_played_at or created_at, created_at)


def note_played(session: Session, account_id: int, ended_at: datetime, now: datetime) -> None:
    """Note that an account has played, so that it is polled more often for a while.

    Args:
        ended_at: When the game ended; an older game than is known changes nothing.
    """
    poll = _poll_row(session, account_id, now)
    if poll.last_played_at is None or ended_at > poll.last_played_at:
        poll.last_played_at = ended_at
        poll.next_poll_at = min(poll.next_poll_at, now + usual_pause(now - ended_at))


def note_polled(
    session: Session,
    account_id: int,
    now: datetime,
    *,
    was_deep: bool,
    pause_after: Callable[[timedelta], timedelta] = usual_pause,
) -> None:
    """Note that Riot gave the account's list, and when to ask again: from when its turn was, and not
    from when it came, which is later while others have theirs.

    Args:
        pause_after: How long it is left alone if its last game ended so long ago.
    """
    account = session.get(Account, account_id)
    if account is None:
        return  # removed meanwhile
    poll = _poll_row(session, account_id, now)
    quiet_for = now - last_played(account.created_at, poll.last_played_at)
    pause = pause_after(quiet_for)
    was_due = poll.next_poll_at
    poll.next_poll_at = pause + (was_due if timedelta(0) <= now - was_due < pause else now)
    poll.last_good_poll_at = now
    poll.failures = 0
    poll.last_error = None
    if was_deep:
        poll.last_deep_poll_at = now


def note_poll_failed(session: Session, account_id: int, error: str, now: datetime) -> None:
    """Note why Riot did not give the account's list, and when to ask again."""
    if session.get(Account, account_id) is None:
        return
    poll = _poll_row(session, account_id, now)
    poll.next_poll_at = now + min(SHORTEST_PAUSE * 2 ** min(poll.failures, 10), LONGEST_PAUSE)
    poll.failures += 1
    poll.last_error = error[:500]


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(AccountPoll.account_id.is_(None), AccountPoll.next_poll_at <= now)


def _is_playing(now: datetime) -> ColumnElement[bool]:
    """Whoever was just added may be playing."""
    since = now - PLAYING_FOR
    return or_(AccountPoll.last_played_at > since, Account.created_at > since)


def note_moved(session: Session, account_id: int, former_platform: str, now: datetime) -> None:
    """Note that an account plays on another platform now: its next poll is as deep as the first, as
    the new platform's route was never asked for it.
    """
    poll = _poll_row(session, account_id, now)
    poll.former_platform = former_platform
    poll.former_platform_until = now + FORMER_PLATFORM_FOR
    poll.last_deep_poll_at = None


def note_former_platform_lists(session: Session, account_id: int, now: datetime) -> None:
    """Note that a new match came from the account's former platform: it is asked on."""
    session.execute(
        update(AccountPoll)
        .where(AccountPoll.account_id == account_id)
        .values(former_platform_until=now + FORMER_PLATFORM_FOR)
    )


def failing_routes(session: Session) -> set[str]:
    scopes = session.scalars(select(Breaker.scope).where(Breaker.scope.startswith(ROUTE_SCOPE)))
    return {scope.removeprefix(ROUTE_SCOPE) for scope in scopes}


def note_route_fails(session: Session, route: str, reason: str, now: datetime) -> None:
    """Note that nobody who was asked about on the route got an answer, as Riot's servers fail."""
    scope = ROUTE_SCOPE + route
    first = {"scope": scope, "failures": 0, "dead": False, "since": now}
    insert_if_absent(session, Breaker, [first])
    breaker = session.get_one(Breaker, scope, with_for_update=True)
    breaker.failures += 1
    breaker.reason = reason[:500]


def note_route_answers(session: Session, route: str, now: datetime) -> None:
    """Note that the route answers again: the accounts whose polls have failed are due at once."""
    log.info("Riot's %s answers again", route, extra={"route": route})
    platforms = [platform for platform, of in REGIONAL_ROUTES.items() if of == route]
    accounts = select(Account.id).where(Account.platform.in_(platforms))
    session.execute(delete(Breaker).where(Breaker.scope == ROUTE_SCOPE + route))
    session.execute(
        update(AccountPoll)
        .where(AccountPoll.account_id.in_(accounts), AccountPoll.failures > 0)
        .values(next_poll_at=now)
    )


def _tracked(now: datetime) -> Select[Account]:
    return (
        select(Account)
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(is_polled(now))
        # One account that always fails must not be the one that closes the route to the others.
        .order_by(
            func.coalesce(AccountPoll.failures, 0) > 0,
            AccountPoll.last_good_poll_at.asc().nulls_first(),
            Account.id,
        )
    )


def _may_bring_games(now: datetime) -> ColumnElement[bool]:
    return or_(Membership.until.is_(None), Membership.until > now - STILL_LISTED_FOR)


def _poll_row(session: Session, account_id: int, now: datetime) -> AccountPoll:
    """The account's row, locked; made if this is the first poll."""
    poll = session.get(AccountPoll, account_id, with_for_update=True)
    if poll is None:
        insert_if_absent(session, AccountPoll, [{"account_id": account_id, "next_poll_at": now}])
        poll = session.get_one(AccountPoll, account_id, with_for_update=True)
    return poll
