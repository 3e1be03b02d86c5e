"""The stage match_lists: which match ids the accounts' lists bring.

A usual poll reads the newest ids; once a day a deep poll reads the whole window. What Riot's answer
to one account means for the others is decided here: a limit ends the polling of its route, a refused
key stops everything, all else stays with the account.

Riot's list is late, unordered and full of holes at times, ids repeat across pages while new games
push it on, and `start` was once ignored. So no id is taken for a cursor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import update
from structlog.contextvars import bound_contextvars

from lol_dagster.pipeline.at_once import as_they_come
from lol_dagster.pipeline.records import (
    record_listed,
    record_recognised,
    record_route_answers,
    record_still_listed,
)
from lol_dagster.riot.client import MAX_IDS, MOST_PAGES, RiotClient
from lol_dagster.riot.errors import (
    BadRequest,
    ForbiddenHere,
    KeyRejected,
    RateLimited,
    RiotError,
    RouteDown,
    ServerError,
)
from lol_dagster.riot.polling import (
    PERSONAL_KEY_CALLS,
    due_accounts,
    failing_routes,
    member_since,
    note_former_platform_lists,
    note_poll_failed,
    note_polled,
    note_route_answers,
    note_route_fails,
    reliable_accounts,
    route_of,
    tracked_accounts,
)
from lol_dagster.riot.resolving import (
    UnresolvedAccount,
    note_puuid_taken,
    refresh_platform,
    refresh_riot_id,
    resolve_puuid,
)
from lol_dagster.riot.routing import UnknownPlatform
from lol_dagster.riot.turns import Turns, read_turns
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll

log = logging.getLogger(__name__)

DEEP_POLL_EVERY = timedelta(days=1)
DEEP_POLL_REACH = timedelta(days=30)
"""How far a deep poll reaches back before the last one that was good, however long ago that was."""
GAME_IN_PROGRESS = timedelta(hours=3)
"""Riot filters by a game's start, memberships count its end: a game may have begun before one."""
POLL_S = 20.0
"""How long further accounts are asked in one poll of those who are due: who is left stays due, and has their turn
in the next one, in which whoever has played meanwhile comes before them."""
EVERYONE_S = 120.0
"""The same where everyone is to be asked, which is a run's work: it may take 300 s with its last calls."""
FIRST_PAGE = 20
OLDEST_START_TIME = datetime(2021, 6, 16, tzinfo=UTC)
"""Riot hides matches from before it when a start time is given at all."""


@dataclass(frozen=True)
class PollReport:
    """What polling one account brought."""

    account_id: int
    riot_id: str
    new_match_ids: tuple[str, ...] = ()
    """Written down, also if the poll was cut short."""
    error: str | None = None
    """Why the poll failed or was cut short, in a line."""
    stays_due: bool = False
    """The error is not the account's own: it keeps its turn."""
    limited_until: datetime | None = None
    """When Riot's limits allow calls again, if that is why it failed."""
    is_riots_fault: bool = False
    """It may be Riot's servers that fail, whatever the account."""


@dataclass(frozen=True)
class DiscoveryReport:
    """What polling the accounts brought."""

    polls: tuple[PollReport, ...]
    not_asked: int = 0
    """Accounts that stay due unasked, as the time for one poll or Riot's limits for their route were used up."""

    @property
    def accounts_polled(self) -> int:
        """Accounts whose list Riot gave."""
        return sum(poll.error is None for poll in self.polls)

    @property
    def failures(self) -> tuple[PollReport, ...]:
        """Polls that failed for a reason of the account's own or of Riot's servers."""
        return tuple(poll for poll in self.polls if poll.error and not poll.limited_until)

    @property
    def limited_until(self) -> datetime | None:
        """When Riot's limits allow calls again for all; None if they do."""
        return max((poll.limited_until for poll in self.polls if poll.limited_until), default=None)

    @property
    def new_match_ids(self) -> tuple[str, ...]:
        return tuple(match_id for poll in self.polls for match_id in poll.new_match_ids)


