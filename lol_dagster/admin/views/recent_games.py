"""A player's form and last games, for the player's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from sqlalchemy.orm import Session

from lol_dagster.admin.charts import form_chart, form_words
from lol_dagster.stats.form import last_games, summarize
from lol_dagster.stats.played import select_played
from lol_dagster.storage.models import Game, Participant, PlayerStat

_SHOWN = 10


@dataclass(frozen=True)
class RecentGames:
    """How a player has been doing."""

    chart: Markup | None
    """None: no game counts in form."""
    words: str
    games: Sequence[tuple[Game, Participant, PlayerStat]]
    """The last games, also those that do not count; the newest first."""


def recent_games(session: Session, player_id: int, *, now: datetime) -> RecentGames:
    counted = last_games(session, player_id, until=now)
    rows = session.execute(
        select_played(Game, Participant, PlayerStat)
        .join(Game, Game.match_id == PlayerStat.match_id)
        .where(PlayerStat.player_id == player_id)
        .order_by(PlayerStat.ended_at.desc(), PlayerStat.match_id.desc())
        .limit(_SHOWN)
    )
    return RecentGames(
        chart=None if counted.empty else form_chart(counted),
        words=form_words(summarize(counted)),
        games=[(game, part, stat) for game, part, stat in rows],
    )
