"""`lol-dagster up` with the real daemon, code server, run workers and web server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from dagster._core.scheduler.instigation import InstigatorStatus

from lol_dagster.logs.reading import LogFilter, read_log
from lol_dagster.monitoring.switched_off import switched_off
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.settings import Settings
from lol_dagster_tests._support.dagster_switches import click
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

# On two cores that other tests are using.
DELIVERED_WITHIN = 240.0
LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")
NOTING = """
import os, sys
begun_in = os.getpid()
file = os.open(os.environ["NOTED_IN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def note(event, arguments):
    if event == "import" and os.getpid() != begun_in:
        os.write(file, f"{arguments[0]}\\n".encode())

sys.addaudithook(note)
"""
"""Python runs it at its start: what is imported in a process that was forked."""


@dataclass
class Running:
    process: subprocess.Popen[str]
    ui: str
    noted_in: Path

    def imported_late(self) -> set[str]:
        """What forked processes have imported by themselves."""
        return set(self.noted_in.read_text().split())

    def ask(self, query: str) -> dict[str, Any]:
        """Dagster's own answer, as its UI gets it."""
        answer = requests.post(f"{self.ui}/graphql", json={"query": query}, timeout=60)
        data: dict[str, Any] = answer.json()["data"]
        return data


@pytest.fixture
def running(world: World, settings: Settings, tmp_path: Path) -> Iterator[Running]:
    """`up` in a process of its own, in a world in which Ann has just finished a game; and in a home in
    which somebody had switched it off in Dagster's UI.
    """
    with prepare_instance(settings) as instance:
        for name in ("check_everything_schedule", "failed_runs_sensor", "due_work_sensor"):
            click(instance, name, InstigatorStatus.STOPPED)
        instance.event_log_storage.set_concurrency_slots("channels", 0)
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann", champion="Jinx")])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "sitecustomize.py").write_text(NOTING)
    noted_in = tmp_path / "imported"
    process = subprocess.Popen(
        [LOL_DAGSTER, "up", "--ui-port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "NOTED_IN": str(noted_in)},
        start_new_session=True,
    )
    yield Running(process, f"http://127.0.0.1:{port}", noted_in)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.timeout(600)
def test_up_announces_a_game_shows_it_in_the_ui_and_ends_with_one_ctrl_c(
    world: World, running: Running, settings: Settings
) -> None:
    (body,) = wait_for("message", lambda: world.posted("Gamers"), seconds=DELIVERED_WITHIN)
    assert "Jinx" in str(body)

    def delivered() -> list[str]:
        found = running.ask(
            '{assetNodeOrError(assetKey: {path: ["deliveries"]}) {... on AssetNode {'
            "assetMaterializations(limit: 5) {partition runId}}}}"
        )
        return [each["partition"] for each in found["assetNodeOrError"]["assetMaterializations"]]

    assert wait_for("delivery in the UI", delivered, seconds=300) == ["NA1_5000000001"]
    runs = running.ask("{runsOrError {... on Runs {results {jobName status}}}}")
    results = runs["runsOrError"]["results"]
    # Riot was asked without a run, and the run that processed the game delivered its message.
    assert [run["jobName"] for run in results if "check" not in run["jobName"]] == [
        "process_matches"
    ]
    assert not [run for run in results if run["status"] == "FAILURE"]

    # One line of a run worker's: once in the log with its run and game, once in the run's own log.
    (line,) = (
        line
        for line in read_log(settings.logs_dir, LogFilter(game="NA1_5000000001"))
        if line.event.startswith("Archived NA1_5000000001")
    )
    assert line.process == "run-worker"
    assert line.fields["job"] == "process_matches"
    events = running.ask(
        f'{{logsForRun(runId: "{line.fields["run_id"]}") '
        "{... on EventConnection {events {... on MessageEvent {message}}}}}"
    )["logsForRun"]["events"]
    archived = [e["message"] for e in events if e and e["message"].startswith(line.event)]
    assert archived == [line.event]

    daemons = running.ask(
        "{instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"
    )["instance"]["daemonHealth"]["allDaemonStatuses"]
    assert {each["daemonType"] for each in daemons if each["required"]} >= {
        "SENSOR",
        "SCHEDULER",
        "QUEUED_RUN_COORDINATOR",
        "MONITORING",
    }

    def at_rest() -> bool:
        runs = running.ask("{runsOrError {... on Runs {results {status}}}}")["runsOrError"][
            "results"
        ]
        return {run["status"] for run in runs} == {"SUCCESS"}

    def known_as_switched_off() -> bool:
        with world.app.database.reading() as session:
            names = [each.name for each in switched_off(session)]
        return names == ["due_work_sensor"]

    # Not by that sensor, which does nothing any more.
    with prepare_instance(settings) as instance:
        click(instance, "due_work_sensor", InstigatorStatus.STOPPED)
    wait_for("word of what is switched off", known_as_switched_off)

    wait_for("end of all runs", at_rest, seconds=300)  # one that is interrupted says so in the log
    os.kill(running.process.pid, signal.SIGINT)
    assert running.process.wait(timeout=300) == 0
    # Each service would have a copy of what it imports by itself, and have much of what is shared copied. A few are
    # of what seldom happens.
    late = running.imported_late()
    assert len(late) <= 5, f"add to what the services import: {sorted(late)}"
    with pytest.raises(requests.ConnectionError):
        requests.get(running.ui, timeout=5)
    assert len(world.posted("Gamers")) == 1
    logs = "".join(path.read_text() for path in settings.logs_dir.iterdir())
    assert "Traceback" not in logs
    assert "ERROR" not in logs
