"""Services that are forked from a process with all their imports: what each is given, and what happens
when that process is not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lol_dagster.services.supervisor import Service, Supervisor, Timeouts
from lol_dagster.services.warm_start import WarmStart
from lol_dagster_tests._support.waiting import wait_for

HEAVY = """
import os
imported_in = os.getpid()
"""

# Prints a line about itself, then waits for SIGTERM.
REPORTING = """
import json, os, signal, sys
import heavy
print(json.dumps({
    "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "argv": sys.argv[1:],
    "main": __name__, "heavy": heavy.imported_in, "env": dict(os.environ),
    "files": {n: os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
              if os.path.exists(f"/proc/self/fd/{n}")},
    "title": open("/proc/self/comm").read().strip(),
    "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
}))
signal.pause()
"""


@dataclass
class Warm:
    """A supervisor in this process whose one service is forked."""

    logs: Path
    process: WarmStart
    said: list[str] = field(default_factory=list)

    def reports(self) -> list[dict[str, Any]]:
        """What each start of the service printed about itself."""
        written = "".join(file.read_text() for file in sorted(self.logs.glob("*.log")))
        return [json.loads(line) for line in written.splitlines() if line.startswith("{")]

    def report(self, start: int) -> dict[str, Any]:
        """Of its first start, 0, or of a later one."""
        return wait_for("report", lambda: self.reports()[start : start + 1])[0]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "heavy.py").write_text(HEAVY)
    (folder / "reporting.py").write_text(REPORTING)
    return folder


@pytest.fixture
def begin(tmp_path: Path, modules: Path) -> Iterator[Callable[..., Warm]]:
    with contextlib.ExitStack() as stack:
        # As other services of this machine would find them.
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PYTHONPATH", str(modules))

        def start(*preloaded: str, within: float = 120.0) -> Warm:
            env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(modules)}
            warm = Warm(tmp_path / "logs", WarmStart(preloaded or ["heavy"], env, within=within))
            stack.callback(warm.process.close)
            service = Service(
                "reporting",
                [sys.executable, "-m", "reporting", "an argument"],
                {"LOL_ADMIN_PORT": "9", "LOL_RIOT_API_KEY": None},
            )
            supervisor = Supervisor(
                [service],
                log_dir=warm.logs,
                say=warm.said.append,
                timeouts=Timeouts(first_pause=0.01, grace=60.0),
                warm_start=warm.process,
            )
            supervisor.start()
            stack.callback(supervisor.stop)
            return warm

        yield start


def test_a_forked_service_is_what_a_started_one_is(
    begin: Callable[..., Warm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-key")
    monkeypatch.setenv("LOL_SLOW_QUERY", "9s")
    warm = begin()
    report = warm.report(0)
    assert report["heavy"] == warm.process.pid, "imported by the warm process, before the fork"
    assert report["parent"] == os.getpid(), "its end is ours to notice"
    assert report["session"] == report["pid"], "a terminal's Ctrl-C passes it by"
    assert report["argv"] == ["an argument"]
    assert report["main"] == "__main__"
    assert report["title"] == "lol-reporting"
    assert report["sigint"]
    # The service's own variables, and the supervisor's as they were when it was started; no secret.
    assert report["env"]["LOL_ADMIN_PORT"] == "9"
    assert report["env"]["LOL_SLOW_QUERY"] == "9s"
    assert "LOL_RIOT_API_KEY" not in report["env"]
    log = str(next(warm.logs.glob("reporting-*.log")))
    assert report["files"] == {"0": "/dev/null", "1": log, "2": log}


def test_the_warm_process_has_no_secret(begin: Callable[..., Warm]) -> None:
    """What it knows is in the memory of each service, those without secrets among them."""
    warm = begin()
    warm.report(0)
    env = Path(f"/proc/{warm.process.pid}/environ").read_bytes()
    names = {line.partition(b"=")[0].decode() for line in env.split(b"\0") if line}
    assert names == {"PATH", "PYTHONPATH", "OPENBLAS_NUM_THREADS"}


def test_its_end_is_noticed_and_it_is_forked_again(begin: Callable[..., Warm]) -> None:
    warm = begin()
    first = warm.report(0)
    os.kill(first["pid"], signal.SIGKILL)
    again = warm.report(1)
    assert again["pid"] != first["pid"]
    assert again["heavy"] == warm.process.pid
    assert warm.said[0].startswith("reporting was killed by SIGKILL (")


def test_services_go_on_when_the_warm_process_dies_and_are_started_the_usual_way(
    begin: Callable[..., Warm], caplog: pytest.LogCaptureFixture
) -> None:
    warm = begin()
    first = warm.report(0)
    os.kill(warm.process.pid, signal.SIGKILL)
    os.kill(first["pid"], 0)
    assert warm.said == []
    os.kill(first["pid"], signal.SIGTERM)
    again = warm.report(1)
    assert again["heavy"] == again["pid"], "it has imported by itself"
    assert again["parent"] == os.getpid()
    assert "none can be forked" in caplog.text


def test_a_frozen_warm_process_is_killed_and_no_service_runs_twice(
    begin: Callable[..., Warm],
) -> None:
    warm = begin(within=1.0)
    first = warm.report(0)
    os.kill(warm.process.pid, signal.SIGSTOP)
    os.kill(first["pid"], signal.SIGTERM)
    again = warm.report(1)
    assert again["heavy"] == again["pid"]
    assert len(warm.reports()) == 2


def test_a_process_with_threads_forks_nothing(begin: Callable[..., Warm], modules: Path) -> None:
    """What another thread had locked would be locked in every service for good."""
    (modules / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    report = begin("heavy", "threaded").report(0)
    assert report["heavy"] == report["pid"]


def test_a_library_that_has_moved_a_module_keeps_no_service_from_being_forked(
    begin: Callable[..., Warm],
) -> None:
    warm = begin("moved_elsewhere", "heavy")
    assert warm.report(0)["heavy"] == warm.process.pid


def test_a_service_whose_number_was_not_heard_of_does_not_begin(
    begin: Callable[..., Warm], tmp_path: Path
) -> None:
    """Another was started in its place, and waits for the port that it would hold."""
    warm = begin()
    warm.report(0)
    order = {"name": "reporting", "module": "reporting", "argv": ["reporting"], "env": {}}
    confirmed, confirm = os.pipe()
    with (tmp_path / "unheard.log").open("ab") as output:
        files = [output.fileno(), confirmed]
        socket.send_fds(warm.process._socket, [json.dumps(order).encode()], files)
    pid = int(warm.process._socket.recv(100))
    os.close(confirmed)
    os.close(confirm)  # without a word
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert (tmp_path / "unheard.log").read_text() == ""
