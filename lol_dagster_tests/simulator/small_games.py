"""The smallest match-v5 payloads that the simulated Riot can serve."""

from __future__ import annotations

from typing import Any

MIRA, TOMO = "mira-" + "x" * 73, "tomo-" + "x" * 73
"""Two puuids of 78 characters, as Riot's are."""


def small_game(
    match_id: str,
    *,
    ended_at: float,
    seconds: int = 1800,
    queue_id: int = 420,
    puuids: tuple[str, ...] = (MIRA, TOMO),
    names: tuple[str, ...] = ("Mira Moon", "Tomo"),
    tournament_code: str = "",
) -> dict[str, Any]:
    """A game that ended at `ended_at` (epoch seconds); the first of the people wins."""
    end = int(ended_at * 1000)
    return {
        "metadata": {"dataVersion": "2", "matchId": match_id, "participants": list(puuids)},
        "info": {
            "gameCreation": end - seconds * 1000 - 20_000,
            "gameStartTimestamp": end - seconds * 1000,
            "gameEndTimestamp": end,
            "gameDuration": seconds,
            "queueId": queue_id,
            "tournamentCode": tournament_code,
            "participants": [
                {
                    "puuid": puuid,
                    "riotIdGameName": name,
                    "riotIdTagline": "NA1",
                    "win": number == 0,
                }
                for number, (puuid, name) in enumerate(zip(puuids, names, strict=True))
            ],
        },
    }
