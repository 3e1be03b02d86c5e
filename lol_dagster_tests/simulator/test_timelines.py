"""Made-up timelines lead to what the payloads say in the end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from lol_dagster.simulator.generator import Generator
from lol_dagster.simulator.main import Simulator
from lol_dagster.simulator.timelines import timeline_of
from lol_dagster_tests._support.payloads import match_payload, participant
from lol_dagster_tests.simulator.asking import ask_riot

START = 1_795_000_000.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def payloads() -> list[Json]:
    """A day's past."""
    return [json.loads(game.body) for game, _ in Generator(7, 20.0, START).past()]


def events(timeline: Json, kind: str) -> list[Json]:
    return [
        event
        for frame in timeline["info"]["frames"]
        for event in frame["events"]
        if event["type"] == kind
    ]


def test_gold_and_kills_add_up_to_the_payloads(payloads: list[Json]) -> None:
    for payload in payloads:
        people, timeline = payload["info"]["participants"], timeline_of(payload)
        last = timeline["info"]["frames"][-1]["participantFrames"] or {}
        gold = {each["participantId"]: each["totalGold"] for each in last.values()}
        assert gold == {one["participantId"]: one["goldEarned"] for one in people}
        kills = events(timeline, "CHAMPION_KILL")
        done = Counter(kill["killerId"] for kill in kills if kill["killerId"])
        died = Counter(kill["victimId"] for kill in kills)
        helped = Counter(each for kill in kills for each in kill["assistingParticipantIds"])
        for one in people:
            number = one["participantId"]
            assert done[number] == one["kills"]
            assert died[number] == one["deaths"] or one["playerSubteamId"]
            assert helped[number] <= one["assists"]


def test_first_blood_and_objectives_are_the_payloads(payloads: list[Json]) -> None:
    for payload in payloads:
        info, timeline = payload["info"], timeline_of(payload)
        killers = [kill["killerId"] for kill in events(timeline, "CHAMPION_KILL")]
        first = [one["participantId"] for one in info["participants"] if one["firstBloodKill"]]
        assert killers[:1] == first
        if info["mapId"] != 11:
            continue
        for team in info["teams"]:
            taken = {name: each["kills"] for name, each in team["objectives"].items()}
            monsters = Counter(
                event["monsterType"]
                for event in events(timeline, "ELITE_MONSTER_KILL")
                if event["killerTeamId"] == team["teamId"]
            )
            assert (monsters["DRAGON"], monsters["BARON_NASHOR"]) == (
                taken["dragon"],
                taken["baron"],
            )
            lost_by_others = Counter(
                event["buildingType"]
                for event in events(timeline, "BUILDING_KILL")
                if event["teamId"] != team["teamId"]
            )
            assert lost_by_others["TOWER_BUILDING"] == taken["tower"]
            assert lost_by_others["INHIBITOR_BUILDING"] == taken["inhibitor"]


def test_frames_are_a_minute_apart_and_gold_never_shrinks(payloads: list[Json]) -> None:
    for payload in payloads:
        frames = timeline_of(payload)["info"]["frames"]
        stamps = [frame["timestamp"] for frame in frames]
        assert stamps[:-1] == [60_000 * number for number in range(len(stamps) - 1)]
        assert all(
            frame["timestamp"] >= event["timestamp"]
            for frame in frames
            for event in frame["events"]
        )
        for number in frames[0]["participantFrames"] or {}:
            gold = [frame["participantFrames"][number]["totalGold"] for frame in frames]
            assert gold == sorted(gold)


def test_the_same_game_has_the_same_timeline(payloads: list[Json]) -> None:
    assert timeline_of(payloads[0]) == timeline_of(json.loads(json.dumps(payloads[0])))


def test_a_payload_of_a_test_has_one_too() -> None:
    """Its kills and deaths need not agree: the others died of nobody's hand."""
    timeline = timeline_of(match_payload(participants=[participant("Ann", kills=0, deaths=9)]))
    died = Counter(kill["victimId"] for kill in events(timeline, "CHAMPION_KILL"))
    assert died[1] == 9


def test_a_timeline_is_given_on_the_games_own_route_once_the_game_is_over() -> None:
    with Simulator() as world:
        world.add_game(match_payload("NA1_5000000001", participants=[participant("Ann")]))
        path = "/lol/match/v5/matches/NA1_5000000001/timeline"
        assert ask_riot(world, "americas", path).status == 200
        assert ask_riot(world, "europe", path).status == 404
        world.set_faults("riot.timeline=malformed")
        frames = ask_riot(world, "americas", path).json["info"]["frames"]
        assert "totalGold" not in frames[0]["participantFrames"]["1"]
