"""The score of one game, worked out by hand, and whom it makes the MVP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lol_dagster.stats import score as scoring
from lol_dagster.stats.reading import GameReading, ParticipantReading, read_game
from lol_dagster.stats.score import ROLES, WEIGHTS, has_score, mvps, parts, score
from lol_dagster_tests._support.payloads import Json, participant, payload_bytes, puuid_of

FITTED = {
    "kp": (0.5, 0.1),
    "deaths": (-0.2, 0.1),
    "damage": (0.2, 0.05),
    "gold": (0.2, 0.05),
    "cs": (5.0, 1.0),
    "vision": (0.5, 0.2),
    "sum": (0.0, 0.5),
}


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every role as spread as FITTED says."""
    monkeypatch.setattr(scoring, "_FITTED", dict.fromkeys(ROLES, FITTED))


def game_with(*people: Json, **said: Any) -> GameReading:
    body = payload_bytes(participants=people, **said)
    return read_game("NA1_5000000001", body, fetched_at=datetime(2026, 8, 2, tzinfo=UTC))


def ann(game: GameReading) -> ParticipantReading:
    return next(each for each in game.participants if each.puuid == puuid_of("Ann"))


def test_a_score_is_the_weighted_distance_from_the_roles_mean(fitted: None) -> None:
    # On TOP, in 30 minutes, with four who have 4 kills, 10,000 gold and 15,000 damage each:
    #   kill participation (9 + 6) / (9 + 16) = 0.6   one deviation above   × 0.20
    #   deaths 6 / 30 = 0.2                           the mean              × 0.25
    #   damage 20 / (20 + 60) = 0.25                  one above             × 0.25
    #   gold 10 / 50 = 0.2                            the mean              × 0.15
    #   creep score 180 / 30 = 6                      one above             × 0.10
    #   vision 15 / 30 = 0.5                          the mean              × 0.05
    # 0.20 + 0.25 + 0.10 = 0.55; by 0.5: 1.1 deviations, below which are 86.433 % (a table of the normal
    # distribution).
    plays = {"kills": 9, "deaths": 6, "assists": 6, "damage": 20_000, "cs": 180}
    game = game_with(participant("Ann", visionScore=15, **plays))
    assert score(game, ann(game)) == pytest.approx(86.433, abs=0.001)
    # Six deaths more are two deviations below: 0.55 - 0.50 = 0.05, by 0.5: 0.1, which are 53.983 %.
    game = game_with(participant("Ann", visionScore=15, **{**plays, "deaths": 12}))
    assert score(game, ann(game)) == pytest.approx(53.983, abs=0.001)
    # Creep score of 30 a minute is 25 deviations above, of which three count: 0.45 + 0.30 = 0.75.
    game = game_with(participant("Ann", visionScore=15, **{**plays, "cs": 900}))
    assert score(game, ann(game)) == pytest.approx(93.319, abs=0.001)


@pytest.mark.parametrize(
    ("mean", "below"),
    [
        (0.55, 50.0),  # what is usual for the role is more than half of them did
        (0.30, 69.146),  # 0.55 - 0.30, by 0.5: half a deviation above
        (0.80, 30.854),
    ],
)
def test_a_score_is_measured_from_the_sum_that_is_usual(
    monkeypatch: pytest.MonkeyPatch, mean: float, below: float
) -> None:
    """The sum itself is 0.55, as above."""
    fitted = {**FITTED, "sum": (mean, 0.5)}
    monkeypatch.setattr(scoring, "_FITTED", dict.fromkeys(ROLES, fitted))
    plays = {"kills": 9, "deaths": 6, "assists": 6, "damage": 20_000, "cs": 180}
    game = game_with(participant("Ann", visionScore=15, **plays))
    assert score(game, ann(game)) == pytest.approx(below, abs=0.001)


def test_where_nobody_has_done_anything_there_is_nothing_of_which_to_have_a_part() -> None:
    game = game_with(participant("Ann"))
    nothing = {"kills": 0, "assists": 0, "deaths": 0, "damage": 0, "gold": 0, "cs": 0, "vision_score": 0, "time_played_s": 0}  # fmt: skip
    game = replace(game, participants=tuple(replace(each, **nothing) for each in game.participants))
    assert parts(game, ann(game)) == dict.fromkeys(WEIGHTS["TOP"], 0.0)


def test_each_roles_weights_add_up_to_one() -> None:
    assert set(WEIGHTS) == set(ROLES)
    for weights in WEIGHTS.values():
        assert sum(weights.values()) == pytest.approx(1)


def test_each_side_has_an_mvp_among_all_ten(fitted: None) -> None:
    # The same figures for everybody but these two: more damage is the only difference.
    game = game_with(
        participant("Ann", damage=30_000), participant("Bob", damage=30_000, team=200), winner=200
    )
    # Ann is the first of team 100, Bob the first of team 200; who won does not matter.
    assert mvps(game) == {1, 6}


def test_of_two_with_the_same_score_nobody_is_the_mvp(fitted: None) -> None:
    # MIDDLE and BOTTOM have the same weights, and these two the same figures.
    both = [participant(damage=30_000, teamPosition=role) for role in ("MIDDLE", "BOTTOM")]
    others = [participant(teamPosition=role) for role in ("TOP", "JUNGLE", "UTILITY")]
    assert mvps(game_with(*both, *others)) & {1, 2, 3, 4, 5} == frozenset()


@pytest.mark.parametrize(
    "said",
    [
        {"mode": "aram"},
        {"mode": "arena_18"},
        {"mode": "one_for_all"},
        {"mode": "bots"},
        {"mode": "custom"},
        {"remake": True},
        {"duration_s": 599},
        {"participants": [participant(teamPosition="")]},
        {"participants": [participant(teamPosition="JUNGLE")]},
    ],
)
def test_without_roles_people_and_time_there_is_no_score(said: Json) -> None:
    game = game_with(*said.pop("participants", ()), **said)
    assert not has_score(game)
    assert mvps(game) == frozenset()


def test_a_tournament_and_ten_minutes_are_enough() -> None:
    assert has_score(game_with(mode="tournament"))
    assert has_score(game_with(duration_s=600))
