"""The smallest match-v5 payloads that the simulated Riot can serve."""

from __future__ import annotations

from typing import Any

from lol_dagster.simulator.payload import envelope, game_info

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
    people = [
        {"puuid": puuid, "riotIdGameName": name, "riotIdTagline": "NA1", "win": number == 0}
        for number, (puuid, name) in enumerate(zip(puuids, names, strict=True))
    ]
    info = game_info(
        match_id, ended_ms=int(ended_at * 1000), seconds=seconds, queue_id=queue_id,
        game_mode="CLASSIC", map_id=11, participants=people, teams=[],
    )  # fmt: skip
    return envelope(match_id, list(puuids), {**info, "tournamentCode": tournament_code})
