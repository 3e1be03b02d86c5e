"""Ranks for league-v4: made up from the puuid, moved by the ranked games that were played here, and by
decay.

Six hours without a ranked game cost LP from Diamond on: weeks sooner than Riot's, so that an evening shows
it. An unranked account is placed by five games.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lol_dagster.simulator.games import Account, Game
from lol_dagster.simulator.rng import seeded_rng

_TIERS = ("IRON", "BRONZE", "SILVER", "GOLD", "PLATINUM", "EMERALD", "DIAMOND")
_DIVISIONS = ("IV", "III", "II", "I")
QUEUES = {420: "RANKED_SOLO_5x5", 440: "RANKED_FLEX_SR"}
_ARENA = {1700, 1710, 1750}
_POINTS_PER_DIVISION = 100
_DIAMOND, _MASTER = 2400, 2800
_SEATS = (("CHALLENGER", 700), ("GRANDMASTER", 400), ("MASTER", 0))
"""From so many LP on; the first that fits."""
_PLACED_BY = 5
_IDLE_S = 6 * 3600.0
_DECAY, _MASTER_DECAY = 50, 75


@dataclass(frozen=True)
class Move:
    """What a rank was moved by."""

    at: float
    """Epoch seconds."""
    match_id: str | None
    """None: decay."""
    points: int
    """LP, on the scale on which Diamond I with 100 LP is Master with 0."""


def league_entries(account: Account, games: Sequence[Game], now: float) -> list[dict[str, object]]:
    """An account's entries: solo and flex with tier, Arena without, as Riot has them.

    Args:
        games: Its games that Riot has counted by now, newest first.
        now: Epoch seconds.
    """
    entries: list[dict[str, object]] = []
    for queue_id, queue_type in QUEUES.items():
        rng = seeded_rng(account.puuid, queue_type)
        first, wins, losses = _beginning(rng)
        played = _ranked(games, queue_id)
        if _is_unranked(rng):
            wins = losses = 0
            if len(played) < _PLACED_BY:
                continue
        won = sum(account.puuid in game.winners for game in played)
        points = first + sum(move.points for move in moves(account, queue_id, games, now))
        entries.append(
            {
                "leagueId": f"{rng.getrandbits(128):032x}",
                "queueType": queue_type,
                **_standing(points),
                **_common(account, wins + won, losses + len(played) - won),
            }
        )
    if any(game.queue_id in _ARENA for game in games):
        entries.append({"queueType": "CHERRY", "leaguePoints": 0, **_common(account, 0, 0)})
    return entries


def moves(account: Account, queue_id: int, games: Sequence[Game], now: float) -> list[Move]:
    """What has moved a rank, in order: the truth that no answer tells.

    Args:
        games: As in `league_entries`.
    """
    points = _beginning(seeded_rng(account.puuid, QUEUES[queue_id]))[0]
    found: list[Move] = []
    idle_since = None
    for game in [*_ranked(games, queue_id), None]:
        until = now if game is None else game.ended_at
        while idle_since is not None and points >= _DIAMOND and idle_since + _IDLE_S <= until:
            idle_since += _IDLE_S
            cost = _MASTER_DECAY if points >= _MASTER else _DECAY
            found.append(Move(idle_since, None, -cost))
            points -= cost
        if game is not None:
            rng = seeded_rng(account.puuid, game.match_id)
            won = account.puuid in game.winners
            change = rng.randint(18, 25) if won else -rng.randint(15, 21)
            change = max(change, -points)
            found.append(Move(game.ended_at, game.match_id, change))
            points += change
            idle_since = game.ended_at
    return found


def _ranked(games: Sequence[Game], queue_id: int) -> list[Game]:
    """Those of the queue that count, oldest first."""
    return [game for game in reversed(games) if game.queue_id == queue_id and game.is_decided]


def _beginning(rng: Random) -> tuple[int, int, int]:
    return rng.randint(150, 3300), rng.randint(8, 90), rng.randint(8, 90)


def _is_unranked(rng: Random) -> bool:
    return rng.random() < 1 / 6


def _standing(points: int) -> dict[str, object]:
    if points >= _MASTER:
        above = points - _MASTER
        tier = next(tier for tier, least in _SEATS if above >= least)
        return {"tier": tier, "rank": "I", "leaguePoints": above}
    division = points // _POINTS_PER_DIVISION
    return {
        "tier": _TIERS[division // len(_DIVISIONS)],
        "rank": _DIVISIONS[division % len(_DIVISIONS)],
        "leaguePoints": points - division * _POINTS_PER_DIVISION,
    }


def _common(account: Account, wins: int, losses: int) -> dict[str, object]:
    return {
        "puuid": account.puuid,
        "wins": wins,
        "losses": losses,
        "veteran": False,
        "inactive": False,
        "freshBlood": False,
        "hotStreak": False,
    }
