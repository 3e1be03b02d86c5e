"""What follows from a participant's numbers: rates, shares, and what stood out.

Pure functions of a `GameReading`; how a player does over several games is form.py.
"""

from __future__ import annotations

from typing import Final

from lol_dagster.stats.course import Course
from lol_dagster.stats.reading import GameReading, ParticipantReading

HIGHLIGHTS: Final = (
    "penta_kill",
    "quadra_kill",
    "triple_kill",
    "solo_baron",
    "comeback",
    "steal",
    "open_nexus",
    "lane_won_far",
    "single_digit_health",
)
"""Every feat that a payload shows by itself, and one that its timeline does. Of the multikills only the largest is one. Which of them is
remarked upon depends on how rare it is: remarks.py."""

MULTIKILLS: Final = HIGHLIGHTS[:3]
"""The largest first."""

_FAR_AHEAD: Final = 100
"""Creep score ahead of the lane opponent; 2.8 % of ranked players are so at some time of a game."""

COMEBACK_GOLD: Final = 8_000
"""To be behind by more than that, and to win."""


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


def gold_share(game: GameReading, person: ParticipantReading) -> float | None:
    """The participant's share of the own side's gold, 0 to 1.

    None where the side has none or is not known.
    """
    gold = sum(ally.gold for ally in _allies(game, person))
    return person.gold / gold if gold else None


def vision_per_min(game: GameReading, person: ParticipantReading) -> float | None:
    """Vision score per minute of the participant's own time; None where nobody has any (ARAM, Arena)."""
    if not any(other.vision_score for other in game.participants):
        return None
    return per_minute(person.vision_score, person.time_played_s)


def lane_opponent(game: GameReading, person: ParticipantReading) -> ParticipantReading | None:
    """Who played the same position on the other side; None without a position, or if that is not one."""
    if person.position is None:
        return None
    same = [other for other in game.participants if other.position == person.position]
    others = [other for other in same if other.side != person.side]
    return others[0] if len(others) == 1 and len(same) == 2 else None


def gold_lead_at_15(
    game: GameReading, person: ParticipantReading, course: Course | None
) -> int | None:
    """How much more gold the participant had earned after 15 minutes than the lane opponent; None without a
    timeline, in shorter games, and where there is no opponent.
    """
    opponent = lane_opponent(game, person)
    if course is None or not course.gold_at_15 or opponent is None:
        return None
    return course.gold_at_15[person.participant_id] - course.gold_at_15[opponent.participant_id]


def highlights(
    game: GameReading, person: ParticipantReading, course: Course | None
) -> tuple[str, ...]:
    """The feats of a participant, in the order of HIGHLIGHTS.

    None in games that were not played out, nor where nobody is there to be better than (Swarm), nor against
    bots.
    """
    if (
        game.result != "played"
        or game.queue_kind == "bots"
        or len({other.side for other in game.participants}) < 2
    ):
        return ()
    feats = person.feats
    found = {
        _largest_multikill(person): True,
        "solo_baron": feats.solo_barons > 0,
        "comeback": course is not None
        and person.outcome == "win"
        and course.most_behind(person.side)[1] > COMEBACK_GOLD,
        "steal": feats.objectives_stolen > 0,
        "open_nexus": feats.opened_nexus,
        "lane_won_far": feats.cs_lead >= _FAR_AHEAD and lane_opponent(game, person) is not None,
        "single_digit_health": feats.single_digit_survivals > 0,
    }
    return tuple(name for name in HIGHLIGHTS if found.get(name))


def _allies(game: GameReading, person: ParticipantReading) -> list[ParticipantReading]:
    """The participant's side, the participant included; empty where Riot does not say who played
    with whom.
    """
    if game.mode_family == "arena" and person.subteam_id is None:
        return []
    return [other for other in game.participants if other.side == person.side]


def _largest_multikill(person: ParticipantReading) -> str | None:
    counts = (person.penta_kills, person.quadra_kills, person.triple_kills)
    return next((name for name, count in zip(MULTIKILLS, counts, strict=True) if count), None)
