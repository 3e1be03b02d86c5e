"""How a player has been doing over the last games, and tables of games for people to read.

Here and only here numbers of several games meet. Games that say nothing about form (remakes,
custom games, bots, unknown placements) are left out by the queries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final

import pandas as pd
from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import Session

from lol_dagster.stats.played import has_won, select_played
from lol_dagster.storage.models import Game, Participant, Player, PlayerStat

FORM_GAMES: Final = 20
RECENT_GAMES: Final = 5

_COLUMNS: Final = (
    "match_id",
    "ended_at",
    "queue_name",
    "mode_family",
    "champion",
    "won",
    "kills",
    "deaths",
    "assists",
    "cs_per_min",
    "kill_participation",
)

# Made once: it is executed for each tracked player of each game.
_LAST_GAMES: Final = (
    select_played(
        Game.match_id,
        Game.ended_at,
        Game.queue_name,
        Game.mode_family,
        Participant.champion,
        Participant.outcome,
        Participant.placement,
        PlayerStat.extra,
        Participant.kills,
        Participant.deaths,
        Participant.assists,
        PlayerStat.cs_per_min,
        PlayerStat.kill_participation,
    )
    .join(Game, Game.match_id == PlayerStat.match_id)
    .where(
        PlayerStat.player_id == bindparam("player_id"),
        PlayerStat.ended_at <= bindparam("until"),
        Game.counts_in_form,
        or_(
            Participant.outcome.in_(("win", "loss")),
            and_(Participant.outcome == "placement", Participant.placement.is_not(None)),
        ),
    )
    .order_by(PlayerStat.ended_at.desc(), PlayerStat.match_id.desc())
    .limit(bindparam("number"))
)


@dataclass(frozen=True)
class ChampionForm:
    """A champion's part of a player's form."""

    champion: str
    games: int
    wins: int


@dataclass(frozen=True)
class Form:
    """A player's last games, summed up. Without games every average is None."""

    games: int
    wins: int
    losses: int
    win_rate: float | None
    """0 to 1."""
    streak: int
    """Games won (positive) or lost (negative) in a row, the last one included; no more than
    `games`."""
    kda: float | None
    """All kills and assists per all deaths: one game without deaths does not outweigh the rest."""
    cs_per_min: float | None
    """Mean over the games with lanes."""
    kill_participation: float | None
    """Mean over the games in which it is known, 0 to 1."""
    best_champion: ChampionForm | None
    """The one with the most wins beyond its losses; None unless some champion has any."""
    recent: str
    """The last five games, such as `WWLWL`; the newest is the last letter."""


def form(session: Session, player_id: int, *, until: datetime, games: int = FORM_GAMES) -> Form:
    """A player's form over all accounts.

    Args:
        until: Games that ended later do not count; one that ended at this moment does.
    """
    return summarize(last_games(session, player_id, until=until, limit=games))


def last_games(
    session: Session, player_id: int, *, until: datetime, limit: int = FORM_GAMES
) -> pd.DataFrame:
    """A player's last games that count in form, oldest first, one row each.

    Columns: match_id, ended_at, queue_name, mode_family, champion, won (in Arena: the upper half),
    kills, deaths, assists, cs_per_min and kill_participation (NaN where unknown).
    """
    rows = session.execute(
        _LAST_GAMES, {"player_id": player_id, "until": until, "number": limit}
    ).all()
    # Five columns of the game, three that say whether it was won, and the figures.
    records = [(*row[:5], has_won(*row[5:8]), *row[8:]) for row in reversed(rows)]
    table = pd.DataFrame.from_records(records, columns=list(_COLUMNS))
    return table.astype({"won": bool, "cs_per_min": float, "kill_participation": float})


def summarize(games: pd.DataFrame) -> Form:
    """Sum up games in the shape that `last_games` returns, oldest first."""
    won = games["won"].tolist()
    with_lanes = games.loc[games["mode_family"] == "rift", "cs_per_min"]
    takedowns = int(games["kills"].sum() + games["assists"].sum())
    return Form(
        games=len(won),
        wins=sum(won),
        losses=len(won) - sum(won),
        win_rate=sum(won) / len(won) if won else None,
        streak=streak(won),
        kda=takedowns / max(1, int(games["deaths"].sum())) if won else None,
        cs_per_min=_mean(with_lanes),
        kill_participation=_mean(games["kill_participation"]),
        best_champion=_best_champion(games),
        recent="".join("W" if each else "L" for each in won[-RECENT_GAMES:]),
    )


def streak(won: Sequence[bool]) -> int:
    """How many of the last games in a row were won (positive) or lost (negative).

    Args:
        won: Oldest first.
    """
    length = len(list(takewhile(lambda each: each == won[-1], reversed(won))))
    return length if won and won[-1] else -length


def _mean(values: pd.Series[float]) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _best_champion(games: pd.DataFrame) -> ChampionForm | None:
    played = Counter(games["champion"])
    wins = Counter(games.loc[games["won"], "champion"])
    leads = [(2 * wins[champion] - number, number, champion) for champion, number in played.items()]
    ahead = [each for each in leads if each[0] > 0]
    if not ahead:
        return None
    _, number, champion = min(ahead, key=lambda each: (-each[0], -each[1], each[2]))
    return ChampionForm(champion, games=number, wins=wins[champion])


def game_table(session: Session, match_ids: Sequence[str]) -> pd.DataFrame:
    """Games and how the tracked players did in them, for people to read; in the order asked for.

    Columns: match, mode, result, players (`Ann: Jinx 12/1/7 win; Bob: …`). Ids of which no game is
    recorded are left out.
    """
    games = session.scalars(select(Game).where(Game.match_id.in_(match_ids)))
    by_id = {game.match_id: game for game in games}
    lines: dict[str, list[str]] = {match_id: [] for match_id in by_id}
    for player, person in session.execute(
        select_played(Player.name, Participant)
        .join(Player, Player.id == PlayerStat.player_id)
        .where(PlayerStat.match_id.in_(match_ids))
        .order_by(PlayerStat.participant_id)
    ):
        lines[person.match_id].append(_line(player, person))
    return pd.DataFrame.from_records(
        [
            (match_id, game.queue_name, game.result, "; ".join(lines[match_id]))
            for match_id in match_ids
            if (game := by_id.get(match_id))
        ],
        columns=["match", "mode", "result", "players"],
    )


def _line(player: str, person: Participant) -> str:
    outcome = person.outcome
    if outcome == "placement":
        outcome = f"#{person.placement}" if person.placement else "placement unknown"
    score = f"{person.kills}/{person.deaths}/{person.assists}"
    return f"{player}: {person.champion} {score} {outcome}"
