"""Who of us played in games, for lists of games; and how a player has been doing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from sqlalchemy.orm import Session

from lol_dagster.admin.charts import form_chart, form_words
from lol_dagster.admin.display import NOTHING, row_link
from lol_dagster.stats.form import last_games, summarize
from lol_dagster.stats.played import select_played
from lol_dagster.storage.models import Game, Participant, Player, PlayerStat

_SHOWN = 10
"""A player's last games, on the player's page."""
_AT_ONCE = 500
"""Ids in one question: both databases have a most of their own."""


@dataclass(frozen=True)
class Part:
    """What one of us did in a game."""

    player_id: int
    player: str
    champion: str
    kills: int
    deaths: int
    assists: int
    outcome: str
    """As in the table."""
    placement: int | None

    @property
    def score(self) -> str:
        return f"{self.kills}/{self.deaths}/{self.assists}"


def outcome_words(outcome: str, placement: int | None) -> str:
    """How it ended for somebody: `win`, `loss`, `remake`, `place 3`."""
    if outcome != "placement":
        return outcome
    return f"place {placement}" if placement else "place unknown"


def outcome_mark(outcome: str, placement: int | None) -> Markup:
    """The same, in its colour."""
    return Markup('<span class="outcome {}">{}</span>').format(
        outcome, outcome_words(outcome, placement)
    )


def who_played(session: Session, match_ids: Sequence[str]) -> Mapping[str, list[Part]]:
    """Those of us in each game, in the order of the payload; a game without any is not in it."""
    found: dict[str, list[Part]] = {}
    for begin in range(0, len(match_ids), _AT_ONCE):
        rows = session.execute(
            select_played(
                Participant.match_id,
                Player.id,
                Player.name,
                Participant.champion,
                Participant.kills,
                Participant.deaths,
                Participant.assists,
                Participant.outcome,
                Participant.placement,
            )
            .join(Player, Player.id == PlayerStat.player_id)
            .where(PlayerStat.match_id.in_(match_ids[begin : begin + _AT_ONCE]))
            .order_by(Participant.match_id, Participant.participant_id)
        )
        for row in rows:
            found.setdefault(row[0], []).append(Part(*row[1:]))
    return found


def parts_shown(parts: Iterable[Part]) -> Markup:
    """One line each: how it ended, who, with what."""
    lines = [
        Markup('<div>{} {} <span class="faint">{} {}</span></div>').format(
            outcome_mark(part.outcome, part.placement),
            row_link("player", part.player_id, part.player),
            part.champion,
            part.score,
        )
        for part in parts
    ]
    return Markup("").join(lines) or NOTHING


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
