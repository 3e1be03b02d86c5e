"""Games from a folder: what is read, what is left out, and how they are moved in time."""

from __future__ import annotations

import csv
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from lol_dagster.simulator.games import real_end
from lol_dagster.simulator.main import Simulator
from lol_dagster.simulator.payload_files import SPAN_SECONDS, load_games, restamp
from lol_dagster_tests.simulator.asking import ask_riot
from lol_dagster_tests.simulator.small_games import small_game

NOW = 1_795_000_000.0
LONG_AGO = 1_600_000_000.0


def write(folder: Path, name: str, *payloads: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, payloads)).encode()
    path.write_bytes(lzma.compress(text) if name.endswith(".xz") else text)
    return path


def test_files_of_all_three_kinds_are_read_in_all_folders(tmp_path: Path) -> None:
    games = [small_game(f"NA1_{number}", ended_at=LONG_AGO + number) for number in range(5)]
    write(tmp_path, "a.json", games[0])
    write(tmp_path, "deep/down/b.jsonl", games[1], games[2])
    write(tmp_path, "c.jsonl.xz", games[3], games[4])
    write(tmp_path, "INDEX.csv", "no payload")
    found = [game.match_id for game, _ in load_games(tmp_path, NOW)]
    assert found == ["NA1_0", "NA1_1", "NA1_2", "NA1_3", "NA1_4"]


def test_timelines_and_bare_infos_are_left_out_with_a_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    match = small_game("NA1_1", ended_at=LONG_AGO)
    write(tmp_path, "match.json", match)
    write(tmp_path, "info.json", match["info"])
    write(tmp_path, "t.timeline.json", {"metadata": match["metadata"], "info": {"frames": []}})
    with caplog.at_level("INFO"):
        assert len(load_games(tmp_path, NOW)) == 1
    assert "left out 2" in caplog.text


def test_a_folder_without_games_and_a_file_that_is_no_json_are_named(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match="holds no match-v5 payload"):
        load_games(tmp_path / "nowhere", NOW)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json should hold JSON"):
        load_games(tmp_path, NOW)


def test_games_keep_their_order_and_short_distances_and_end_now() -> None:
    year = 365 * 86400
    ends = [LONG_AGO, LONG_AGO + 600, LONG_AGO + 3 * year]
    moved = restamp([small_game(f"NA1_{int(end)}", ended_at=end) for end in ends], NOW)
    # Ten minutes stay ten minutes; three years become the longest that fits: with
    # three games, half of the six hours.
    assert SPAN_SECONDS == 6 * 3600
    assert [real_end(one["info"]) for one in moved] == [NOW - 3 * 3600 - 600, NOW - 3 * 3600, NOW]


def test_each_game_is_moved_as_a_whole() -> None:
    before = small_game("NA1_1", ended_at=LONG_AGO)["info"]
    after = restamp([small_game("NA1_1", ended_at=LONG_AGO)], NOW)[0]["info"]
    shift = (NOW - LONG_AGO) * 1000
    for name in ("gameCreation", "gameStartTimestamp", "gameEndTimestamp"):
        assert after[name] - before[name] == shift
    unmoved = set(before) - {"gameCreation", "gameStartTimestamp", "gameEndTimestamp"}
    assert {name: after[name] for name in unmoved} == {name: before[name] for name in unmoved}


def test_a_duration_in_milliseconds_ends_where_it_should() -> None:
    old = small_game("NA1_1", ended_at=LONG_AGO, seconds=1800)
    del old["info"]["gameEndTimestamp"]
    old["info"]["gameDuration"] = 1_800_000
    assert real_end(old["info"]) == LONG_AGO
    moved = restamp([old], NOW)[0]["info"]
    assert "gameEndTimestamp" not in moved
    assert moved["gameStartTimestamp"] == (NOW - 1800) * 1000


def test_an_empty_game_keeps_its_zeros() -> None:
    void = small_game("NA1_1", ended_at=LONG_AGO)
    void["info"] |= {
        "gameCreation": 0, "gameStartTimestamp": 0, "gameDuration": 0, "participants": [],
    }  # fmt: skip
    moved = restamp([void], NOW)[0]["info"]
    assert (moved["gameCreation"], moved["gameStartTimestamp"]) == (0, 0)
    assert moved["gameEndTimestamp"] == NOW * 1000


def test_with_times_kept_the_bytes_are_served_as_they_are(tmp_path: Path, world: Simulator) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(small_game("NA1_1", ended_at=LONG_AGO), indent=3))
    world.load(tmp_path, keep_times=True)
    served = ask_riot(world, "americas", "/lol/match/v5/matches/NA1_1")
    assert served.body == path.read_bytes()


def test_all_real_payloads_are_served_to_everybody_who_played(
    shared_dir: Path, world: Simulator
) -> None:
    folder = shared_dir / "riot" / "matches"
    with (folder / "INDEX.csv").open() as index:
        kinds = [row["kind"] for row in csv.DictReader(index)]
    assert world.load(folder) == len(kinds) - kinds.count("info_only") > 0
    ends = sorted(game.ended_at for game in world.games.by_id.values())
    assert ends[-1] == pytest.approx(world.clock(), abs=0.002)  # stamps are whole milliseconds
    assert world.clock() - ends[0] <= SPAN_SECONDS + 1
    for game in world.games.by_id.values():
        for puuid in game.puuids:
            assert puuid in world.games.accounts
            assert game in world.games.played_by(puuid, world.clock() + 1)
