"""`lol-dagster up` with all its processes, for tests that kill some of them.

Games are listed by hand: the schedule polls the match lists once a minute, and what is tested here
comes after that.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from lol_dagster.services.dagster_services import new_code_address
from lol_dagster.services.worker_liveness import liveness
from lol_dagster.settings import Settings
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.web_visitor import OPERATOR, PASSWORD, QUICK_HASH, csrf_token
from lol_dagster_tests._support.world import World

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")
DELIVERY_TIMEOUT_S = 300.0
"""Generous: a sensor's tick, a run's start, another tick and another start, on a busy machine; and
half a minute until a worker is missed."""

SERVICES = {
    "daemon": ("lol-daemon", "orchestration.daemon"),
    "webserver": ("lol-webserver", "orchestration.web_server"),
    "code-server": ("lol-code-server", "orchestration.code_server"),
    "admin": ("lol-admin", "-m lol_dagster admin"),
}
"""Service → what its command line can be recognized by: forked, and started the usual way."""


def is_service(service: str, pid: int) -> bool:
    """Whether the process is that service's."""
    return any(mark in command_line(pid) for mark in SERVICES[service])


@dataclass
class RunningApp:
    """One `up`, in the world that the environment's settings lead to."""

    world: World
    settings: Settings
    process: subprocess.Popen[bytes]
    ui: str
    web_view: str
    _browser: requests.Session = field(default_factory=requests.Session)

    def ask(self, query: str) -> dict[str, Any]:
        """Dagster's own answer, as its UI gets it: by somebody who is signed in."""
        if not self._browser.cookies:
            page = self._browser.get(f"{self.web_view}/sign-in", timeout=60)
            form = {"csrf_token": csrf_token(page.text), "name": OPERATOR, "password": PASSWORD}
            self._browser.post(f"{self.web_view}/sign-in", data=form, timeout=60)
        answer = self._browser.post(f"{self.ui}/graphql", json={"query": query}, timeout=60)
        data: dict[str, Any] = answer.json()["data"]
        return data

    def wait_until_up(self) -> None:
        """Until UI and daemons answer."""

        def up() -> bool:
            with suppress(requests.RequestException, KeyError, TypeError, ValueError):
                health = self.ask(
                    "{instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"
                )["instance"]["daemonHealth"]["allDaemonStatuses"]
                return all(each["healthy"] for each in health if each["required"])
            return False

        wait_for("answer of the UI", up, seconds=300)

    def list_game(self, match_id: str, *members: str) -> str:
        """Let a game of these members end and be listed."""
        self.world.finish(match_id, participants=[participant(each) for each in members])
        now = datetime.now(UTC)
        with self.world.app.database.writing() as session:
            session.merge(Match(match_id=match_id, state="listed", listed_at=now, next_try_at=now))
        return match_id

    def deliveries_of(self, channel: str, match_id: str) -> int:
        """How many messages about the game the channel took."""
        return sum(match_id in str(body) or _number(match_id) in str(body)
                   for body in self.world.posted(channel))  # fmt: skip

    def wait_until_delivered(
        self, channel: str, match_id: str, seconds: float = DELIVERY_TIMEOUT_S
    ) -> None:
        wait_for(
            f"message about {match_id}",
            lambda: self.deliveries_of(channel, match_id),
            seconds=seconds,
        )

    def pid_of(self, service: str) -> int:
        """The service's process.

        Raises:
            AssertionError: it does not run.
        """
        found = [pid for pid in descendants(self.process.pid) if is_service(service, pid)]
        assert found, f"no {service} runs"
        return found[0]

    def workers(self) -> dict[str, int]:
        """Process ids of the living run workers, by run id."""
        folder = self.settings.dagster_home / "run_workers"
        found = {}
        for file in folder.glob("*") if folder.is_dir() else ():
            with suppress(FileNotFoundError, ValueError):
                if liveness(file) == "alive":
                    found[file.name] = int(file.read_text())
        return found

    def job_of(self, run_id: str) -> str:
        found = self.ask(f'{{runOrError(runId: "{run_id}") {{... on Run {{jobName}}}}}}')
        name: str = found["runOrError"].get("jobName", "")
        return name

    def wait_for_worker(self, job: str) -> tuple[str, int]:
        """A living worker of the job: run id and process id."""

        def there() -> tuple[str, int] | None:
            return next(
                (each for each in self.workers().items() if self.job_of(each[0]) == job), None
            )

        return wait_for(f"worker of {job}", there, seconds=DELIVERY_TIMEOUT_S)

    def status_of(self, run_id: str) -> str:
        found = self.ask(f'{{runOrError(runId: "{run_id}") {{... on Run {{status}}}}}}')
        status: str = found["runOrError"]["status"]
        return status

    def end(self) -> int:
        """One Ctrl-C, and its exit status."""
        os.kill(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=300)

    def cut_the_power(self) -> None:
        """Kill every process at once, as a power cut would."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_app(world: World, settings: Settings) -> Iterator[RunningApp]:
    """`up` in a process of its own; killed with all that it started, if it has not been ended."""
    port, admin_port = free_port(), free_port()
    with (settings.home / "up.out").open("ab") as output:
        process = subprocess.Popen(
            [LOL_DAGSTER, "up", "--ui-port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "LOL_ADMIN_PORT": str(admin_port),
                "LOL_ADMIN_PASSWORD_HASH": QUICK_HASH,
            },
            start_new_session=True,
        )
    home = RunningApp(
        world, settings, process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}"
    )
    try:
        yield home
    finally:
        if process.poll() is None:
            home.cut_the_power()
        if settings.dagster_home.exists():
            # Takes away the folder of the one that was killed, as nothing starts in this home any more.
            new_code_address(settings).parent.rmdir()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def descendants(of: int) -> list[int]:
    """Process ids of the children, their children and so on."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                # The second field, in parentheses, may hold anything.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [of]
    while waiting:
        waiting = [child for pid in waiting for child in children.get(pid, ())]
        found += waiting
    return found


def command_line(pid: int) -> str:
    """Empty for a process that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def _number(match_id: str) -> str:
    return match_id.partition("_")[2]
