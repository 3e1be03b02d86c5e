"""Who kills whom: fights between sides, from which all figures of kills follow and agree.

A side's kills are the others' deaths; a double is counted inside a triple, as Riot counts (a pentakill
is also one double, triple and quadra); the first kill of the game is first blood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

_MULTIKILLS = ("doubles", "triples", "quadras", "pentas")
_SPREE = 3


@dataclass
class Score:
    """What one seat has done in fights."""

    kills: int = 0
    deaths: int = 0
    assists: int = 0
    doubles: int = 0
    triples: int = 0
    quadras: int = 0
    pentas: int = 0
    largest_multikill: int = 0
    sprees: int = 0
    largest_spree: int = 0
    first_blood: bool = False
    first_blood_assist: bool = False
    current_spree: int = 0


@dataclass(frozen=True)
class Side:
    """A side of a fight: the seats on it by index, how strong each is at killing, and how well the side
    does.
    """

    seats: tuple[int, ...]
    kill_weights: tuple[float, ...]
    strength: float


def fight_out(rng: Random, sides: Sequence[Side], seats: int, kills: int) -> list[Score]:
    """Fight about `kills` kills out between the sides, in fights of a few kills each."""
    scores = [Score() for _ in range(seats)]
    left = kills
    while left > 0:
        one, other = rng.sample(list(sides), 2)
        wanted = min(left, rng.choices((1, 2, 3, 5, 8), (40, 25, 18, 12, 5))[0])
        left -= _fight(rng, one, other, wanted, scores)
    return scores


def _fight(rng: Random, one: Side, other: Side, kills: int, scores: list[Score]) -> int:
    alive = {side: list(side.seats) for side in (one, other)}
    killed_by: dict[int, int] = {}
    done = 0
    while done < kills and alive[one] and alive[other]:
        winner, loser = (
            (one, other)
            if rng.random() < one.strength / (one.strength + other.strength)
            else (other, one)
        )
        weights = [winner.kill_weights[winner.seats.index(seat)] for seat in alive[winner]]
        killer = rng.choices(alive[winner], weights)[0]
        victim = rng.choice(alive[loser])
        alive[loser].remove(victim)
        helpers = [seat for seat in winner.seats if seat != killer and rng.random() < 0.42]
        _count_kill(scores, killer, victim, helpers)
        killed_by[killer] = killed_by.get(killer, 0) + 1
        done += 1
    for killer, number in killed_by.items():
        _count_multikill(scores[killer], number)
    return done


def _count_kill(scores: list[Score], killer: int, victim: int, helpers: list[int]) -> None:
    first = not any(score.deaths for score in scores)
    own = scores[killer]
    own.kills += 1
    own.first_blood |= first
    own.current_spree += 1
    own.sprees += own.current_spree == _SPREE
    own.largest_spree = max(own.largest_spree, own.current_spree)
    for helper in helpers:
        scores[helper].assists += 1
        scores[helper].first_blood_assist |= first
    scores[victim].deaths += 1
    scores[victim].current_spree = 0


def _count_multikill(score: Score, number: int) -> None:
    score.largest_multikill = max(score.largest_multikill, number)
    for size, name in enumerate(_MULTIKILLS, start=2):
        if number >= size:
            setattr(score, name, getattr(score, name) + 1)
