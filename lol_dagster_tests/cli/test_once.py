"""`lol-dagster once` as a program: its last line, its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.schema import open_database
from lol_dagster_tests.end_to_end.world import NOTHING
from lol_dagster_tests.payloads import participant, puuid_of
from lol_dagster_tests.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests.simulated import simulator

__all__ = ["simulator"]

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")


def once(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOL_DAGSTER, "once", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture
def playing(simulator: Simulator) -> Simulator:
    """A world in which Ann of the only team has just finished a weird game and one that is not."""
    from datetime import UTC, datetime, timedelta

    from lol_dagster_tests.payloads import match_payload

    database = open_database(load_settings())
    with database.writing() as session:
        team = make_team(session)
        make_member(session, team, "Ann", puuid=puuid_of("Ann"))
        make_channel(session, team)
    database.dispose()
    ended_at = datetime.now(UTC) - timedelta(minutes=1)
    for match_id, deaths in (("NA1_5000000001", 3), ("NA1_5000000002", "many")):
        people = [participant("Ann", deaths=deaths)]
        simulator.add_game(match_payload(match_id, participants=people, ended_at=ended_at))
    return simulator


def test_the_last_line_is_one_json_object_and_set_aside_games_are_no_failure(
    playing: Simulator,
) -> None:
    done = once("--until-idle", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert list(counts) == list(NOTHING)
    # Two were listed, one was weird, the other told in the one channel.
    assert counts == NOTHING | {
        "discovered": 2,
        "processed": 1,
        "set_aside": 1,
        "messages": 1,
        "delivered": 1,
    }


def test_a_refused_key_is_one_line_and_status_2(playing: Simulator) -> None:
    playing.set_faults("riot=403")
    done = once("--json")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "LOL_RIOT_API_KEY" in line
    assert json.loads(done.stdout.splitlines()[-1]) == NOTHING


def test_when_riot_is_down_it_has_not_done_its_work(playing: Simulator) -> None:
    playing.set_faults("riot=503")
    done = once()
    assert done.returncode == 1
    assert "Riot could not be asked" in done.stderr


def test_an_only_account_that_is_mistyped_is_named_and_riot_is_not_blamed(
    simulator: Simulator,
) -> None:
    database = open_database(load_settings())
    with database.writing() as session:
        make_member(session, make_team(session), game_name="Nobody", tag_line="NA1", puuid=None)
    database.dispose()
    done = once()
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == (
        "lol-dagster: no account's match list came; of Nobody#NA1, for one: "
        "Riot knows no account Nobody#NA1: correct its Riot ID"
    )
