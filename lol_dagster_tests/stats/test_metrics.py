"""Rates, shares and what stood out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lol_dagster.stats.metrics import (
    HIGHLIGHTS,
    damage_share,
    highlights,
    kda,
    kill_participation,
    per_minute,
)
from lol_dagster.stats.reading import GameReading, ParticipantReading, read_game
from lol_dagster_tests._support.payloads import (
    NOBODY,
    Json,
    encode,
    match_payload,
    participant,
    payload_bytes,
    puuid_of,
)

FETCHED_AT = datetime(2026, 8, 2, tzinfo=UTC)


def game_with(*people: Json, **said: Any) -> GameReading:
    body = payload_bytes(participants=people, **said)
    return read_game("NA1_5000000001", body, fetched_at=FETCHED_AT)


def seat_of(game: GameReading, name: str) -> ParticipantReading:
    return next(person for person in game.participants if person.puuid == puuid_of(name))


def highlights_of_ann(*people: Json, **said: Any) -> tuple[str, ...]:
    game = game_with(*people, **said)
    return highlights(game, seat_of(game, "Ann"))


@pytest.mark.parametrize(
    ("kills", "deaths", "assists", "ratio"),
    [(12, 4, 8, 5.0), (0, 7, 0, 0.0), (3, 0, 4, 7.0), (3, 1, 4, 7.0), (0, 0, 0, 0.0)],
)
def test_kda_counts_no_deaths_as_one(kills: int, deaths: int, assists: int, ratio: float) -> None:
    assert kda(kills, deaths, assists) == ratio


def test_rates_are_per_minute_of_own_time_and_none_without_any() -> None:
    assert per_minute(210, 1800) == 7.0  # 210 in 30 minutes
    assert per_minute(0, 60) == 0.0
    assert per_minute(210, 0) is None


def test_kill_participation_is_a_share_of_the_own_sides_kills() -> None:
    # Her team: 10 of her own and four times 4 = 26; the enemy's twenty do not matter.
    game = game_with(participant("Ann", kills=10, assists=3))
    assert kill_participation(game, seat_of(game, "Ann")) == 13 / 26


def test_damage_share_is_of_the_own_side() -> None:
    # 40,000 of 40,000 + 4 × 15,000.
    game = game_with(participant("Ann", damage=40_000))
    assert damage_share(game, seat_of(game, "Ann")) == 0.4


def test_shares_of_nothing_are_unknown() -> None:
    idle = [participant(kills=0, assists=0, damage=0) for _ in range(5)]
    game = game_with(*idle)
    assert kill_participation(game, game.participants[0]) is None
    assert damage_share(game, game.participants[0]) is None
    # The other side did fight: (4 + 6) / 20 and 15 of 75 thousand.
    assert kill_participation(game, game.participants[9]) == 0.5
    assert damage_share(game, game.participants[9]) == 0.2


def test_shares_in_arena_are_of_the_subteam_and_not_of_the_team() -> None:
    # Three on a subteam: 5 + 4 + 4 kills. teamId 100 has nine.
    game = game_with(participant("Ann", subteam=2, kills=5, assists=3), mode="arena_18")
    assert kill_participation(game, seat_of(game, "Ann")) == 8 / 13


def test_takedowns_beyond_the_subteams_kills_are_all_of_them() -> None:
    # Real Arena games have it: 0 kills and 2 assists where the ally has one kill.
    people = [
        participant("Ann", subteam=1, kills=0, assists=2),
        participant("Bob", subteam=1, kills=1),
    ]
    game = game_with(*people, mode="arena_16")
    assert kill_participation(game, seat_of(game, "Ann")) == 1.0


def test_shares_are_unknown_where_the_subteams_are() -> None:
    payload = match_payload(mode="arena_8")
    for person in payload["info"]["participants"]:
        person["playerSubteamId"] = 0
    unknown = read_game("NA1_5000000001", encode(payload), fetched_at=FETCHED_AT)
    assert kill_participation(unknown, unknown.participants[0]) is None
    assert damage_share(unknown, unknown.participants[0]) is None


def test_of_the_multikills_the_largest_is_shown() -> None:
    multikills: Json = {"doubleKills": 6, "tripleKills": 3, "quadraKills": 2, "pentaKills": 1}
    assert highlights_of_ann(participant("Ann", **multikills)) == ("penta_kill",)
    multikills["pentaKills"] = 0
    assert highlights_of_ann(participant("Ann", **multikills)) == ("quadra_kill",)
    multikills["quadraKills"] = 0
    assert highlights_of_ann(participant("Ann", **multikills)) == ("triple_kill",)
    multikills["tripleKills"] = 0
    assert highlights_of_ann(participant("Ann", **multikills)) == ("double_kill",)


@pytest.mark.parametrize("mode", ["aram", "mayhem", "arena_16"])
def test_a_double_kill_is_nothing_special_where_everybody_fights_all_the_time(mode: str) -> None:
    assert highlights_of_ann(participant("Ann", doubleKills=4), mode=mode) == ()
    several = participant("Ann", doubleKills=4, tripleKills=1)
    assert highlights_of_ann(several, mode=mode) == ("triple_kill",)


def test_of_everything_at_once_the_most_remarkable_comes_first() -> None:
    ann = participant(
        "Ann", kills=20, deaths=0, damage=50_000, pentaKills=1, firstBloodKill=True, team=200
    )
    assert highlights_of_ann(ann) == (
        "penta_kill",
        "deathless",
        "most_damage",
        "most_kills",
        "first_blood",
    )


def test_most_is_more_than_anybody_else_in_the_whole_game() -> None:
    ann = participant("Ann", kills=10, damage=30_000)
    rival = participant("Bob", kills=10, damage=29_999, team=200)
    assert highlights_of_ann(ann, rival) == ("most_damage",)


def test_not_dying_is_a_feat_only_with_five_takedowns() -> None:
    assert highlights_of_ann(participant("Ann", kills=1, deaths=0, assists=4)) == ("deathless",)
    assert highlights_of_ann(participant("Ann", kills=1, deaths=0, assists=3)) == ()


def test_a_remake_and_an_aborted_game_have_no_highlights() -> None:
    ann = participant("Ann", kills=1, firstBloodKill=True, damage=90_000)
    assert highlights_of_ann(ann, remake=True) == ()
    assert highlights_of_ann(ann, winner=NOBODY) == ()


def test_swarm_has_no_highlights_as_there_is_nobody_to_be_better_than() -> None:
    ann = participant("Ann", kills=0, deaths=0, assists=9, damage=8_000_000)
    assert highlights_of_ann(ann, mode="swarm_3") == ()


counts = st.integers(0, 60)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"kills": counts, "deaths": counts, "assists": counts, "damage": st.integers(0, 10**6)}
        ),
        min_size=10,
        max_size=10,
    ),
    st.sampled_from(["ranked_solo", "aram", "arena_16", "arena_18"]),
)
def test_shares_add_up_and_highlights_are_unique(numbers: list[Json], mode: str) -> None:
    game = game_with(*[participant(**each) for each in numbers], mode=mode)
    for name in {person.side for person in game.participants}:
        allies = [person for person in game.participants if person.side == name]
        shares = [damage_share(game, person) for person in allies]
        known = [share for share in shares if share is not None]
        assert known == [] or sum(known) == pytest.approx(1.0)
        for person in allies:
            participation = kill_participation(game, person)
            assert participation is None or 0 <= participation <= 1
    shown = [name for person in game.participants for name in highlights(game, person)]
    assert shown.count("most_damage") <= 1
    assert shown.count("most_kills") <= 1
    assert set(shown) <= set(HIGHLIGHTS)
    for person in game.participants:
        ranks = [HIGHLIGHTS.index(name) for name in highlights(game, person)]
        assert ranks == sorted(set(ranks))
