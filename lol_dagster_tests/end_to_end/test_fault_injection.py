"""`lol-dagster up` goes on by itself, whatever is killed or frozen: real processes, real signals.

After each injected fault a game is announced, once, without anybody doing anything.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from lol_dagster.settings import Settings
from lol_dagster_tests._support.process_harness import RunningApp, running_app
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

_HANGING_RIOT = "riot.match=no-answer-before-accept"


@pytest.mark.timeout(1800)
def test_up_survives_the_death_of_each_of_its_processes(world: World, settings: Settings) -> None:
    """One application for all, as its start takes longer than most faults."""
    world.add_team("Gamers", "Ann")
    with running_app(world, settings) as home:
        home.wait_until_up()
        for number, fault in enumerate((kill_the_worker, kill_the_worker_and_all_services), 1):
            match_id = f"NA1_510000000{number}"
            fault(home, match_id)
            home.wait_until_delivered("Gamers", match_id)
            # Delivered by a run that goes on for a moment: not the one to be killed next.
            wait_for("end of the runs", lambda: not home.workers())
        home.list_game("NA1_5100000009", "Ann")
        wait_and_kill_a_worker(home, home.cut_the_power)
        world.simulator.set_faults("")
        assert home.deliveries_of("Gamers", "NA1_5100000009") == 0, "the power was cut too late"
    with running_app(world, settings) as home:
        home.wait_until_delivered("Gamers", "NA1_5100000009")
        assert home.end() == 0
    assert len(world.posted("Gamers")) == 3, "each game once"


def kill_the_worker(home: RunningApp, match_id: str) -> None:
    """The code server notices at once; run retries take the run up again."""
    home.list_game(match_id, "Ann")
    run_id = wait_and_kill_a_worker(home, lambda: None)
    home.world.simulator.set_faults("")
    wait_for("failed run", lambda: home.status_of(run_id) == "FAILURE", seconds=300)


def kill_the_worker_and_all_services(home: RunningApp, match_id: str) -> None:
    """Code server, daemon and UI: `up` starts them again. Nobody is left who started the run, so
    that its worker is missed by run monitoring.
    """
    home.list_game(match_id, "Ann")
    services = [home.pid_of(name) for name in ("code-server", "daemon", "webserver")]

    def kill_services() -> None:
        for pid in services:
            os.kill(pid, signal.SIGKILL)

    run_id = wait_and_kill_a_worker(home, kill_services)
    home.world.simulator.set_faults("")
    home.wait_until_up()
    wait_for("failed run", lambda: home.status_of(run_id) == "FAILURE", seconds=300)


def wait_and_kill_a_worker(home: RunningApp, before: Callable[[], None]) -> str:
    """Kill the worker of a batch while it waits for Riot; its run's id."""
    home.world.simulator.set_faults(_HANGING_RIOT)
    run_id, pid = home.wait_for_worker("process_matches")
    before()
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        assert before == home.cut_the_power
    return run_id
