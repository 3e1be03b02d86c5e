"""Ranks: what Riot said of them, and which game moved them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.types import UtcDateTime


class RankSnapshot(Base):
    """What Riot said of an account's rank in one queue: together they are its curve.

    By account, as the puuid is another one under another key. Never changed but for `seen_at`.
    """

    __tablename__ = "rank_snapshots"
    __table_args__ = (
        Index("ix_rank_snapshots_account_id_queue_id", "account_id", "queue_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    """Their order."""
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    queue_id: Mapped[int]
    """As in `games`: 420 or 440."""
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When Riot last said the same."""
    tier: Mapped[str | None] = mapped_column(String(20))
    """Riot's word, GOLD; None: not placed."""
    division: Mapped[str | None] = mapped_column(String(4))
    """I to IV."""
    league_points: Mapped[int]
    wins: Mapped[int]
    """Of the season; 0, as `losses`, where Riot had no entry."""
    losses: Mapped[int]


class RankChange(Base):
    """How a game moved an account's rank: from one snapshot to the next."""

    __tablename__ = "rank_changes"

    match_id: Mapped[str] = mapped_column(ForeignKey("matches.match_id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    before_id: Mapped[int] = mapped_column(ForeignKey("rank_snapshots.id", ondelete="CASCADE"))
    after_id: Mapped[int] = mapped_column(ForeignKey("rank_snapshots.id", ondelete="CASCADE"))
    games: Mapped[int]
    """How many games lie between, of which this is the last one; 1: it is this game's own."""
