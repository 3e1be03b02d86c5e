"""Whether games can be seen: what Riot's profiles count, compared with what its match lists gave.

"Nobody played" and "we cannot see games" look the same in the match lists. A profile tells them
apart: its revision date moves with every game, but also with a new icon or a level; so it only says
when to ask for the ranks. That Riot has counted another ranked game is proof that one was played,
and ranked games are always listed. If then no game of the account shows up, and none is on its way,
for `MISSING_GAMES_AFTER`, games are missing. Who plays no ranked games is not watched in this way.

An account is checked about once an hour, at the lowest priority: a check that finds no capacity in the
limits is left for later.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import RateLimited, RiotError, RouteDown
from lol_dagster.riot.polling import is_polled
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Match, PlayerStat
from lol_dagster.storage.models.games import MATCH_STATES

log = logging.getLogger(__name__)

CHECK_EVERY = timedelta(hours=1)
CHECKS_PER_RUN = 2
MISSING_GAMES_AFTER = timedelta(minutes=90)
"""Riot's lists are half an hour late at times, and an account may be asked every half hour only."""
_COUNTED_LATE = timedelta(hours=1)
"""Riot may count a game this long after it ended: one that we know of explains the count."""
_ON_ITS_WAY = [state for state in MATCH_STATES if state != "processed"]
"""Named one by one, as no index finds what is unlike something."""
_RANKED = frozenset({"RANKED_SOLO_5x5", "RANKED_FLEX_SR"})


def check_profiles(database: Database, client: RiotClient, *, now: datetime) -> int:
    """Check the accounts whose turn it is, a few at a time.

    Returns:
        How many were checked.
    """
    checked = 0
    with database.reading() as session:
        due = _due(session, now)
    for account, poll in due:
        try:
            _check(database, client, account, poll, now)
        except (RateLimited, RouteDown) as error:
            log.info("Profiles are left for later: %s", error)
            break
        except RiotError as error:
            # Once an hour like any other: what always fails must not be asked for every minute.
            log.info("%s: profile: %s", account.riot_id, error, extra={"account_id": account.id})
            _write(database, account, now, revision=None, ranked_games=None)
        else:
            checked += 1
    return checked


def no_game_since(moment: InstrumentedAttribute[datetime | None]) -> ColumnElement[bool]:
    """Condition on an `AccountPoll`: since that moment no game of the account has ended that we know
    of, and none is on its way through the stages.
    """
    return and_(
        ~exists().where(
            PlayerStat.account_id == AccountPoll.account_id, PlayerStat.ended_at > moment
        ),
        ~exists().where(Match.state.in_(_ON_ITS_WAY), Match.listed_at > moment),
    )


def _due(session: Session, now: datetime) -> list[tuple[Account, AccountPoll]]:
    rows = session.execute(
        select(Account, AccountPoll)
        .join(AccountPoll, AccountPoll.account_id == Account.id)
        .where(
            is_polled(now),
            Account.puuid.is_not(None),
            AccountPoll.last_good_poll_at.is_not(None),
            AccountPoll.failures == 0,
            or_(
                AccountPoll.profile_checked_at.is_(None),
                AccountPoll.profile_checked_at <= now - CHECK_EVERY,
            ),
        )
        .order_by(AccountPoll.profile_checked_at.asc().nulls_first(), Account.id)
        .limit(CHECKS_PER_RUN)
    )
    return [(account, poll) for account, poll in rows]


def _check(
    database: Database, client: RiotClient, account: Account, poll: AccountPoll, now: datetime
) -> None:
    assert account.puuid is not None, "only accounts with a puuid are due"
    milliseconds = client.summoner(account.puuid, account.platform, may_wait=False).revision_date
    revision = None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
    games = poll.ranked_games
    if games is None or revision is None or revision != poll.revision_date:
        entries = client.league_entries(account.puuid, account.platform)
        games = sum(
            (entry.wins or 0) + (entry.losses or 0)
            for entry in entries
            if entry.queue_type in _RANKED
        )
    _write(database, account, now, revision=revision, ranked_games=games)


def _write(
    database: Database,
    account: Account,
    now: datetime,
    *,
    revision: datetime | None,
    ranked_games: int | None,
) -> None:
    """Note what a check has brought; without a count the next one is a new beginning: a game that
    was counted meanwhile could not be dated.
    """
    with database.writing() as session:
        poll = session.get(AccountPoll, account.id, with_for_update=True)
        if poll is None:
            return  # removed meanwhile
        before, checked_before = poll.ranked_games, poll.profile_checked_at
        poll.profile_checked_at, poll.revision_date, poll.ranked_games = now, revision, ranked_games
        if (
            before is not None
            and checked_before is not None
            and ranked_games is not None
            and ranked_games > before
            and not _is_suspected(session, account)
        ):
            poll.missing_games_since, poll.missing_games_from = now, checked_before - _COUNTED_LATE
        session.flush()
        if poll.missing_games_since is not None and not _is_suspected(session, account):
            poll.missing_games_since = poll.missing_games_from = None


def _is_suspected(session: Session, account: Account) -> bool:
    """Whether a game that Riot has counted is still missing."""
    return (
        session.scalar(
            select(true()).where(
                AccountPoll.account_id == account.id,
                AccountPoll.missing_games_since.is_not(None),
                no_game_since(AccountPoll.missing_games_from),
            )
        )
        is not None
    )
