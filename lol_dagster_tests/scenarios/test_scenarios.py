"""Every scenario file: what happens to its game is what the file says, written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lol_dagster.storage.database import Database
from lol_dagster_tests.scenarios.playing import FOLDER, differences, play

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_game_ends_as_its_file_expects(database: Database, file: Path) -> None:
    scenario = json.loads(file.read_text())
    assert scenario["why"], "say in `why` what is unusual about the game"
    assert scenario["expected"], "write into `expected` what should happen to it"
    assert differences(scenario["expected"], play(database, scenario)) == []


def test_a_wrong_expectation_is_seen(database: Database) -> None:
    scenario = json.loads(FILES[0].read_text())
    found = play(database, scenario)
    assert differences({"outcome": "neither"}, found)
    assert differences({"error": "nothing of the kind"}, {"error": "info.queueId: missing"})
    assert not differences({"error": "info.queueId"}, {"error": "info.queueId: missing"})
