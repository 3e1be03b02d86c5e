"""An hour of `lol-dagster up` under injected faults: `make soak-operations`.

First everything is killed in turn, services too; then only what does not start a service anew, so
that growth would show; in the end nobody plays, and what idling costs is measured.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import cycle

import pytest
import requests

from lol_dagster.settings import Settings
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.process_harness import LOL_DAGSTER, RunningApp, running_app
from lol_dagster_tests._support.process_usage import Usage, total, usage
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

TEAMS = {"Gamers": ["Ann", "Ben", "Cid", "Dee"], "Night Shift": ["Eve", "Fay", "Gus", "Ann"]}
KINDS = {"Gamers": "discord-bot", "Night Shift": "slack-bot"}
EVERY_GAME = 20.0
"""Seconds between two games that end."""
EVERY_MALFORMED = 15
"""Each so many games is malformed."""
EVERY_FAULT = 45.0
EVERY_SAMPLE = 20.0

MOST_POSTS_FAIL = ",".join(
    ["error-after-accept:0.15", "500:0.1", "reset:0.1", "half-body:0.1", "no-answer:0.05",
     "reset-before-accept:0.1"]
)  # fmt: skip


@dataclass
class Soak:
    """One hour's course and what was seen."""

    home: RunningApp
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    games: dict[str, set[str]] = field(default_factory=dict)
    """Match id → the channels that should hear of it."""
    malformed: set[str] = field(default_factory=set)
    faults_injected: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, dict[str, Usage], int]] = field(default_factory=list)
    """Second, usage by kind, queued runs."""

    def play(self) -> None:
        """A game of one to three of the friends ends."""
        number = len(self.games) + len(self.malformed) + 1
        match_id = f"NA1_52{number:08d}"
        everybody = sorted({name for names in TEAMS.values() for name in names})
        players = self.rng.sample(everybody, self.rng.randint(1, 3))
        if number % EVERY_MALFORMED == 0:
            self.malformed.add(match_id)
            people = [participant(name, deaths="many") for name in players]
        else:
            self.games[match_id] = {team for team in TEAMS if set(players) & set(TEAMS[team])}
            people = [participant(name) for name in players]
        self.home.world.finish(match_id, participants=people)

    def sample(self, second: float) -> None:
        queued = 0
        with suppress(requests.RequestException, KeyError, TypeError, ValueError):
            runs = self.home.ask(
                "{runsOrError(filter: {statuses: [QUEUED]}) {... on Runs {results {runId}}}}"
            )
            queued = len(runs["runsOrError"]["results"])
        self.samples.append((second, usage(self.home.process.pid), queued))

    # --- faults ------------------------------------------------------------------------------

    def kill(self, service: str) -> None:
        with suppress(AssertionError):  # it is just being started anew
            os.kill(self.home.pid_of(service), signal.SIGKILL)

    def kill_a_worker(self) -> None:
        for pid in list(self.home.workers().values())[:1]:
            os.kill(pid, signal.SIGKILL)

    def freeze_a_worker(self) -> None:
        """For longer than a lease."""
        for pid in list(self.home.workers().values())[:1]:
            os.kill(pid, signal.SIGSTOP)
            later(80, lambda pid=pid: os.kill(pid, signal.SIGCONT))  # type: ignore[misc]

    def faults(self, spec: str, seconds: float = 30) -> None:
        self.home.world.simulator.set_faults(spec)
        later(seconds, lambda: self.home.world.simulator.set_faults(""))

    def lock_the_database(self) -> None:
        """For longer than anybody waits."""

        def hold() -> None:
            file = self.home.settings.home / "lol.sqlite3"
            with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(13)
                connection.execute("ROLLBACK")

        threading.Thread(target=hold, daemon=True).start()

    @property
    def gentle(self) -> dict[str, Callable[[], None]]:
        """Faults that restart no service."""
        return {
            "most posts to Discord fail": lambda: self.faults(f"discord.post={MOST_POSTS_FAIL}"),
            "a run worker is killed": self.kill_a_worker,
            "Riot is down": lambda: self.faults("riot=outage(30)"),
            "a run worker is frozen": self.freeze_a_worker,
            "most posts to Slack fail": lambda: self.faults(f"slack.post={MOST_POSTS_FAIL}"),
            "the database is locked": self.lock_the_database,
            "Riot answers slowly": lambda: self.faults("riot=body-drip(0.5):0.5"),
        }

    @property
    def rough(self) -> dict[str, Callable[[], None]]:
        return {
            **self.gentle,
            "the daemon is killed": lambda: self.kill("daemon"),
            "the code server is killed": lambda: self.kill("code-server"),
            "the web server is killed": lambda: self.kill("webserver"),
            "the web view is killed": lambda: self.kill("admin"),
        }


@pytest.mark.soak_operations
@pytest.mark.timeout(0)
def test_an_hour_of_faults_loses_nothing_doubles_nothing_and_grows_nothing(
    world: World, settings: Settings, pytestconfig: pytest.Config
) -> None:
    whole = 60.0 * pytestconfig.getoption("soak_minutes")
    for team, members in TEAMS.items():
        world.add_team(team, *members, kind=KINDS[team])
    with running_app(world, settings) as home:
        home.wait_until_up()
        soak = Soak(home)
        rough_until, gentle_until, idle_from = whole * 0.45, whole * 0.85, whole * 0.9
        run_course(soak, whole, rough_until, gentle_until, idle_from)
        check_what_was_delivered(soak)
        report(soak, rough_until, gentle_until, idle_from)
        check_growth(soak, rough_until, gentle_until)
        assert home.end() == 0