def discover(
    database: Database,
    client: RiotClient,
    *,
    now: datetime,
    everyone: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> DiscoveryReport:
    """Poll the accounts that are due, several at once, as many as there is time for: one that hangs keeps
    no other waiting, nor one route the others.

    Args:
        everyone: Poll the others, too.
        monotonic: Seconds, for how long it has taken.

    Raises:
        KeyRejected: Riot refuses the key; what was found before is written down.
    """
    with database.reading() as session:
        accounts = tracked_accounts(session, now) if everyone else due_accounts(session, now)
        failing = failing_routes(session)
    allowed = {
        route_of(each): client.lists_a_minute(each.platform) or PERSONAL_KEY_CALLS
        for each in {route_of(each): each for each in accounts}.values()
        if route_of(each)
    }
    with database.reading() as session:
        turns = read_turns(session, now, allowed)
    accounts.sort(key=lambda account: turns.place(account.id))
    ends = monotonic() + (EVERYONE_S if everyone else POLL_S)

    def poll(account: Account) -> PollReport:
        route = route_of(account)
        return poll_account(
            database,
            client,
            account,
            turns,
            now=now,
            route_fails=route in failing,
        )

    polls = _poll_all(poll, accounts, lambda: monotonic() >= ends)
    used_up = {
        route_of(each) for each in accounts if each.id in polls and polls[each.id].limited_until
    }
    not_asked = len(accounts) - len(polls)
    for route in sorted({route_of(account) for account in accounts} - used_up):
        found = [
            polls[each.id] for each in accounts if route_of(each) == route and each.id in polls
        ]
        if route not in failing and _all_failed(found):
            # One bad account is no bad route: somebody who is not due may say so.
            with database.reading() as session:
                others = reliable_accounts(session, route, now)
            for other in [each for each in others if each.id not in polls][:1]:
                polls[other.id] = poll_account(database, client, other, turns, now=now)
                found.append(polls[other.id])
        if _all_failed(found):
            with database.writing() as session:
                note_route_fails(session, route, found[-1].error or "", now)
        elif route in failing and any(poll.error is None for poll in found):
            with database.writing() as session:
                # Matches are locked before polls, as where a game is recorded.
                record_route_answers(session, now=now)
                note_route_answers(session, route, now)
    in_turn = [*(each.id for each in accounts if each.id in polls), *polls]
    return DiscoveryReport(tuple(polls[each] for each in dict.fromkeys(in_turn)), not_asked)


def _poll_all(
    poll: Callable[[Account], PollReport], accounts: Sequence[Account], is_over: Callable[[], bool]
) -> dict[int, PollReport]:
    """Poll accounts, but for those whose turn comes when it is over, or their route's limits are used up.

    Returns:
        Account's id → what its poll brought.
    """
    used_up: set[str] = set()

    def poll_in_time(account: Account) -> PollReport | None:
        route = route_of(account)
        if route in used_up or is_over():
            return None
        with bound_contextvars(account=account.riot_id):
            report = poll(account)
        if report.limited_until:
            used_up.add(route)
        return report

    polls: dict[int, PollReport] = {}
    with closing(as_they_come(poll_in_time, accounts, route_of)) as answers:
        for answer in answers:
            if answer is not None and (report := answer[1].result()) is not None:
                polls[report.account_id] = report
    return polls


def poll_account(
    database: Database,
    client: RiotClient,
    account: Account,
    turns: Turns,
    *,
    now: datetime,
    route_fails: bool = False,
) -> PollReport:
    """Read one account's match list, and note when to poll it again.

    Args:
        turns: Of all accounts, of which some may have to wait.
        route_fails: Its route has been failing for everybody: if it still does, that is not held
            against the account.

    Raises:
        KeyRejected: Riot refuses the key; the account stays due.
    """
    with database.reading() as session:
        since = member_since(session, account, now)
        poll = session.get(AccountPoll, account.id)
    report = PollReport(account.id, account.riot_id)
    if since is None:
        return report  # taken out of all teams, or their time ran out, meanwhile
    last_deep = poll.last_deep_poll_at if poll else None
    is_deep = last_deep is None or now - last_deep >= DEEP_POLL_EVERY
    window_start = since - GAME_IN_PROGRESS
    if last_deep is not None and is_deep:
        window_start = max(window_start, last_deep - DEEP_POLL_REACH)
    found: list[str] = []
    try:
        for match_id in _poll(database, client, account, window_start, now, is_deep=is_deep):
            found.append(match_id)  # noqa: PERF402 - what was found counts also if the poll fails
        found += _poll_former(database, client, account, window_start, now, is_deep=is_deep)
    except KeyRejected:
        raise
    except (RiotError, UnresolvedAccount, UnknownPlatform) as error:
        is_riots_fault = isinstance(error, ServerError)
        report = replace(
            report,
            error=str(error),
            stays_due=isinstance(error, RateLimited | RouteDown)
            or (is_riots_fault and route_fails),
            limited_until=error.retry_at if isinstance(error, RateLimited) else None,
            is_riots_fault=is_riots_fault,
        )
        if not report.stays_due:
            log.warning("%s: %s", account.riot_id, error, extra={"account_id": account.id})
            with database.writing() as session:
                note_poll_failed(session, account.id, str(error), now)
    else:
        allowed = client.lists_a_minute(account.platform) or PERSONAL_KEY_CALLS
        with database.writing() as session:
            row = session.get(Account, account.id)
            was_deep = is_deep and row is not None and row.platform == account.platform
            note_polled(
                session,
                account.id,
                now,
                was_deep=was_deep,
                pause_after=partial(turns.pause, account.id, allowed),
            )
    if found and report.error and not is_deep:
        _let_next_poll_be_deep(database, account, now)
    if found:
        log.info(
            "%s: %d new matches",
            account.riot_id,
            len(found),
            extra={"account_id": account.id, "match_ids": found},
        )
    return replace(report, new_match_ids=tuple(found))


def _all_failed(polls: Collection[PollReport]) -> bool:
    """Whether Riot's servers have failed and nobody's list came."""
    return any(poll.is_riots_fault for poll in polls) and all(poll.error for poll in polls)


def _let_next_poll_be_deep(database: Database, account: Account, now: datetime) -> None:
    """A short poll that was cut short after some pages would stop at them the next time, as they
    bring nothing new any more.
    """
    with database.writing() as session:
        session.execute(
            update(AccountPoll)
            .where(AccountPoll.account_id == account.id)
            .values(last_deep_poll_at=now - DEEP_POLL_EVERY)
        )


def _poll(
    database: Database,
    client: RiotClient,
    account: Account,
    since: datetime,
    now: datetime,
    *,
    is_deep: bool,
) -> Iterator[str]:
    puuid = account.puuid or _resolve(database, client, account, since, now)
    for has_own_puuid in (False, True):
        try:
            list_ids = _list_of(client, puuid, account.platform, since)
            yield from _read(database, list_ids, account.id, now, is_deep=is_deep)
            break
        except ForbiddenHere:
            # Every key may ask for an account: if that is refused too, KeyRejected says so.
            client.account_by_puuid(puuid, account.platform)
            raise
        except BadRequest as refusal:
            if has_own_puuid or not refusal.foreign_puuid:
                raise
            log.warning("Puuid of another application", extra={"account_id": account.id})
            puuid = _resolve(database, client, account, since, now)
    if puuid == account.puuid and account.puuid_key != client.key_fingerprint:
        note_puuid_taken(database, account, client.key_fingerprint)
    if is_deep:
        record_recognised(database, account.id, since=since, now=now)
        for refresh in (refresh_riot_id, partial(refresh_platform, now=now)):
            try:
                refresh(database, client, account, puuid)
            except KeyRejected:
                raise
            except (RiotError, UnknownPlatform) as error:
                # A name out of date is no reason to call a poll failed that brought the list.
                log.info("Not refreshed: %s", error, extra={"account_id": account.id})


def _poll_former(
    database: Database,
    client: RiotClient,
    account: Account,
    since: datetime,
    now: datetime,
    *,
    is_deep: bool,
) -> list[str]:
    """Read the list on the platform where the account played before it moved: Riot may list games late,
    and may have named a wrong platform. That a former route fails is not held against the account.

    Returns:
        The new match ids, each written down.
    """
    with database.reading() as session:
        row, poll = session.get(Account, account.id), session.get(AccountPoll, account.id)
    if row is None or poll is None or not poll.former_platform or not poll.former_platform_until:
        return []
    if row.puuid is None or row.platform != account.platform or poll.former_platform_until <= now:
        return []  # corrected or moved meanwhile, or a while is over
    found: list[str] = []
    try:
        list_ids = _list_of(client, row.puuid, poll.former_platform, since)
        for match_id in _read(database, list_ids, account.id, now, is_deep=is_deep):
            found.append(match_id)  # noqa: PERF402 - what was found counts also if it fails
    except RiotError as error:
        log.info("Former platform: %s", error, extra={"account_id": account.id})
        if found and not is_deep:
            _let_next_poll_be_deep(database, account, now)
    if found:
        with database.writing() as session:
            note_former_platform_lists(session, account.id, now)
    return found


def _resolve(
    database: Database, client: RiotClient, account: Account, since: datetime, now: datetime
) -> str:
    """The account's puuid under the client's key. Games that name it and came through another
    account's list before are processed again.
    """
    puuid = resolve_puuid(database, client, account)
    record_recognised(database, account.id, since=since, now=now)
    return puuid


def _list_of(
    client: RiotClient, puuid: str, platform: str, since: datetime
) -> Callable[..., list[str]]:
    start_time = since if since >= OLDEST_START_TIME else None
    return partial(client.match_ids, puuid, platform, start_time=start_time)


def _read(
    database: Database,
    list_ids: Callable[..., list[str]],
    account_id: int,
    now: datetime,
    *,
    is_deep: bool,
) -> Iterator[str]:
    read = _read_all if is_deep else _read_newest
    return read(database, list_ids, account_id, now)


def _read_newest(
    database: Database, list_ids: Callable[..., list[str]], account_id: int, now: datetime
) -> Iterator[str]:
    """Read the newest ids, and on while whole pages bring new ones.

    Yields:
        The new match ids, each written down before.
    """
    start, count = 0, FIRST_PAGE
    for _ in range(MOST_PAGES):
        page = list_ids(start=start, count=count)
        new = record_listed(database, page, listed_by=account_id, now=now)
        yield from new
        if len(page) < count or not new:
            return
        start, count = start + count, MAX_IDS


def _read_all(
    database: Database, list_ids: Callable[..., list[str]], account_id: int, now: datetime
) -> Iterator[str]:
    """Read the whole list, known ids or not. Those that were given up are asked for once more.

    Pages after the first are back-fill: they leave calls in Riot's limits for news.

    Yields:
        The new match ids, each written down before.
    """
    seen: set[str] = set()
    for number in range(MOST_PAGES):
        priority = "backfill" if number else "live"
        page = list_ids(start=number * MAX_IDS, count=MAX_IDS, priority=priority)
        yield from record_listed(database, page, listed_by=account_id, now=now)
        record_still_listed(database, page, now=now)
        if len(page) < MAX_IDS or seen.issuperset(page):
            return
        seen.update(page)
