"""Asking Riot for ranks, and what they say about games.

An account's ranks are asked for once an hour, and after each of its ranked games until Riot has counted
it: at once, and then ever later. That is part of polling, after the match lists, at the lowest priority
and a few accounts at a time; a call that finds no capacity in the limits is left for later. No message
waits for it: a game of which the LP comes to be known is processed again, which edits what was said.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lol_dagster.pipeline.match import Ranked
from lol_dagster.pipeline.records import record
from lol_dagster.riot.client import LeagueEntry, RiotClient
from lol_dagster.riot.errors import RateLimited, RiotError, RouteDown
from lol_dagster.riot.missing_games import note_ranked_games
from lol_dagster.riot.polling import is_polled
from lol_dagster.stats.rank_history import credit_games
from lol_dagster.stats.ranks import COUNTED_WITHIN, RANKED_QUEUES, Rank
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Game, PlayerStat, RankSnapshot

log = logging.getLogger(__name__)

CHECK_EVERY = timedelta(hours=1)
CHECKS_PER_POLL = 10
"""Two groups that play together. Where Riot's limits are used up there is a poll every 24 s: a thousand accounts have
their turn within the hour, with less than a personal key's share for ranks.
"""
_SOONEST = timedelta(seconds=30)


def check_ranks(database: Database, client: RiotClient, *, now: datetime) -> int:
    """Ask for the ranks of the accounts whose turn it is, a few at a time.

    Returns:
        Of how many Riot has said them.
    """
    checked = 0
    with database.reading() as session:
        due = _due(session, now)
    for account in due:
        assert account.puuid is not None, "only accounts with a puuid are due"
        try:
            entries = client.league_entries(account.puuid, account.platform)
        except (RateLimited, RouteDown) as error:
            log.info("Ranks are left for later: %s", error)
            break
        except RiotError as error:
            # In its turn like any other: what always fails must not be asked for every minute.
            log.info("%s: ranks: %s", account.riot_id, error, extra={"account_id": account.id})
            _note(database, account, None, now)
        else:
            _note(database, account, entries, now)
            checked += 1
    return checked


def note_ranked_game(database: Database, match_id: str, *, now: datetime) -> None:
    """Note that a game was processed: if it is a ranked one, its LP is asked for, unless Riot has
    said it before.
    """
    with database.reading() as session:
        game = session.get(Game, match_id)
        if game is None or game.queue_id not in RANKED_QUEUES.values():
            return
        played = select(PlayerStat.account_id).where(PlayerStat.match_id == match_id)
        account_ids = sorted(session.scalars(played))
    for account_id in account_ids:
        with database.writing() as session:
            if not _lock(session, account_id):
                continue
            is_complete = _credit(session, account_id, now)
            is_fresh = now - game.ended_at < COUNTED_WITHIN
            poll = session.get(AccountPoll, account_id, with_for_update=True)
            if poll is not None and is_fresh and not is_complete:
                poll.ranks_awaited_since = poll.ranks_due_at = now


def _due(session: Session, now: datetime) -> list[Account]:
    """Those first whose game is waited for."""
    is_due_hourly = or_(
        AccountPoll.ranks_checked_at.is_(None), AccountPoll.ranks_checked_at <= now - CHECK_EVERY
    )
    rows = session.scalars(
        select(Account)
        .join(AccountPoll, AccountPoll.account_id == Account.id)
        .where(
            is_polled(now),
            Account.puuid.is_not(None),
            AccountPoll.last_good_poll_at.is_not(None),
            AccountPoll.failures == 0,
            or_(AccountPoll.ranks_due_at <= now, is_due_hourly),
        )
        .order_by(
            AccountPoll.ranks_due_at.asc().nulls_last(),
            AccountPoll.ranks_checked_at.asc().nulls_first(),
            Account.id,
        )
        .limit(CHECKS_PER_POLL)
    )
    return list(rows)


def _note(
    database: Database, account: Account, entries: Sequence[LeagueEntry] | None, now: datetime
) -> None:
    """Write down what Riot has said, and what follows from it.

    Args:
        entries: None: it has failed.
    """
    with database.writing() as session:
        row = _lock(session, account.id)
        if row is None or (row.puuid, row.platform) != (account.puuid, account.platform):
            return  # removed, corrected or moved meanwhile
        is_new = entries is not None and _write(session, account.id, entries, now)
        is_awaited = select(AccountPoll.ranks_awaited_since).where(
            AccountPoll.account_id == account.id
        )
        since = session.scalar(is_awaited)
        is_complete = since is None
        if is_new or since is not None:
            is_complete = _credit(session, account.id, now)
        # After the matches, as everywhere.
        poll = session.get(AccountPoll, account.id, with_for_update=True)
        if poll is None:
            return
        if poll.ranks_awaited_since is not None:
            _plan(poll, now, is_complete=is_complete)
        note_ranked_games(session, poll, _counted(entries), now)


def _lock(session: Session, account_id: int) -> Account | None:
    """So that of two processes one sees what the other has written; other rows may refer to it."""
    return session.get(Account, account_id, with_for_update={"key_share": True})


def _plan(poll: AccountPoll, now: datetime, *, is_complete: bool) -> None:
    """When to ask again: after as long as it was waited so far, and not beyond the time in which Riot
    counts: nine times in all.
    """
    assert poll.ranks_awaited_since is not None
    waited = now - poll.ranks_awaited_since
    due = now + max(waited, _SOONEST)
    if is_complete or due - poll.ranks_awaited_since > COUNTED_WITHIN:
        poll.ranks_awaited_since = poll.ranks_due_at = None
    else:
        poll.ranks_due_at = due


def _write(
    session: Session, account_id: int, entries: Sequence[LeagueEntry], now: datetime
) -> bool:
    """Write a snapshot of each queue.

    Returns:
        Whether one of them is new.
    """
    by_queue = {each.queue_type: each for each in entries}
    is_new = False
    for name, queue_id in RANKED_QUEUES.items():
        said = _said(by_queue.get(name))
        last = session.scalars(
            select(RankSnapshot)
            .where(RankSnapshot.account_id == account_id, RankSnapshot.queue_id == queue_id)
            .order_by(RankSnapshot.id.desc())
            .limit(1)
        ).first()
        if said is None:
            continue
        if last is not None and all(getattr(last, key) == value for key, value in said.items()):
            last.seen_at = max(last.seen_at, now)
        elif last is None or not _is_outdated(last, said, now):
            session.add(
                RankSnapshot(
                    account_id=account_id, queue_id=queue_id, taken_at=now, seen_at=now, **said
                )
            )
            is_new = True
    session.flush()
    return is_new


def _said(entry: LeagueEntry | None) -> dict[str, str | int | None] | None:
    """Columns of a snapshot; None: nothing that could be understood."""
    if entry is None:
        return {"tier": None, "division": None, "league_points": 0, "wins": 0, "losses": 0}
    if entry.league_points is None or entry.wins is None or entry.losses is None:
        return None
    rank = Rank(entry.tier, entry.rank, entry.league_points)
    return {
        "tier": rank.tier,
        "division": rank.division if rank.has_divisions else None,
        "league_points": rank.league_points,
        "wins": entry.wins,
        "losses": entry.losses,
    }


def _is_outdated(last: RankSnapshot, said: dict[str, str | int | None], now: datetime) -> bool:
    """Whether it says less than was known before: from a cache that lags behind another one. A new
    season, which begins at nought, still says so hours later.
    """
    wins, losses = said["wins"], said["losses"]
    assert isinstance(wins, int)
    assert isinstance(losses, int)
    is_less = wins < last.wins or losses < last.losses
    return is_less and now - last.seen_at < COUNTED_WITHIN


def _counted(entries: Sequence[LeagueEntry] | None) -> int | None:
    if entries is None:
        return None
    return sum(
        (each.wins or 0) + (each.losses or 0)
        for each in entries
        if each.queue_type in RANKED_QUEUES
    )


def _credit(session: Session, account_id: int, now: datetime) -> bool:
    """Write down which games have moved the account's ranks. Those of which more is known now become
    due.

    Returns:
        Whether Riot has counted all games that we know of.
    """
    is_complete = True
    changed: set[str] = set()
    for queue_id in RANKED_QUEUES.values():
        found = credit_games(session, account_id, queue_id)
        changed |= found.changed
        is_complete &= found.is_complete
    for match_id in sorted(changed):
        record(session, match_id, Ranked(), now)
    return is_complete
