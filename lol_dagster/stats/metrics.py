"""What follows from a participant's numbers: rates, shares, and what stood out.

Pure functions of a `GameReading`; how a player does over several games is form.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lol_dagster.stats.reading import GameReading, ParticipantReading

HIGHLIGHTS: Final = (
    "penta_kill",
    "quadra_kill",
    "deathless",
    "most_damage",
    "most_kills",
    "triple_kill",
    "first_blood",
    "double_kill",
)
"""Every highlight there is, most remarkable first. Of the multikills only the largest is one, and
no double kill where everybody fights all the time (ARAM, Arena): half of the players have one."""

_DEATHLESS_FROM: Final = 5
"""Takedowns without which not having died is no feat."""


def kda(kills: int, deaths: int, assists: int) -> float:
    """(kills + assists) / deaths; without deaths as if there had been one."""
    return (kills + assists) / max(1, deaths)


def kill_participation(game: GameReading, person: ParticipantReading) -> float | None:
    """The share of the own side's kills that the participant had a hand in, 0 to 1.

    None where the side has no kills or is not known. In Arena a participant's takedowns exceed
    the subteam's kills at times: 1.
    """
    kills = sum(ally.kills for ally in _allies(game, person))
    return min(1.0, (person.kills + person.assists) / kills) if kills else None


def damage_share(game: GameReading, person: ParticipantReading) -> float | None:
    """The participant's share of the own side's damage to champions, 0 to 1.

    None where the side has done none or is not known.
    """
    damage = sum(ally.damage for ally in _allies(game, person))
    return person.damage / damage if damage else None


def per_minute(amount: int, time_played_s: int) -> float | None:
    """Per minute of the participant's own time; None without any."""
    return amount * 60 / time_played_s if time_played_s else None


def highlights(game: GameReading, person: ParticipantReading) -> tuple[str, ...]:
    """What stood out about a participant, most remarkable first; a subset of HIGHLIGHTS.

    None in games that were not played out, nor where nobody is there to be better than (Swarm).
    """
    if game.result != "played" or len({other.side for other in game.participants}) < 2:
        return ()
    multikill = _largest_multikill(game, person)
    found = {
        multikill: True,
        "deathless": person.deaths == 0 and person.kills + person.assists >= _DEATHLESS_FROM,
        "most_damage": _is_alone_at_the_top(game, person, lambda other: other.damage),
        "most_kills": _is_alone_at_the_top(game, person, lambda other: other.kills),
        "first_blood": person.first_blood,
    }
    return tuple(name for name in HIGHLIGHTS if found.get(name))


def _allies(game: GameReading, person: ParticipantReading) -> list[ParticipantReading]:
    """The participant's side, the participant included; empty where Riot does not say who played
    with whom.
    """
    if game.mode_family == "arena" and person.subteam_id is None:
        return []
    return [other for other in game.participants if other.side == person.side]


def _largest_multikill(game: GameReading, person: ParticipantReading) -> str | None:
    for name, count in (
        ("penta_kill", person.penta_kills),
        ("quadra_kill", person.quadra_kills),
        ("triple_kill", person.triple_kills),
        ("double_kill", 0 if game.mode_family in {"aram", "arena"} else person.double_kills),
    ):
        if count:
            return name
    return None


def _is_alone_at_the_top(
    game: GameReading, person: ParticipantReading, value: Callable[[ParticipantReading], int]
) -> bool:
    others = (value(other) for other in game.participants if other is not person)
    return value(person) > max(others)
