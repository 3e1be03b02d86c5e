"""How much somebody did for their side in one game, from 0 to 100, by what their role is there for.

A score is of one game. It names the MVP of a side and is kept nowhere: an average of it, or a ranking by it,
would be an Elo of our own, which Riot's policy forbids. docs/stats.md has the formula and what it was fitted to.
"""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import Any, Final

from lol_dagster.stats.metrics import (
    damage_share,
    gold_share,
    kill_participation,
    per_minute,
    vision_per_min,
)
from lol_dagster.stats.reading import GameReading, ParticipantReading

ROLES: Final = ("TOP", "JUNGLE", "MIDDLE", "BOTTOM", "UTILITY")

WEIGHTS: Final[dict[str, dict[str, float]]] = {
    "TOP": {"kp": 0.20, "deaths": 0.25, "damage": 0.25, "gold": 0.15, "cs": 0.10, "vision": 0.05},
    "JUNGLE": {"kp": 0.30, "deaths": 0.25, "damage": 0.15, "gold": 0.15, "cs": 0.05, "vision": 0.10},
    "MIDDLE": {"kp": 0.20, "deaths": 0.25, "damage": 0.30, "gold": 0.15, "cs": 0.05, "vision": 0.05},
    "BOTTOM": {"kp": 0.20, "deaths": 0.25, "damage": 0.30, "gold": 0.15, "cs": 0.05, "vision": 0.05},
    "UTILITY": {"kp": 0.30, "deaths": 0.25, "damage": 0.10, "gold": 0.05, "cs": 0.00, "vision": 0.30},
}  # fmt: skip
"""Role → what counts how much. Deaths count against. Each row adds up to 1."""

_FARTHEST: Final = 3.0
"""Standard deviations beyond which a part counts no more."""
_SHORTEST_S: Final = 600
_FITTED: Final[dict[str, dict[str, Any]]] = json.loads(
    files("lol_dagster.stats").joinpath("measured.json").read_text(encoding="utf-8")
)["score"]
"""Role → part → (mean, standard deviation), and `sum` of the weighted sum; see tools/measure.py."""


def parts(game: GameReading, person: ParticipantReading) -> dict[str, float]:
    """What the score is made of: shares from 0 to 1, the rest per minute."""
    return {
        "kp": kill_participation(game, person) or 0.0,
        "deaths": -(per_minute(person.deaths, person.time_played_s) or 0.0),
        "damage": damage_share(game, person) or 0.0,
        "gold": gold_share(game, person) or 0.0,
        "cs": per_minute(person.cs, person.time_played_s) or 0.0,
        "vision": vision_per_min(game, person) or 0.0,
    }


def weighted_sum(role: str, values: dict[str, float], fitted: dict[str, Any]) -> float:
    """Standard deviations from the mean of the role, weighted."""
    total = 0.0
    for part, weight in WEIGHTS[role].items():
        mean, deviation = fitted[part]
        total += weight * max(-_FARTHEST, min(_FARTHEST, (values[part] - mean) / deviation))
    return total


def has_score(game: GameReading) -> bool:
    """Whether it can be said who did how much: each role once on either side, and time to play it."""
    sides = {person.side for person in game.participants}
    seats = sorted((person.side, person.position or "") for person in game.participants)
    return (
        game.result == "played"
        and game.mode_family == "rift"
        and game.queue_kind not in {"bots", "custom"}
        and game.duration_s >= _SHORTEST_S
        and len(sides) == 2
        and seats == sorted((side, role) for side in sides for role in ROLES)
    )


def score(game: GameReading, person: ParticipantReading) -> float:
    """0 to 100: how many in a hundred of the same role did less, if the sum is spread as measured.

    Of games that have one (`has_score`).
    """
    assert person.position is not None
    fitted = _FITTED[person.position]
    mean, deviation = fitted["sum"]
    away = (weighted_sum(person.position, parts(game, person), fitted) - mean) / deviation
    return 50 * (1 + math.erf(away / math.sqrt(2)))


def mvps(game: GameReading) -> frozenset[int]:
    """Participant ids of the MVP of each side: whose score is its highest. Nobody of two who share it."""
    if not has_score(game):
        return frozenset()
    best: set[int] = set()
    for side in {person.side for person in game.participants}:
        scores = {
            each.participant_id: score(game, each)
            for each in game.participants
            if each.side == side
        }
        top = [number for number, value in scores.items() if value == max(scores.values())]
        best.update(top if len(top) == 1 else ())
    return frozenset(best)
