"""Several hosts, each a network namespace with real processes: no game is lost with a host.

`make soak` has each kind of loss; here is the one that matters most, with the minute of silence cut short.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lol_dagster_tests._support.cluster import Cluster, cluster
from lol_dagster_tests._support.process_harness import command_line
from lol_dagster_tests._support.shifted_clock import ShiftedClock, shifted_clock
from lol_dagster_tests._support.waiting import wait_for

__all__ = ["shifted_clock"]

SLOW = "riot.match=late-accept(6)"
"""Whoever fetches a game waits for seconds, and gets it."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's own user gets into, with a name so short that a socket may be in it."""
    with tempfile.TemporaryDirectory(prefix="lol-hosts-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def servers_clock(folder: Path, shifted_clock: ShiftedClock) -> ShiftedClock:
    """Which that user may read."""
    files = [
        Path(shutil.copy(file, folder)) for file in (shifted_clock.library, shifted_clock.file)
    ]
    for file in files:
        file.chmod(0o755)
    return ShiftedClock(*files)


def stop_in_the_middle(hosts: Cluster, host: str, games: int = 8) -> list[str]:
    """New games, and a worker of that host in the middle of fetching one.

    No run is about to begin: one that is lost then is known by its time to begin, two minutes at most.
    """
    hosts.world.simulator.set_faults(SLOW)
    listed = hosts.list_games(games)

    def in_the_middle() -> bool:
        return bool(hosts.working_on(host)) and not hosts.beginning()

    wait_for(f"run on {host}", in_the_middle, seconds=120)
    return listed


@pytest.mark.timeout(300)
def test_a_worker_host_loses_its_power_and_each_game_is_announced_once(
    folder: Path, servers_clock: ShiftedClock
) -> None:
    with cluster(folder, "main", "one", "two", clock=servers_clock) as hosts:
        hosts.start_up("main")
        hosts.start_workers("one")
        hosts.start_workers("two")
        games = stop_in_the_middle(hosts, "one")
        hosts.hosts["one"].cut_the_power()
        hosts.world.simulator.set_faults("")
        hosts.silence("one")
        hosts.wait_until_posted(games)
        assert set(hosts.posts().values()) == {1}
        assert " on one, has given no heartbeat for a minute" in hosts.said_of_runs()


# --- make soak -----------------------------------------------------------------------------------

RECOVERED_WITHIN = 120.0
"""Seconds, from when the fault is over or has replaced a host, to the last message."""


def cut_off(hosts: Cluster, seconds: float) -> None:
    one = hosts.hosts["one"]
    one.link(up=False)
    time.sleep(seconds)
    one.link()


def power_cut(hosts: Cluster) -> None:
    hosts.hosts["one"].cut_the_power()


def frozen(hosts: Cluster) -> None:
    """Each process of the host, for longer than the minute; then it goes on."""
    pids = hosts.hosts["one"].pids()
    for how, wait in ((signal.SIGSTOP, 90.0), (signal.SIGCONT, 0.0)):
        for pid in pids:
            os.kill(pid, how)
        time.sleep(wait)


def slow_link(hosts: Cluster) -> None:
    """For a minute: each statement is a round trip, so that a run takes minutes for as long as it stays so."""
    for name in ("one", "two"):
        # On the way out and in together as much as netem delays and loses on one of them.
        hosts.hosts[name].link(delay_s=0.15, loss=0.025)
    time.sleep(60)
    for name in ("one", "two"):
        hosts.hosts[name].link()


def database_restarted(hosts: Cluster) -> None:
    (postmaster, *_) = [
        pid for pid in hosts.store.pids() if "postgres -D" in command_line(pid)
    ]  # fmt: skip
    os.kill(postmaster, signal.SIGQUIT)
    wait_for("end of PostgreSQL", lambda: not Path(f"/proc/{postmaster}/fd/0").exists())
    hosts.start_postgres()


def redis_lost(hosts: Cluster) -> None:
    """With all that was in it, and away for a while."""
    for pid in hosts.store.pids():
        if "redis-server" in command_line(pid):
            os.kill(pid, signal.SIGKILL)
    time.sleep(10)
    hosts.start_redis()


def up_lost(hosts: Cluster) -> None:
    hosts.hosts["main"].cut_the_power()


FAULTS: dict[str, Callable[[Cluster], None]] = {
    "Redis lost with its queues": redis_lost,
    "slow link (300 ms, 5 % lost)": slow_link,
    "cut off for 30 s": lambda hosts: cut_off(hosts, 30),
    "power cut of a worker host": power_cut,
    "power cut of up's host": up_lost,
    "database killed and started": database_restarted,
    "cut off for 90 s": lambda hosts: cut_off(hosts, 90),
    "frozen for 90 s": frozen,
}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_whatever_is_lost_each_game_is_announced_once_within_two_minutes(
    folder: Path, shifted_clock: ShiftedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Throughout, the clock of one host of workers is half a minute ahead."""
    wrong = []
    with cluster(folder, "main", "spare", "one", "two") as hosts:
        hosts.start_up("main")
        hosts.start_workers("one")
        shifted_clock.shift(30)
        hosts.start_workers("two", **shifted_clock.environment)
        took = hosts.wait_until_posted(hosts.list_games(8))
        _show(capsys, f"{'nothing (start of all)':32} {took:6.0f} s")
        hosts.keep_up("spare")
        for name, fault in FAULTS.items():
            games = stop_in_the_middle(hosts, "one")
            began = time.monotonic()
            fault(hosts)
            hosts.world.simulator.set_faults("")
            over = time.monotonic()
            hosts.wait_until_posted(games, seconds=900)
            took = time.monotonic() - over
            posts = hosts.posts()
            lost, twice = (sum(wanted(n) for n in posts.values()) for wanted in (_none, _more))
            _show(
                capsys,
                f"{name:32} {took:6.0f} s after it, {over - began:.0f} s long; lost {lost},"
                f" twice {twice}; {_failed(hosts)} runs failed",
            )
            if lost or twice or took > RECOVERED_WITHIN:
                wrong.append(name)
            for each in ("one", "two"):
                hosts.hosts[each].link()
            if not hosts.hosts["one"].pids():
                hosts.start_workers("one")
                hosts.wait_for_workers("one")
    assert wrong == []


def _none(posts: int) -> bool:
    return posts == 0


def _more(posts: int) -> bool:
    return posts > 1


def _failed(hosts: Cluster) -> int:
    return sum(count for (_, status), count in hosts.runs().items() if status == "FAILURE")


def _show(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{line}")
        sys.stdout.flush()
