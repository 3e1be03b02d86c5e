"""`lol-dagster once` as a program: its last line, its exit status."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from lol_dagster.cli import cli, services
from lol_dagster.delivery.worker import Deliverer, DeliveryReport
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage import database as database_module
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.commands import run
from lol_dagster_tests._support.payloads import participant, puuid_of
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.simulated_world import simulator
from lol_dagster_tests._support.world import NOTHING

__all__ = ["simulator"]

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")


def once(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOL_DAGSTER, "once", *arguments], capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class Ended:
    """How the program ended."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def once_here(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The same in this process; not by click's runner, as Dagster wants files to print to."""

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ending:
            cli(["once", *arguments], prog_name="lol-dagster")
        assert isinstance(ending.value.code, int)
        return Ended(ending.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def playing(simulator: Simulator) -> Simulator:
    """A world in which Ann of the only team has just finished a malformed game and a sound one."""
    from datetime import UTC, datetime, timedelta

    from lol_dagster_tests._support.payloads import match_payload

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


def test_the_last_line_is_one_json_object_and_quarantined_games_are_no_failure(
    playing: Simulator,
) -> None:
    done = once("--until-idle", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert list(counts) == list(NOTHING)
    # Two were listed, one was malformed, the other was announced in the one channel.
    assert counts == NOTHING | {
        "discovered": 2,
        "processed": 1,
        "set_aside": 1,
        "messages": 1,
        "delivered": 1,
    }


def test_a_refused_key_is_one_line_and_status_2(
    playing: Simulator, once_here: Callable[..., Ended]
) -> None:
    playing.set_faults("riot=403")
    done = once_here("--json")
    assert done.status == 2
    (line,) = done.stderr.splitlines()
    assert "LOL_RIOT_API_KEY" in line
    assert json.loads(done.stdout) == NOTHING | {"failed": line.removeprefix("lol-dagster: ")}


def test_a_database_that_fails_in_mid_cycle_still_ends_with_what_was_done_and_what_failed(
    playing: Simulator, monkeypatch: pytest.MonkeyPatch, once_here: Callable[..., Ended]
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 50)
    file = load_settings().home / "lol.sqlite3"
    deliver = Deliverer.deliver_due

    def deliver_beside_a_writer(*arguments: Any, **chosen: Any) -> DeliveryReport:
        with closing(sqlite3.connect(file, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            return deliver(*arguments, **chosen)

    monkeypatch.setattr(Deliverer, "deliver_due", deliver_beside_a_writer)
    result = once_here("--json")
    assert result.status == 1
    assert json.loads(result.stdout) == NOTHING | {
        "discovered": 2,
        "processed": 1,
        "set_aside": 1,
        "messages": 1,
        "failed": f"the database sqlite:///{file} cannot be used just now: database is locked",
    }
    assert playing.truth.posted == []


@pytest.mark.parametrize(
    ("error", "status", "failed"),
    [
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
        (KeyboardInterrupt(), 130, "KeyboardInterrupt"),
        (DagsterExecutionInterruptedError(), 130, "KeyboardInterrupt"),
    ],
)
def test_a_bug_and_ctrl_c_end_with_the_line_too(
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    failed: str,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-any")
    monkeypatch.setattr(services, "app_and_cycles", fail)
    result = run("once", "--json")
    assert result.exit_code == status
    assert json.loads(result.stdout) == NOTHING | {"failed": failed}


def test_without_a_key_the_line_says_so_and_nothing_else_is_said_twice(
    once_here: Callable[..., Ended],
) -> None:
    result = once_here("--json")
    assert result.status == 2
    failed = result.stderr.removeprefix("lol-dagster: ").rstrip()
    assert json.loads(result.stdout) == NOTHING | {"failed": failed}
    assert "LOL_RIOT_API_KEY" in failed
    assert once_here().stdout == ""


def test_when_riot_is_down_it_has_not_done_its_work(
    playing: Simulator, once_here: Callable[..., Ended]
) -> None:
    playing.set_faults("riot=503")
    done = once_here()
    assert done.status == 1
    assert "Riot could not be asked" in done.stderr


def test_an_only_account_that_is_mistyped_is_named_and_riot_is_not_blamed(
    simulator: Simulator, once_here: Callable[..., Ended]
) -> None:
    database = open_database(load_settings())
    with database.writing() as session:
        make_member(session, make_team(session), game_name="Nobody", tag_line="NA1", puuid=None)
    database.dispose()
    done = once_here()
    assert done.status == 1
    last = done.stderr.splitlines()[-1]
    assert last == (
        "lol-dagster: no account's match list came; of Nobody#NA1, for one: "
        "Riot knows no account Nobody#NA1: correct its Riot ID"
    )
