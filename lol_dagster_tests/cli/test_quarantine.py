"""`lol-dagster quarantine …` and `lol-dagster game reprocess`."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lol_dagster.pipeline.match import Missing, Started
from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.records import record
from lol_dagster.pipeline.run_requests import latest_progress
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.archived_games import make_quarantined
from lol_dagster_tests._support.commands import as_json, refused, run, said
from lol_dagster_tests._support.payloads import match_payload
from lol_dagster_tests.pipeline.test_scenario import archived

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GAME, OTHER = "NA1_5000000001", "NA1_5000000002"


def test_the_list_says_what_failed_and_why(database: Database) -> None:
    assert said("quarantine", "list") == "No game is quarantined.\n"
    with database.writing() as session:
        make_quarantined(session)
    text = said("quarantine", "list")
    for shown in (GAME, "player_stats", "BrokenPayload: deaths"):
        assert shown in text
    (row,) = as_json("quarantine", "list", "--which", "all")
    assert (row["match_id"], row["tries"], row["shown_run_id"]) == (GAME, 2, "own")


def test_a_game_is_shown_with_its_traceback_and_nothing_that_a_terminal_obeys(
    database: Database,
) -> None:
    with database.writing() as session:
        make_quarantined(session, traceback="Traceback\n  boom \x1b[31m")
    text = said("quarantine", "show", GAME.lower())
    assert f"0 (now {CODE_VERSIONS['player_stats']})" in text
    assert text.splitlines()[-2:] == ["Traceback", "  boom ·[31m"]
    assert as_json("quarantine", "show", GAME)["traceback"] == "Traceback\n  boom \x1b[31m"


def test_one_game_or_all_are_tried_again(database: Database) -> None:
    with database.writing() as session:
        make_quarantined(session, GAME)
        make_quarantined(session, OTHER)
    assert f"{GAME}: will be tried again" in said("quarantine", "retry", GAME)
    asked = as_json("quarantine", "retry", "--all")
    assert [each["match_id"] for each in asked] == [GAME, OTHER]
    assert {each["state"] for each in asked} == {"waiting"}
    assert as_json("quarantine", "show", GAME)["request"]["state"] == "waiting"
    assert "--all" in refused("quarantine", "retry")
    assert "--all" in refused("quarantine", "retry", GAME, "--all")


def test_an_ignored_game_is_gone_from_the_list_and_shows_who_ignored_it(
    database: Database,
) -> None:
    with database.writing() as session:
        make_quarantined(session)
    said("quarantine", "ignore", GAME, "--reason", "a bot game")
    assert as_json("quarantine", "list") == []
    (decision,) = as_json("quarantine", "show", GAME)["decisions"]
    assert decision["action"] == "ignored"
    assert decision["after"]["reason"] == "a bot game"
    assert "is ignored and cannot be ignored" in refused("quarantine", "ignore", GAME)


@pytest.mark.parametrize("state", ["listed", "not_found"])
def test_a_game_that_riot_does_not_give_is_ignored_and_taken_back(
    database: Database, state: str
) -> None:
    with database.writing() as session:
        session.add(Match(match_id=GAME, state=state, listed_at=NOW, next_try_at=NOW))
    assert as_json("quarantine", "ignore", GAME) == {"match_id": GAME, "state": "ignored"}
    with database.reading() as session:
        assert session.get_one(Match, GAME).next_try_at is None
    said("quarantine", "retry", GAME)
    with database.writing() as session:
        record(session, GAME, Started("run", wanted=True), NOW)
        assert session.get_one(Match, GAME).state == "listed"


def test_a_game_that_riot_does_not_know_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator() as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        assert "Riot has no game NA1_99: check the id" in refused("game", "reprocess", "na1_99")
        with database.reading() as session:
            assert session.get(Match, "NA1_99") is None
        # One that nobody's list has shown, and one while Riot does not answer.
        simulator.add_game(match_payload(OTHER, ended_at=NOW))
        assert "waiting" in said("game", "reprocess", OTHER)
        simulator.set_faults("riot=503")
        assert "waiting" in said("game", "reprocess", "NA1_99")


def test_reprocessing_asks_for_a_run_of_any_game(database: Database) -> None:
    with database.writing() as session:
        session.add(Match(match_id=GAME, listed_at=NOW))
    text = said("game", "reprocess", GAME)
    assert "waiting" in text
    assert "lol-dagster up" in text
    with database.reading() as session:
        assert session.get_one(Match, GAME).state == "listed"
    assert "no match id" in refused("game", "reprocess", "hello")


def test_waiting_ends_with_the_run_and_says_what_came_of_it(database: Database) -> None:
    def work() -> None:
        while True:
            with database.writing() as session:
                if latest_progress(session, GAME) is not None:
                    record(session, GAME, Started("run-12345678", wanted=True), NOW)
                    record(session, GAME, Missing("run-12345678", "404"), NOW)
                    return
            time.sleep(0.05)

    with database.writing() as session:
        session.add(Match(match_id=GAME, listed_at=NOW))
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    result = run("game", "reprocess", GAME, "--wait")
    worker.join()
    # It was not processed.
    assert result.exit_code == 1
    assert result.stdout == f"{GAME}: delayed (run run-1234): 404.\n"


def test_an_export_goes_to_the_screen_or_into_a_file(database: Database, tmp_path: Path) -> None:
    assert "nothing to export" in refused("quarantine", "export", GAME)
    archived(database, b'{"info": "a word"}', game=GAME)
    scenario = json.loads(said("quarantine", "export", GAME))
    assert (scenario["expected"], scenario["payload"]) == (None, {"info": "x xxx1"})
    file = tmp_path / "malformed.json"
    assert str(file) in said("quarantine", "export", GAME, "--to", str(file))
    assert json.loads(file.read_text()) == scenario
    assert "cannot be written" in refused("quarantine", "export", GAME, "--to", "/no/such/folder/x")
