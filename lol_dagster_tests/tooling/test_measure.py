"""tools/measure.py, on a few games of our own."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from lol_dagster_tests._support.payloads import encode, match_payload, participant
from lol_dagster_tests._support.timelines import timeline
from lol_dagster_tests.tooling.scripts import load_tool

measure = load_tool("measure")


def test_rates_are_of_participants_and_a_larger_multikill_is_a_smaller_one(tmp_path: Path) -> None:
    write(tmp_path, count=20)
    games = list(measure.read(tmp_path))
    # 20 games of ten, in 1 of which somebody has a pentakill, in 1 a triple kill; the remake, the
    # game against bots and the custom game are none of them.
    assert len(games) == 20
    rift = measure.rarity(games, {})["rift"]
    assert rift["penta_kill"] == 1 / 200
    assert rift["quadra_kill"] == 1 / 200
    assert rift["triple_kill"] == 2 / 200
    assert rift["steal"] == 0.5 / 200, "nobody had one"


def test_comebacks_are_counted_where_there_is_a_timeline(tmp_path: Path) -> None:
    write(tmp_path, count=20)
    games = list(measure.read(tmp_path))
    (tmp_path / "timelines").mkdir()
    for match_id, leads in {"NA1_1": [0, -8001, 0], "NA1_2": [0, 0, 0], "NA1_777": [0]}.items():
        body = encode(timeline(match_id, leads))
        (tmp_path / "timelines" / f"{match_id}.json.xz").write_bytes(lzma.compress(body))
    courses = dict(measure.read_courses(tmp_path, games))
    assert courses.keys() == {"NA1_1", "NA1_2"}, "of the others there is no payload"
    # The five winners of one of two games of ten.
    assert measure.rarity(games, courses)["rift"]["comeback"] == 5 / 20
    del courses["NA1_1"]
    # Nobody in one game: half a side of ten people.
    assert measure.rarity(games, courses)["rift"]["comeback"] == 2.5 / 10
    assert "comeback" not in measure.rarity(games, {})["rift"]


def test_a_family_of_few_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, count=19)
    assert measure.rarity(list(measure.read(tmp_path)), {}) == {}


def test_parts_are_described_by_mean_and_deviation_in_each_role(tmp_path: Path) -> None:
    write(tmp_path, count=2)
    top = measure.fitted(list(measure.read(tmp_path)))["TOP"]
    # Two games of 30 minutes with two on TOP: 4, 4, 10 and 4 deaths; mean 5.5, deviation √6.75.
    assert top["participants"] == 4
    assert top["deaths"] == pytest.approx([-5.5 / 30, 6.75**0.5 / 30], abs=1e-5)


def write(folder: Path, *, count: int) -> None:
    (folder / "matches" / "420").mkdir(parents=True)
    (folder / "bulk").mkdir()
    first = [
        participant(pentaKills=1, quadraKills=1, tripleKills=1, deaths=10),
        participant(tripleKills=1),
    ]
    odd = [
        match_payload("NA1_101", remake=True),
        match_payload("NA1_102", mode="bots"),
        match_payload("NA1_103", mode="custom"),
    ]
    payloads = [match_payload("NA1_100", participants=first), *odd]
    for number, payload in enumerate(payloads):
        (folder / "matches" / "420" / f"{number}.json").write_bytes(encode(payload))
    lines = [encode(varied(f"NA1_{number}")) + b"\n" for number in range(1, count)]
    (folder / "bulk" / "games.jsonl.xz").write_bytes(lzma.compress(b"".join(lines)))


def varied(match_id: str):
    """A game in which no part is the same for everybody."""
    people = [
        participant(
            visionScore=20 + n,
            cs=150 + n,
            kills=n,
            gold=9_000 + 100 * n * n,
            damage=9_000 + 100 * n * n,
            deaths=4 if n in {0, 5} else n,
        )
        for n in range(10)
    ]
    return match_payload(match_id, participants=people)
