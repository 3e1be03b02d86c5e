"""A player's ranks: where each account stands, how it came there, and which games brought what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from sqlalchemy.orm import Session

from lol_dagster.admin.charts import Bar, line_chart
from lol_dagster.messages.language import language
from lol_dagster.messages.wording import rank_in_words
from lol_dagster.riot.modes import played_mode
from lol_dagster.stats.rank_history import Brought, brought, curve
from lol_dagster.stats.ranks import RANKED_QUEUES
from lol_dagster.storage.models import Account

_GAMES = 10


@dataclass(frozen=True)
class ShownRank:
    """One account in one queue."""

    riot_id: str
    queue: str
    now: str
    """`Gold II 45 LP`."""
    seen_at: datetime
    chart: Markup | None
    """None: there is but one point yet."""
    games: Sequence[tuple[Brought, str]]
    """The last ones whose LP is known, the newest first, with it in words."""


def ranks_of(session: Session, accounts: Sequence[Account]) -> list[ShownRank]:
    """Of each account and queue in which it was placed when it was last asked for."""
    return [
        shown
        for account in accounts
        for queue_id in RANKED_QUEUES.values()
        if (shown := _rank(session, account, queue_id)) is not None
    ]


def _rank(session: Session, account: Account, queue_id: int) -> ShownRank | None:
    snapshots = [each for each in curve(session, account.id, queue_id) if each.rank.tier]
    if not snapshots:
        return None
    queue = played_mode(queue_id, game_mode="CLASSIC", game_type="MATCHED_GAME").name
    points = [
        Bar(
            f"{each.taken_at:%Y-%m-%d %H:%M}",
            each.rank.ladder,
            words=each.rank.standing,
        )
        for each in snapshots
    ]
    newest = snapshots[-1]
    return ShownRank(
        riot_id=account.riot_id,
        queue=queue,
        now=f"{newest.rank.standing} LP",
        seen_at=newest.seen_at,
        chart=line_chart(
            points,
            title=f"{account.riot_id}, {queue}: {newest.rank.standing} LP, {len(points)} snapshots",
        )
        if len(points) > 1
        else None,
        games=[
            (each, rank_in_words(each.moved, language("en")))
            for each in brought(session, account.id, queue_id, limit=_GAMES)
        ],
    )
