"""`lol-dagster demo` with all its processes, and the commands that it is given meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from lol_dagster_tests._support.process_harness import LOL_DAGSTER, descendants, free_port
from lol_dagster_tests._support.waiting import wait_for


@pytest.mark.timeout(600)
def test_the_demo_takes_commands_and_is_not_harmed_by_a_second_one(tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("--ui-port", "--world-port", "--admin-port")}
    options = [word for name, port in ports.items() for word in (name, str(port))]
    environment = {**os.environ, "LOL_HOME": str(tmp_path), "LOL_RIOT_API_KEY": "RGAPI-the-real"}
    output = tmp_path / "demo.out"
    with output.open("w") as file:
        process = subprocess.Popen(
            [LOL_DAGSTER, "demo", *options], stdout=file, stderr=file, env=environment
        )
    try:
        wait_for("Ctrl-C", lambda: "Ctrl-C ends everything." in output.read_text(), seconds=300)
        (line,) = [
            line.removeprefix("Any command can be given to it, such as: ")
            for line in output.read_text().splitlines()
            if line.startswith("Any command")
        ]

        def look(arguments: str) -> str:
            command = line.removesuffix("status") + arguments
            done = subprocess.run(
                command, shell=True, capture_output=True, text=True, env=environment, check=False
            )
            assert done.returncode in {0, 1}, done.stdout + done.stderr  # 1: not all is well
            return done.stdout

        assert "Baron Enjoyers" in look("team list")
        assert len(json.loads(look("quarantine list --json"))) == 1
        assert len(json.loads(look("message list --state needs_review --json"))) == 1
        assert " is quarantined" in look("status")
        assert json.loads(look("doctor --json"))["ok"]

        mark = tmp_path / "demo" / "lol.sqlite3"
        inode = mark.stat().st_ino
        second = subprocess.run(
            [LOL_DAGSTER, "demo"],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=120,
        )
        assert second.returncode == 2
        assert f"a demo is already running in {tmp_path / 'demo'}" in second.stderr
        assert mark.stat().st_ino == inode
        assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        process.wait(timeout=120)
    finally:
        for pid in [*descendants(process.pid), process.pid] if process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        process.wait()
