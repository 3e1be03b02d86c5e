"""Made-up games hold together: what one figure says, the others say too."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from lol_dagster.simulator.fights import Side, fight_out
from lol_dagster.simulator.games import Game
from lol_dagster.simulator.generator import Generator
from lol_dagster.simulator.people import FRIENDS
from lol_dagster.simulator.rng import seeded_rng

START = 1_795_000_000.0
PACE = 20.0


@pytest.fixture(scope="module")
def games() -> list[Game]:
    """A day's past and 560 games after it."""
    generator = Generator(seed=7, pace=PACE, start=START)
    past, live = list(generator.past()), list(generator.live(START + 560 * PACE))
    return [game for game, _ in past + live]


@pytest.fixture(scope="module")
def payloads(games: list[Game]) -> list[dict[str, Any]]:
    return [json.loads(game.body) for game in games]


@pytest.fixture(scope="module")
def played(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The `info` of all games that are not empty."""
    return [one["info"] for one in payloads if one["info"]["participants"]]


@pytest.fixture(scope="module")
def team_games(played: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of two teams."""
    return [info for info in played if {team["teamId"] for team in info["teams"]} == {100, 200}]


def total(participants: list[dict[str, Any]], name: str) -> int:
    return sum(one[name] for one in participants)


def on_side(info: dict[str, Any], team_id: int) -> list[dict[str, Any]]:
    return [one for one in info["participants"] if one["teamId"] == team_id]


def test_all_ways_to_play_and_all_odd_ends_turn_up(
    games: list[Game], played: list[dict[str, Any]], payloads: list[dict[str, Any]]
) -> None:
    modes = Counter((info["gameMode"], len(info["participants"])) for info in played)
    assert {("CHERRY", 18), ("CHERRY", 16), ("ARAM", 10), ("URF", 10), ("SWIFTPLAY", 10)} <= set(
        modes
    )
    assert {1, 2, 3, 4} == {size for mode, size in modes if mode == "STRAWBERRY"}
    queues = {info["queueId"] for info in played}
    assert {400, 420, 440, 890, 3130, 4990} <= queues
    ends = Counter(
        (one["gameEndedInEarlySurrender"], one["gameEndedInSurrender"])
        for info in played
        for one in info["participants"][:1]
    )
    assert ends[True, False]
    assert ends[False, True]
    assert any(not one["info"]["participants"] for one in payloads)
    assert any(game.available_at is None for game in games)


def test_a_sides_kills_are_the_other_sides_deaths(team_games: list[dict[str, Any]]) -> None:
    for info in team_games:
        for team_id in (100, 200):
            kills = total(on_side(info, team_id), "kills")
            assert kills == total(on_side(info, 300 - team_id), "deaths")
            team = next(one for one in info["teams"] if one["teamId"] == team_id)
            assert team["objectives"]["champion"]["kills"] == kills


def test_in_arena_all_kills_are_somebodys_deaths_but_never_of_ones_own_subteam(
    played: list[dict[str, Any]],
) -> None:
    for info in played:
        if info["gameMode"] == "CHERRY":
            people = info["participants"]
            assert total(people, "kills") == total(people, "deaths") > 0
            for subteam in {one["playerSubteamId"] for one in people}:
                own = [one for one in people if one["playerSubteamId"] == subteam]
                others = [one for one in people if one["playerSubteamId"] != subteam]
                assert total(own, "kills") <= total(others, "deaths")


def test_nobody_assists_more_kills_than_the_mates_have(played: list[dict[str, Any]]) -> None:
    for info in played:
        side = "playerSubteamId" if info["gameMode"] == "CHERRY" else "teamId"
        for one in info["participants"]:
            mates = [other for other in info["participants"] if other[side] == one[side]]
            assert one["assists"] <= total(mates, "kills") - one["kills"]


def test_multikills_nest_and_first_blood_is_one_persons(played: list[dict[str, Any]]) -> None:
    for info in played:
        people = info["participants"]
        firsts = [one for one in people if one["firstBloodKill"]]
        assert len(firsts) == (1 if total(people, "kills") else 0)
        for one in people:
            chain = [one[f"{name}Kills"] for name in ("double", "triple", "quadra", "penta")]
            assert chain == sorted(chain, reverse=True)
            largest = 1 + sum(number > 0 for number in chain) if one["kills"] else 0
            assert one["largestMultiKill"] == largest
            assert one["largestKillingSpree"] <= one["kills"]


def test_one_side_wins_in_arena_the_better_half_in_swarm_all_or_none(
    played: list[dict[str, Any]],
) -> None:
    for info in played:
        people = info["participants"]
        if info["gameMode"] == "CHERRY":
            subteams = {one["playerSubteamId"] for one in people}
            assert {one["placement"] for one in people} == set(range(1, len(subteams) + 1))
            for one in people:
                assert one["placement"] == one["subteamPlacement"]
                assert one["win"] == (one["placement"] <= len(subteams) / 2)
            assert [team["teamId"] for team in info["teams"]] == [100, 0]
        elif info["gameMode"] == "STRAWBERRY":
            assert len({one["win"] for one in people}) == 1
        else:
            assert len({one["win"] for one in on_side(info, 100)}) == 1
            assert sorted(team["win"] for team in info["teams"]) == [False, True]
            for team in info["teams"]:
                assert all(one["win"] == team["win"] for one in on_side(info, team["teamId"]))


def test_a_remake_is_flagged_on_all_and_given_up_by_the_losing_side(
    played: list[dict[str, Any]],
) -> None:
    remakes = [info for info in played if info["participants"][0]["gameEndedInEarlySurrender"]]
    assert remakes
    for info in remakes:
        assert all(one["gameEndedInEarlySurrender"] for one in info["participants"])
        assert all(one["teamEarlySurrendered"] != one["win"] for one in info["participants"])
        assert 100 <= info["gameDuration"] <= 220  # B2 of the corpus


def test_times_agree(games: list[Game], payloads: list[dict[str, Any]]) -> None:
    for game, payload in zip(games, payloads, strict=True):
        info = payload["info"]
        assert info["gameEndTimestamp"] == int(game.ended_at * 1000)
        if info["participants"]:
            assert info["gameDuration"] == max(one["timePlayed"] for one in info["participants"])
            assert (
                info["gameStartTimestamp"] + info["gameDuration"] * 1000 == info["gameEndTimestamp"]
            )


def test_parts_add_up(played: list[dict[str, Any]]) -> None:
    for info in played:
        for one in info["participants"]:
            kinds = ("magic", "physical", "true")
            for what in ("DamageDealtToChampions", "DamageDealt", "DamageTaken"):
                assert sum(one[kind + what] for kind in kinds) == one["total" + what]
            assert one["goldSpent"] <= one["goldEarned"]
        if info["gameMode"] in {"CHERRY", "STRAWBERRY"}:
            continue
        for team in info["teams"]:
            for name, own in (("tower", "turretKills"), ("dragon", "dragonKills"),
                              ("baron", "baronKills"), ("inhibitor", "inhibitorKills")):  # fmt: skip
                taken = team["objectives"][name]["kills"]
                assert taken == total(on_side(info, team["teamId"]), own)
            towers = team["objectives"]["tower"]["kills"]
            assert {o["turretsLost"] for o in on_side(info, 300 - team["teamId"])} == {towers}


def test_everybody_is_there_once_and_only_people_stand_in_the_metadata(
    payloads: list[dict[str, Any]],
) -> None:
    bots = 0
    for payload in payloads:
        people = payload["metadata"]["participants"]
        assert len(set(people)) == len(people)
        assert all(len(puuid) == 78 for puuid in people)
        if payload["info"]["participants"]:
            puuids = [one["puuid"] for one in payload["info"]["participants"]]
            assert [puuid for puuid in puuids if puuid != "BOT"] == people
            bots += puuids.count("BOT")
    assert bots


def test_figures_are_such_as_real_games_have(team_games: list[dict[str, Any]]) -> None:
    for info in team_games:
        minutes = info["gameDuration"] / 60
        for one in info["participants"]:
            per_minute = (one["totalMinionsKilled"] + one["neutralMinionsKilled"]) / minutes
            assert 0 <= per_minute <= 11
            assert 1 <= one["champLevel"] <= 18
            assert 100 <= one["goldEarned"] / minutes <= 1500 or minutes < 5


def test_friends_play_together_and_sometimes_against_each_other(
    team_games: list[dict[str, Any]],
) -> None:
    friends = {friend.puuid for friend in FRIENDS}
    together = against = 0
    for info in team_games:
        sides = [
            sum(one["puuid"] in friends for one in on_side(info, team_id)) for team_id in (100, 200)
        ]
        assert sum(sides), "each game is of somebody whom we know"
        together += max(sides) > 1
        against += min(sides) > 0
    assert together > 50
    assert against > 5


def test_ids_are_unique_and_in_the_order_of_time(games: list[Game]) -> None:
    numbers = [int(game.match_id.partition("_")[2]) for game in games]
    assert numbers == sorted(set(numbers))


def test_a_world_that_starts_again_has_the_same_past_and_the_same_games(games: list[Game]) -> None:
    again = [game for game, _ in Generator(seed=7, pace=PACE, start=START).past()]
    assert again == games[: len(again)]
    later = Generator(seed=7, pace=PACE, start=START + 100 * PACE)
    list(later.past())
    live = [game for game, _ in later.live(START + 200 * PACE)]
    first = {game.match_id: game for game in games}
    assert len(live) == 100
    assert all(first[game.match_id] == game for game in live)


def test_another_seed_is_another_world(games: list[Game]) -> None:
    other = [game for game, _ in Generator(seed=8, pace=PACE, start=START).past()]
    assert [game.body for game in other] != [game.body for game in games[: len(other)]]


def test_live_games_come_once_each_and_one_per_pace() -> None:
    generator = Generator(seed=1, pace=PACE, start=START)
    found = [len(list(generator.live(START + seconds))) for seconds in (0, 19, 20, 21, 60, 60, 30)]
    assert found == [0, 0, 1, 0, 2, 0, 0]


def test_nobody_dies_twice_in_one_fight() -> None:
    # One against one: a fight is over after a kill, so nobody can have a multikill.
    duel = [Side((0,), (1.0,), 1.0), Side((1,), (1.0,), 1.0)]
    one, other = fight_out(seeded_rng("duel"), duel, seats=2, kills=200)
    assert one.kills == other.deaths > 50
    assert one.largest_multikill == other.largest_multikill == 1
