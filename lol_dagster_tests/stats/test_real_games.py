"""Every real payload at hand is read and agrees with a second, plainer reading of its JSON.

Nothing here asserts how many there are or what they hold: whoever adds payloads to the folder
tests more with the same code.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from lol_dagster.stats.metrics import damage_share, kda, kill_participation, vision_per_min
from lol_dagster.stats.reading import GameReading, ParticipantReading, read_game
from lol_dagster.stats.score import has_score, mvps, score

Json = dict[str, Any]
FETCHED_AT = datetime(2026, 11, 1, tzinfo=UTC)
BOTS = ("BOT", "00000000-0000-0000-0000-000000000000")


def match_id_of(payload: Json, fallback: str) -> str:
    return str(payload.get("metadata", {}).get("matchId", fallback))


def check(match_id: str, body: bytes) -> None:
    payload = json.loads(body)
    info: Json = payload.get("info", payload)
    game = read_game(match_id, body, fetched_at=FETCHED_AT)
    assert game.match_id == match_id
    assert match_id.startswith(game.platform.upper() + "_")
    if not info["participants"]:
        assert (game.result, game.participants) == ("empty", ())
        return
    check_times(game, info)
    check_people(game, info)
    check_outcomes(game, info)
    check_sides(game, info)
    check_metrics(game, info)


def check_times(game: GameReading, info: Json) -> None:
    start_ms = game.started_at.timestamp() * 1000
    assert start_ms == pytest.approx(info["gameStartTimestamp"], abs=1)
    # timePlayed is in seconds in every patch; esports games are longer by their pauses.
    longest = max(raw["timePlayed"] for raw in info["participants"])
    assert longest - 1 <= (game.ended_at - game.started_at).total_seconds() < longest * 1.5 + 10
    assert game.duration_s == int((game.ended_at - game.started_at).total_seconds())


def check_people(game: GameReading, info: Json) -> None:
    assert len(game.participants) == len(info["participants"])
    for person, raw in zip(game.participants, info["participants"], strict=True):
        assert person.participant_id == raw["participantId"]
        assert person.display_name.strip()
        assert person.is_bot == (raw.get("puuid") in BOTS)
        assert person.puuid == (None if raw.get("puuid") in BOTS else raw.get("puuid"))
        name = raw.get("riotIdGameName") or raw.get("riotIdName") or raw["summonerName"]
        assert person.display_name.split("#")[0] == name.strip()
        assert (person.kills, person.deaths, person.assists) == (
            raw["kills"],
            raw["deaths"],
            raw["assists"],
        )
        assert person.cs == raw["totalMinionsKilled"] + raw["neutralMinionsKilled"]
        assert person.champion
        assert "_" not in person.champion
        assert person.position in {None, "TOP", "JUNGLE", "MIDDLE", "BOTTOM", "UTILITY"}


def plain_outcome(info: Json, raw: Json) -> str:
    """How it ended for one participant, as a person would say it from the raw fields."""
    people = info["participants"]
    if all(each["gameEndedInEarlySurrender"] for each in people):
        return "remake"
    if info["gameMode"] == "CHERRY":
        return f"place {raw.get('placement') or raw.get('subteamPlacement') or '?'}"
    if info["gameMode"] == "STRAWBERRY":
        return "win" if raw["win"] else "loss"
    if {each["win"] for each in people} == {True, False}:
        return "win" if raw["win"] else "loss"
    return "aborted"


def check_outcomes(game: GameReading, info: Json) -> None:
    for person, raw in zip(game.participants, info["participants"], strict=True):
        said = person.outcome
        if said == "placement":
            assert f"place {person.placement or '?'}" == plain_outcome(info, raw)
        else:
            assert said == plain_outcome(info, raw)
            assert person.placement is None


def check_sides(game: GameReading, info: Json) -> None:
    sides: dict[str, list[ParticipantReading]] = {}
    for person in game.participants:
        sides.setdefault(person.side, []).append(person)
    for people in sides.values():
        assert len({(person.outcome, person.placement) for person in people}) == 1
    if game.mode_family in {"rift", "aram"}:
        assert sorted(map(len, sides.values())) == [5, 5]
    if game.mode_family == "arena" and len(sides) > 1 and game.result == "played":
        # Placements are 1, 2, 3, … without a gap, and Riot's `win` is the upper half.
        places = sorted(people[0].placement or 0 for people in sides.values())
        assert places == list(range(1, len(sides) + 1))
        for person, raw in zip(game.participants, info["participants"], strict=True):
            assert raw["win"] == ((person.placement or 99) <= len(sides) // 2)


def check_metrics(game: GameReading, info: Json) -> None:
    """Against Riot's own challenges, which Arena computes over teams that it does not have."""
    patch = tuple(int(part) for part in game.game_version.split(".")[:2])
    for person, raw in zip(game.participants, info["participants"], strict=True):
        participation = kill_participation(game, person)
        assert participation is None or 0.0 <= participation <= 1.0
        own = raw.get("challenges", {})
        if "kda" in own:
            ratio = kda(person.kills, person.deaths, person.assists)
            assert ratio == pytest.approx(own["kda"], abs=0.001)
        if game.mode_family == "arena":
            continue
        if "teamDamagePercentage" in own:
            share = damage_share(game, person) or 0.0
            assert share == pytest.approx(own["teamDamagePercentage"], abs=0.005)
        # Until patch 12.14 Riot's was another figure, beyond 1 at times.
        vision = vision_per_min(game, person)
        if "visionScorePerMinute" in own and vision:
            # Riot's is of the score before it is rounded.
            rounding = 60 / person.time_played_s
            assert vision == pytest.approx(own["visionScorePerMinute"], abs=rounding, rel=0.02)
        if "killParticipation" in own and patch >= (12, 16):
            assert participation == pytest.approx(own["killParticipation"], abs=0.001)


