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
    gold_share,
    highlights,
    kda,
    kill_participation,
    lane_opponent,
    per_minute,
    vision_per_min,
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
    return highlights(game, seat_of(game, "Ann"), None)


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
    assert highlights_of_ann(participant("Ann", **multikills)) == ()


FEATS: Json = {
    "soloBaronKills": 1,
    "survivedSingleDigitHpCount": 1,
    "maxCsAdvantageOnLaneOpponent": 100.0,
    "hadOpenNexus": 1,
}


def test_of_everything_at_once_there_is_everything_in_one_order() -> None:
    ann = participant("Ann", pentaKills=1, objectivesStolen=1, challenges=FEATS)
    assert highlights_of_ann(ann) == tuple(
        each for each in HIGHLIGHTS if each not in {"quadra_kill", "triple_kill", "comeback"}
    )


def test_who_lost_has_not_won_it_back_from_an_open_nexus() -> None:
    ann = participant("Ann", challenges=FEATS)
    assert "open_nexus" in highlights_of_ann(ann)
    assert "open_nexus" not in highlights_of_ann(ann, winner=200)


def test_a_lane_is_won_far_with_a_hundred_creep_score_over_an_opponent() -> None:
    def ahead(by: float, **said: Any) -> bool:
        ann = participant("Ann", challenges={"maxCsAdvantageOnLaneOpponent": by})
        return "lane_won_far" in highlights_of_ann(ann, **said)

    assert (ahead(100), ahead(99.5)) == (True, False)
    assert not ahead(150, mode="aram"), "where there is no lane"


@pytest.mark.parametrize(
    ("field", "most"),
    [("soloBaronKills", 5), ("survivedSingleDigitHpCount", 20),
     ("maxCsAdvantageOnLaneOpponent", 400), ("hadOpenNexus", 1)],
)  # fmt: skip
def test_absurd_counters_and_what_is_no_number_count_for_nothing(field: str, most: int) -> None:
    def found(value: object) -> tuple[str, ...]:
        return highlights_of_ann(participant("Ann", challenges={field: value}))

    assert len(found(most)) == 1
    for absurd in (most + 1, -1, True, "1", None, [1]):
        assert found(absurd) == ()


def test_absurd_numbers_of_stolen_monsters_count_for_nothing() -> None:
    assert highlights_of_ann(participant("Ann", objectivesStolen=10)) == ("steal",)
    assert highlights_of_ann(participant("Ann", objectivesStolen=11)) == ()


@pytest.mark.parametrize("challenges", [None, {}, [], "none", 7])
def test_challenges_that_are_none_are_no_fault_of_the_game(challenges: object) -> None:
    assert highlights_of_ann(participant("Ann", tripleKills=1, challenges=challenges)) == (
        "triple_kill",
    )


def test_gold_share_is_of_the_own_side() -> None:
    # 15,000 of 15,000 + 4 × 10,000.
    game = game_with(participant("Ann", gold=15_000))
    assert gold_share(game, seat_of(game, "Ann")) == 15 / 55
    nothing = game_with(*[participant(gold=0) for _ in range(5)])
    assert gold_share(nothing, nothing.participants[0]) is None


def test_vision_is_per_minute_of_own_time_and_unknown_where_nobody_has_any() -> None:
    game = game_with(participant("Ann", visionScore=45))
    assert vision_per_min(game, seat_of(game, "Ann")) == 1.5  # in 30 minutes
    aram = game_with(*[participant(visionScore=0) for _ in range(10)], mode="aram")
    assert vision_per_min(aram, aram.participants[0]) is None


def test_the_lane_opponent_played_the_same_position_on_the_other_side() -> None:
    game = game_with()
    opponents = [lane_opponent(game, person) for person in game.participants]
    assert [each and each.participant_id for each in opponents] == [6, 7, 8, 9, 10, 1, 2, 3, 4, 5]


def test_without_a_lane_or_with_two_for_it_there_is_no_opponent() -> None:
    aram = game_with(mode="aram")
    assert lane_opponent(aram, aram.participants[0]) is None
    # Two on TOP there: the second one's own position has nobody.
    game = game_with(participant(team=200), participant(team=200, teamPosition="TOP"))
    assert lane_opponent(game, game.participants[0]) is None
    assert lane_opponent(game, game.participants[1]) is None
    # Two on TOP here.
    game = game_with(participant(), participant(teamPosition="TOP"))
    assert lane_opponent(game, game.participants[0]) is None


def test_a_remake_and_an_aborted_game_have_no_highlights() -> None:
    ann = participant("Ann", tripleKills=1)
    assert highlights_of_ann(ann, remake=True) == ()
    assert highlights_of_ann(ann, winner=NOBODY) == ()


@pytest.mark.parametrize("mode", ["swarm_3", "bots"])
def test_there_are_no_highlights_without_people_to_be_better_than(mode: str) -> None:
    assert highlights_of_ann(participant("Ann", pentaKills=1), mode=mode) == ()


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
def test_shares_add_up(numbers: list[Json], mode: str) -> None:
    game = game_with(*[participant(**each) for each in numbers], mode=mode)
    for name in {person.side for person in game.participants}:
        allies = [person for person in game.participants if person.side == name]
        shares = [damage_share(game, person) for person in allies]
        known = [share for share in shares if share is not None]
        assert known == [] or sum(known) == pytest.approx(1.0)
        for person in allies:
            participation = kill_participation(game, person)
            assert participation is None or 0 <= participation <= 1