def run_course(
    soak: Soak, whole: float, rough_until: float, gentle_until: float, idle_from: float
) -> None:
    """The hour itself."""
    began = time.monotonic()
    rough, gentle = cycle(soak.rough.items()), cycle(soak.gentle.items())

    def inject(second: float) -> None:
        name, inject_fault = next(rough if second < rough_until else gentle)
        soak.faults_injected[name] += 1
        inject_fault()

    clocks = [
        Recurring(EVERY_GAME, lambda _: soak.play(), until=idle_from),
        Recurring(EVERY_FAULT, inject, until=gentle_until),
        Recurring(EVERY_SAMPLE, soak.sample, until=whole),
    ]
    while (second := time.monotonic() - began) < whole:
        for clock in clocks:
            clock.tick(second)
        time.sleep(0.5)


@dataclass
class Recurring:
    every: float
    what: Callable[[float], None]
    until: float
    due: float = 0.0

    def tick(self, second: float) -> None:
        if self.due <= second < self.until:
            self.due = second + self.every
            self.what(second)


def check_what_was_delivered(soak: Soak) -> None:
    """Every game once in each channel that should hear of it, and in no other."""

    def delivered() -> Counter[tuple[str, str]]:
        return Counter(
            (match_id, team)
            for team in TEAMS
            for match_id in (*soak.games, *soak.malformed)
            for _ in range(soak.home.deliveries_of(team, match_id))
        )

    expected = Counter((match_id, team) for match_id, teams in soak.games.items() for team in teams)
    with suppress(AssertionError):  # what is missing is printed below
        wait_for("all messages", lambda: delivered() >= expected, seconds=600)
    found = delivered()
    posted = {team: soak.home.world.posted(team) for team in TEAMS}
    say(f"\nmessages: {sum(found.values())}, of {len(soak.games)} games; "
          f"lost {sum((expected - found).values())}, twice {sum((found - expected).values())}, "
          f"malformed games {len(soak.malformed)}; posts that got through {sum(map(len, posted.values()))}")  # fmt: skip
    assert found == expected
    with soak.home.world.app.database.reading() as session:
        states = {match.match_id: match.state for match in session.query(Match)}
    assert {each for each, state in states.items() if state == "quarantined"} == soak.malformed
    assert {each for each, state in states.items() if state == "processed"} == set(soak.games)


def check_growth(soak: Soak, since: float, until: float) -> None:
    """While no service was started anew: the last third against the first."""
    third = (until - since) / 3
    first = [each for each in soak.samples if since + 60 <= each[0] < since + third]
    last = [each for each in soak.samples if until - third <= each[0] < until]
    for kind in ("daemon", "webserver", "code-server", "up", "admin"):
        for what, allowance in (("rss_kb", 30_000), ("handles", 15), ("threads", 8)):
            before = statistics.median(getattr(usage[kind], what) for _, usage, _ in first)
            after = statistics.median(getattr(usage[kind], what) for _, usage, _ in last)
            assert after <= before * 1.1 + allowance, f"{kind}: {what} grew: {before} → {after}"
    assert statistics.median(queued for *_, queued in last) == 0
    processes = [
        statistics.median(total(usage.values()).processes for _, usage, _ in part)
        for part in (first, last)
    ]
    assert processes[1] <= processes[0] + 4, f"processes grew: {processes}"


def report(soak: Soak, rough_until: float, gentle_until: float, idle_from: float) -> None:
    say("faults: " + ", ".join(f"{name} {count}×" for name, count in soak.faults_injected.items()))
    say(f"{'second':>7} {'MB':>6} {'handles':>8} {'processes':>10} {'queued':>7}   MB each")
    for second, by_kind, queued in soak.samples[:: max(1, len(soak.samples) // 30)]:
        all_of_it = total(by_kind.values())
        each = "  ".join(f"{kind} {one.rss_kb / 1024:.0f}" for kind, one in by_kind.items())
        say(f"{second:7.0f} {all_of_it.rss_kb / 1024:6.0f} {all_of_it.handles:8} "
              f"{all_of_it.processes:10} {queued:7}   {each}")  # fmt: skip
    idle = [each for each in soak.samples if each[0] >= idle_from + 60]
    if len(idle) > 1:
        (begin, before, _), (end, after, _) = idle[0], idle[-1]
        for kind in before:
            share = (after[kind].cpu_s - before[kind].cpu_s) / (end - begin)
            say(f"idle: {kind:12} {100 * share:5.1f} % of a core, "
                  f"{after[kind].rss_kb / 1024:5.0f} MB")  # fmt: skip
    status = subprocess.run([LOL_DAGSTER, "status"], capture_output=True, text=True, check=False)
    say(f"status, exit {status.returncode}:\n{status.stdout}")


def say(line: str) -> None:
    print(line)  # noqa: T201 - the figures


def later(seconds: float, do: Callable[[], object]) -> None:
    def quietly() -> None:
        with suppress(ProcessLookupError):
            do()

    timer = threading.Timer(seconds, quietly)
    timer.daemon = True
    timer.start()