def check_mvps(game: GameReading, info: Json) -> None:
    """Against a slow reading of docs/stats.md that knows nothing but the raw fields."""
    measured = files("lol_dagster.stats").joinpath("measured.json").read_text()
    fitted = json.loads(measured)["score"]
    best = {}
    for side in (100, 200):
        own = [raw for raw in info["participants"] if raw["teamId"] == side]
        scores = {}
        for raw in own:
            minutes, role = raw["timePlayed"] / 60, raw["teamPosition"]
            kills, damage, gold = (
                sum(each[name] for each in own)
                for name in ("kills", "totalDamageDealtToChampions", "goldEarned")
            )
            parts = {
                "kp": min(1, (raw["kills"] + raw["assists"]) / kills) if kills else 0,
                "deaths": -raw["deaths"] / minutes,
                "damage": raw["totalDamageDealtToChampions"] / damage,
                "gold": raw["goldEarned"] / gold,
                "cs": (raw["totalMinionsKilled"] + raw["neutralMinionsKilled"]) / minutes,
                "vision": raw["visionScore"] / minutes,
            }
            total = 0.0
            for name, weight in SCORE_WEIGHTS[role].items():
                away = (parts[name] - fitted[role][name][0]) / fitted[role][name][1]
                total += weight / 100 * sorted([-3, away, 3])[1]
            spread = NormalDist(*fitted[role]["sum"])
            scores[raw["participantId"]] = 100 * spread.cdf(total)
            person = next(
                each for each in game.participants if each.participant_id == raw["participantId"]
            )
            assert score(game, person) == pytest.approx(scores[raw["participantId"]])
        best[side] = max(scores, key=scores.__getitem__)
    assert mvps(game) == set(best.values())


SCORE_WEIGHTS = {
    "TOP": {"kp": 20, "deaths": 25, "damage": 25, "gold": 15, "cs": 10, "vision": 5},
    "JUNGLE": {"kp": 30, "deaths": 25, "damage": 15, "gold": 15, "cs": 5, "vision": 10},
    "MIDDLE": {"kp": 20, "deaths": 25, "damage": 30, "gold": 15, "cs": 5, "vision": 5},
    "BOTTOM": {"kp": 20, "deaths": 25, "damage": 30, "gold": 15, "cs": 5, "vision": 5},
    "UTILITY": {"kp": 30, "deaths": 25, "damage": 10, "gold": 5, "cs": 0, "vision": 30},
}
"""In percent, as docs/stats.md has them."""


def test_every_collected_match_is_read_as_a_person_would(shared_dir: Path) -> None:
    files = sorted(
        path
        for path in (shared_dir / "riot/matches").glob("*/*.json")
        if not path.name.endswith(".timeline.json")
    )
    assert files
    for path in files:
        body = path.read_bytes()
        match_id = match_id_of(json.loads(body), path.stem)
        check(match_id, body)
        game = read_game(match_id, body, fetched_at=FETCHED_AT)
        if has_score(game):
            payload = json.loads(body)
            check_mvps(game, payload.get("info", payload))


def bulk_games(shared_dir: Path) -> Iterator[bytes]:
    for path in sorted((shared_dir / "riot/bulk").glob("*.jsonl.xz")):
        with lzma.open(path, "rb") as lines:
            yield from lines


def test_every_game_of_the_bulk_files_is_read_as_a_person_would(shared_dir: Path) -> None:
    seen = False
    for body in bulk_games(shared_dir):
        check(match_id_of(json.loads(body), ""), body)
        seen = True
    assert seen
