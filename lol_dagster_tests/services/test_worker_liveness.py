"""Real processes that work, die and hang."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from lol_dagster.services.worker_liveness import alive, liveness
from lol_dagster_tests._support.processes import interpreter
from lol_dagster_tests._support.run_workers import WORKER, run_worker


def test_a_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "workers" / "one"
    with run_worker(file) as child:
        assert liveness(file) == "alive"
        assert file.read_text() == f"{child.pid}\n", "people find the process by this"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert liveness(file) == "dead"


def test_a_frozen_process_is_alive(tmp_path: Path) -> None:
    """It may wake up and go on: that it takes too long is for others to say."""
    file = tmp_path / "one"
    with run_worker(file) as child:
        os.kill(child.pid, signal.SIGSTOP)
        assert liveness(file) == "alive"


def test_a_child_that_outlives_its_parent_does_not_keep_it_alive(tmp_path: Path) -> None:
    """Dagster starts helpers in each run that may stay on for a moment."""
    file = tmp_path / "one"
    code = "import subprocess\nsubprocess.Popen(['sleep', '60'])\n" + WORKER
    with interpreter(code, str(file)) as child:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert liveness(file) == "dead"


def test_nothing_is_known_of_work_that_never_began_or_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "one"
    assert liveness(file) == "unknown"
    with alive(file):
        assert liveness(file) == "alive"
    assert liveness(file) == "unknown"


def test_a_process_that_is_stuck_in_a_system_call_is_ended_and_says_where(tmp_path: Path) -> None:
    """Nobody writes to its standard input: without the watchdog it would wait forever."""
    code = """
import os
from lol_dagster.services.worker_liveness import ended_after
print("ready", flush=True)
def stuck_here():
    os.read(0, 1)
with ended_after(0.2):
    stuck_here()
"""
    with interpreter(code) as child:
        assert child.wait(timeout=120) == 1
        assert child.stderr is not None
        assert "stuck_here" in child.stderr.read()


def test_a_process_that_is_done_in_time_is_left_alone(tmp_path: Path) -> None:
    """The end of the block calls the watchdog off: the process lives past the time it had."""
    code = """
import time
from lol_dagster.services.worker_liveness import ended_after
began = time.monotonic()
with ended_after(3.0):
    print("ready", flush=True)
while time.monotonic() < began + 3.2:
    time.sleep(0.1)
print("still here", flush=True)
"""
    with interpreter(code) as child:
        out, _ = child.communicate(timeout=120)
        assert (out, child.returncode) == ("still here\n", 0)
