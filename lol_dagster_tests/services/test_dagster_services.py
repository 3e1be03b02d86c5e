"""Dagster's own processes, supervised: one that hangs is ended and started again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import time_machine
from dagster._daemon.controller import DEFAULT_HEARTBEAT_INTERVAL_SECONDS
from dagster._daemon.daemon import MonitoringDaemon
from dagster._daemon.types import DaemonHeartbeat

from lol_dagster.orchestration.daemon import Heartbeats
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.services.dagster_services import (
    _Touched,
    code_server,
    heartbeat_file,
    new_code_address,
    other_services,
)
from lol_dagster.services.supervisor import Service, Supervisor, Timeouts
from lol_dagster.settings import Settings
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.process_harness import (
    descendants,
    free_port,
    is_service,
)
from lol_dagster_tests._support.waiting import wait_for


@dataclass
class Supervised:
    """What the services answered whenever they were asked, and what was shown to the operator."""

    frozen: list[int] = field(default_factory=list)
    """Process ids."""
    answers: dict[str, list[bool]] = field(
        default_factory=lambda: {"code-server": [], "webserver": []}
    )
    said: list[str] = field(default_factory=list)

    def wait_for_answer(self, name: str) -> None:
        wait_for(f"answer of {name}", lambda: any(self.answers[name]), seconds=240)


@pytest.fixture
def supervised(settings: Settings, tmp_path: Path) -> Iterator[Supervised]:
    """Code server and web server under a supervisor with short timeouts."""
    prepare_instance(settings).dispose()
    open_database(settings).dispose()
    address = new_code_address(settings)
    services = [code_server(address), *other_services(settings, address, ui_port=free_port())]
    seen = Supervised()

    def noting(service: Service) -> Service:
        ask = service.answers
        assert ask is not None

        def answer() -> bool:
            seen.answers[service.name].append(ask())
            # An answer that is merely slow, on a busy machine, is no hang.
            return seen.answers[service.name][-1] or not any(map(is_frozen, seen.frozen))

        return replace(service, answers=answer)

    supervisor = Supervisor(
        [noting(each) for each in services if each.name in seen.answers],
        log_dir=tmp_path / "logs",
        say=seen.said.append,
        timeouts=Timeouts(first_pause=0.1, ask_every=1.0, silence=4.0, first_answer=240.0),
    )
    supervisor.start()
    yield seen
    supervisor.stop()
    shutil.rmtree(address.parent)


def is_frozen(pid: int) -> bool:
    """proc(5): the state is the first field behind the name."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


def running(service: str) -> int:
    (pid,) = [pid for pid in descendants(os.getpid()) if is_service(service, pid)]
    return pid


@pytest.mark.timeout(600)
def test_a_frozen_code_server_and_a_frozen_web_server_are_started_again(
    supervised: Supervised,
) -> None:
    """Their ports are open: the kernel answers for a frozen process as far as it can."""
    frozen = {}
    for name in supervised.answers:
        supervised.wait_for_answer(name)
        frozen[name] = running(name)
    supervised.frozen.extend(frozen.values())
    for pid in frozen.values():
        os.kill(pid, signal.SIGSTOP)
    wait_for("word of both", lambda: len(supervised.said) == 2, seconds=240)
    assert {line.partition(" was killed")[0] for line in supervised.said} == {
        "code-server did not answer for 4 s and",
        "webserver did not answer for 4 s and",
    }
    for name, pid in frozen.items():
        supervised.answers[name].clear()
        supervised.wait_for_answer(name)
        assert running(name) != pid


def test_what_an_up_left_that_was_killed_is_taken_away_at_the_next_start(
    settings: Settings,
) -> None:
    prepare_instance(settings).dispose()
    left = new_code_address(settings)
    left.touch()
    (left.parent / "run-workers").touch()
    gone = new_code_address(settings)
    assert not left.parent.exists()
    # After a start of the machine there may be no such folder any more, or somebody else's.
    gone.parent.rmdir()
    again = new_code_address(settings)
    foreign = again.parent / "of-somebody-else"
    foreign.touch()
    last = new_code_address(settings)
    assert foreign.exists()
    assert last.parent.stat().st_mode & 0o777 == 0o700
    foreign.unlink()
    again.parent.rmdir()
    last.parent.rmdir()


def daemon_answers(settings: Settings, instance: dg.DagsterInstance) -> Callable[[], bool]:
    """What the supervisor sees after the daemon's own process has read what is there."""
    file = heartbeat_file(settings.dagster_home)
    file.touch()  # an earlier daemon's
    os.utime(file, (0, 0))
    heartbeats, touched = Heartbeats(instance, file), _Touched(file)

    def answers() -> bool:
        heartbeats.pass_on()
        return touched()

    return answers


def test_a_daemon_answers_by_each_new_heartbeat_whatever_its_time(settings: Settings) -> None:
    """Dagster's daemons write one each half minute; a clock that was put back is no silence."""
    instance = prepare_instance(settings)
    answers = daemon_answers(settings, instance)

    def beat(daemon: str, at: float) -> None:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, daemon, None, []))

    assert not answers(), "it has not begun"
    now = time.time()
    beat("SENSOR", now)
    assert answers()
    assert not answers(), "the same heartbeat again"
    beat("SCHEDULER", now)
    assert answers()
    beat("SENSOR", now - 3600)
    assert answers()


def test_a_daemon_whose_clock_was_ahead_falls_silent(settings: Settings) -> None:
    """So `up` starts it again. It remembers when it did something last, for its queue of runs as for its
    heartbeats, and would wait until tomorrow; a new one remembers nothing.
    """
    instance = prepare_instance(settings)
    answers = daemon_answers(settings, instance)
    now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def go_on(daemon: MonitoringDaemon, at: datetime) -> None:
        with time_machine.travel(at, tick=False):
            daemon._check_add_heartbeat(
                instance,
                "a-process",
                DEFAULT_HEARTBEAT_INTERVAL_SECONDS,
                error_interval_seconds=300,
            )

    daemon = MonitoringDaemon(interval_seconds=30)
    go_on(daemon, now + timedelta(days=1))
    assert answers()
    go_on(daemon, now + timedelta(days=1, minutes=1))
    assert answers(), "while its clock goes on, it does"
    for minute in range(10):
        go_on(daemon, now + timedelta(minutes=minute))
        assert not answers()
    go_on(MonitoringDaemon(interval_seconds=30), now + timedelta(minutes=10))
    assert answers()
