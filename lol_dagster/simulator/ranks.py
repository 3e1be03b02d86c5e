"""Ranks for league-v4: made up from the puuid, and moved by the ranked games that were played here."""

from __future__ import annotations

from collections.abc import Sequence

from lol_dagster.simulator.games import Account, Game
from lol_dagster.simulator.rng import seeded_rng

_TIERS = ("IRON", "BRONZE", "SILVER", "GOLD", "PLATINUM", "EMERALD", "DIAMOND")
_DIVISIONS = ("IV", "III", "II", "I")
_QUEUES = {420: "RANKED_SOLO_5x5", 440: "RANKED_FLEX_SR"}
_ARENA = {1700, 1710, 1750}
_POINTS_PER_DIVISION = 100
_GAIN, _LOSS = 21, 19


def league_entries(account: Account, games: Sequence[Game]) -> list[dict[str, object]]:
    """An account's entries: solo and flex with tier, Arena without, as Riot has them.

    About one account in six is unranked until it plays a ranked game.
    """
    entries = []
    for queue_id, queue_type in _QUEUES.items():
        rng = seeded_rng(account.puuid, queue_type)
        points, wins, losses = rng.randint(150, 2300), rng.randint(8, 90), rng.randint(8, 90)
        unranked = rng.random() < 1 / 6
        played = [game for game in games if game.queue_id == queue_id]
        if unranked and not played:
            continue
        won = sum(account.puuid in game.winners for game in played)
        lost = len(played) - won
        points = max(0, points + won * _GAIN - lost * _LOSS)
        entries.append(
            {
                "leagueId": f"{rng.getrandbits(128):032x}",
                "queueType": queue_type,
                **_standing(points),
                **_common(account, wins + won, losses + lost),
            }
        )
    if any(game.queue_id in _ARENA for game in games):
        entries.append({"queueType": "CHERRY", "leaguePoints": 0, **_common(account, 0, 0)})
    return entries


def _standing(points: int) -> dict[str, object]:
    division = min(points // _POINTS_PER_DIVISION, len(_TIERS) * len(_DIVISIONS) - 1)
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
