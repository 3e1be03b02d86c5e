"""An account's ranks as they are stored: which games they are credited to, and their curve."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from lol_dagster.stats.played import select_played
from lol_dagster.stats.ranks import Moved, Rank, RankedGame, Snapshot, attribute
from lol_dagster.storage.models import Game, Participant, PlayerStat, RankChange, RankSnapshot


@dataclass(frozen=True)
class Credited:
    """What came of asking again which games have moved a rank."""

    changed: frozenset[str]
    """Match ids of which something else is known than before."""
    is_complete: bool
    """As in `Attribution`."""


def credit_games(session: Session, account_id: int, queue_id: int) -> Credited:
    """Work out which games of an account have moved its rank in a queue, and write it down.

    Args:
        session: A writing one, in which the account is locked.
    """
    snapshots = curve(session, account_id, queue_id, limit=None)
    found = attribute(snapshots, _games(session, account_id, queue_id))
    of_queue = select(RankSnapshot.id).where(
        RankSnapshot.account_id == account_id, RankSnapshot.queue_id == queue_id
    )
    # Columns, not objects: of a year there are a thousand, and hardly one of them changes.
    stored = {
        match_id: tuple(said)
        for match_id, *said in session.execute(
            select(
                RankChange.match_id, RankChange.before_id, RankChange.after_id, RankChange.games
            ).where(RankChange.account_id == account_id, RankChange.after_id.in_(of_queue))
        )
    }
    changed: set[str] = set()
    for credit in found.credits:
        known = stored.pop(credit.match_id, None)
        said = (credit.before.id, credit.after.id, credit.games)
        if known == said or (known is None and not credit.is_settled):
            continue
        before_id, after_id, games = said
        session.merge(
            RankChange(
                match_id=credit.match_id, account_id=account_id,
                before_id=before_id, after_id=after_id, games=games,
            )
        )  # fmt: skip
        changed.add(credit.match_id)
    for match_id in stored:  # a game that came late shows that it was another's
        session.delete(session.get_one(RankChange, (match_id, account_id)))
        changed.add(match_id)
    session.flush()
    return Credited(frozenset(changed), found.is_complete)


def moves_of(session: Session, match_ids: Collection[str]) -> dict[tuple[str, int], Moved]:
    """How games moved ranks: match id and account id → what is known."""
    before, after = aliased(RankSnapshot), aliased(RankSnapshot)
    rows = session.execute(
        select(RankChange, before, after)
        .join(before, before.id == RankChange.before_id)
        .join(after, after.id == RankChange.after_id)
        .where(RankChange.match_id.in_(match_ids))
    )
    return {
        (change.match_id, change.account_id): Moved(_rank(here), _rank(there), change.games)
        for change, here, there in rows
    }


@dataclass(frozen=True)
class Brought:
    """A game of which it is known how it moved a rank."""

    match_id: str
    ended_at: datetime
    moved: Moved


def brought(session: Session, account_id: int, queue_id: int, *, limit: int) -> list[Brought]:
    """The last games that moved an account's rank in a queue, the newest first."""
    rows = session.execute(
        select(RankChange.match_id, Game.ended_at)
        .join(Game, Game.match_id == RankChange.match_id)
        .where(RankChange.account_id == account_id, Game.queue_id == queue_id)
        .order_by(Game.ended_at.desc(), Game.match_id)
        .limit(limit)
    ).all()
    moves = moves_of(session, [row.match_id for row in rows])
    return [Brought(row.match_id, row.ended_at, moves[row.match_id, account_id]) for row in rows]


def curve(
    session: Session, account_id: int, queue_id: int, *, limit: int | None = 200
) -> list[Snapshot]:
    """The last snapshots of a rank, oldest first.

    Args:
        limit: How many at most; None: all.
    """
    rows = session.execute(
        select(
            RankSnapshot.id,
            RankSnapshot.taken_at,
            RankSnapshot.seen_at,
            RankSnapshot.tier,
            RankSnapshot.division,
            RankSnapshot.league_points,
            RankSnapshot.wins,
            RankSnapshot.losses,
        )
        .where(RankSnapshot.account_id == account_id, RankSnapshot.queue_id == queue_id)
        .order_by(RankSnapshot.id.desc())
        .limit(limit)
    ).all()
    return [Snapshot(*row[:3], Rank(*row[3:6]), *row[6:]) for row in reversed(rows)]


def _rank(row: RankSnapshot) -> Rank:
    return Rank(row.tier, row.division, row.league_points)


def _games(session: Session, account_id: int, queue_id: int) -> list[RankedGame]:
    rows = session.execute(
        select_played(Game.match_id, Game.ended_at, Participant.outcome)
        .join(Game, Game.match_id == PlayerStat.match_id)
        .where(
            PlayerStat.account_id == account_id,
            Game.queue_id == queue_id,
            Participant.outcome.in_(("win", "loss")),
        )
        .order_by(Game.ended_at, Game.match_id)
    )
    return [RankedGame(row.match_id, row.ended_at, row.outcome == "win") for row in rows]
