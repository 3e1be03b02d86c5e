"""Twenty-four hours with an outage of each kind, in a minute: the day's time is the test's.

The stages are called as the assets call them, planned as the schedule and the sensors plan, against
the simulated world, whose clock moves with ours. In the end every game is accounted for.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.http import DeadlineSession
from lol_dagster.orchestration.planning import plan_batches
from lol_dagster.orchestration.resources import AppContext, WallClock
from lol_dagster.orchestration.sensors import DueWork
from lol_dagster.riot.caller import Caller
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.riot.key import key_fingerprint, key_refused_until, watching_key
from lol_dagster.riot.limiter import RateLimiter
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import assert_no_open_write
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.payloads import match_payload, participant
from lol_dagster_tests._support.processing import process
from lol_dagster_tests._support.world import World

BEGIN = 1_795_000_000.0
"""Epoch seconds."""
HOUR = 3600.0
TICK = 400.0
FRIENDS = {"Gamers": ("Ann", "Ben"), "Night Shift": ("Cid", "Ann")}
KINDS = {"Gamers": "discord-bot", "Night Shift": "slack-bot"}


class PowerCut(BaseException):
    """What is in memory is gone; what was committed stays."""


@dataclass
class DayClock:
    """The day's time, as everybody has it: the wall's clock may be wrong, the others never are."""

    at: float = BEGIN
    wall_is_ahead: float = 0.0
    epoch: str = "boot:1"

    def true(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at + self.wall_is_ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC)

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    # As the delivery clock.

    def read(self, _session: object) -> tuple[str, float]:
        return self.epoch, self.at

    def local(self) -> float:
        return self.at


@dataclass
class Day:
    """The world, the application without its processes, and the time."""

    world: World
    clock: DayClock
    rng: random.Random = field(default_factory=lambda: random.Random(5))
    crash_probability: float = 0.0
    crashes: int = 0
    played: int = 0

    def __post_init__(self) -> None:
        self.put_together()

    def put_together(self) -> None:
        """A process has started: nothing is left of the one before but the database."""
        app = self.app = AppContext(load_settings(), clock=WallClock(self.clock.now))
        key = app.settings.require_riot_api_key()
        limiter = RateLimiter(
            app.database, key_fingerprint(key), clock=self.clock.wall, rng=self.rng
        )
        caller = Caller(
            key,
            app.settings.riot_url,
            limiter,
            DeadlineSession("test/1", guard=assert_no_open_write),
            clock=self.clock.wall,
            sleep=self.clock.sleep,
            rng=self.rng,
        )
        timing = Timing()
        app.riot = RiotClient(caller, key_fingerprint=key_fingerprint(key))
        app.deliverer = Deliverer(
            app.database,
            all_transports(app.settings, timing),
            self.clock,
            timing=timing,
            jitter=self.rng.random,
            crashpoint=self.crash,
        )

    def crash(self, _label: str) -> None:
        if self.rng.random() < self.crash_probability:
            self.crashes += 1
            raise PowerCut

    def finish(self, *players: str, given: bool = True, **said: Any) -> str:
        """A game that has ended just now.

        Args:
            given: Whether Riot ever gives it, or lists it only.
            said: Of each player, as for `payloads.participant`.
        """
        self.played += 1
        match_id = f"NA1_53{self.played:08d}"
        payload = match_payload(
            match_id,
            ended_at=datetime.fromtimestamp(self.clock.at, UTC),
            participants=[participant(each, **said) for each in players],
        )
        self.world.simulator.add_game(payload, available_at=0.0 if given else None)
        return match_id

    def tick(self) -> None:
        """What schedule and sensors start within a few minutes."""
        try:
            with suppress(KeyRejected):
                self._poll()
                self._process()
            self.app.deliverer.deliver_due(self.app.clock.now(), wait_up_to=timedelta(0))
        except PowerCut:
            self.app.database.dispose()
            self.put_together()
        self.clock.at += TICK

    def _poll(self) -> None:
        app = self.app
        work = DueWork(
            self.world.instance, app.database, app.settings, app.deliverer, app.polling,
            app.clock.now, riot_within_s=60.0,
        )  # fmt: skip
        work.poll()

    def _process(self) -> None:
        app, now = self.app, self.app.clock.now()
        if key_refused_until(app.database, app.settings, now) is not None:
            return
        for run in plan_batches(self.world.instance, app.database, now):
            for match_id in run.match_ids:
                with watching_key(app.database, app.riot.key_fingerprint, app.clock.now):
                    process(app, match_id, run_id="a-run")

    def deliveries(self) -> Counter[tuple[str, str]]:
        """How often each game stands in each channel, by the world's own log."""
        posted = {team: [str(body) for body in self.world.posted(team)] for team in FRIENDS}
        return Counter(
            (match_id, team)
            for team, bodies in posted.items()
            for match_id in (f"NA1_53{number:08d}" for number in range(1, self.played + 1))
            for body in bodies
            if match_id.partition("_")[2] in body
        )


OUTAGES: dict[int, str] = {
    1: "riot=outage",
    2: "riot=429-application(30):0.4,429-service:0.1",
    3: "riot.match=html-body:0.3,half-body:0.3",
    4: "discord.post=error-after-accept:0.3,500:0.2,reset:0.2,half-body:0.1",
    5: "slack.post=error-after-accept:0.3,internal-error:0.3,reset:0.2",
    6: "discord=outage",
    7: "riot=401",
    8: "slack=refuse(token_revoked)",
    9: "discord.list=unreadable;discord.get=unreadable;discord.post=error-after-accept:0.5",
    10: "discord.post=429-global(20):0.3,429-cloudflare:0.1;slack.post=429(30):0.4",
    11: "riot.match-list=holes,unordered",
    12: "riot@americas=outage",
}
"""In which hour what goes wrong with the others. Afterwards it is our own turn."""


def our_own_faults(day: Day, hour: int) -> None:
    """What goes wrong in our own processes in this hour."""
    day.crash_probability = 0.08 if hour == 13 else 0.0
    day.clock.wall_is_ahead = {14: HOUR, 15: -HOUR}.get(hour, 0.0)
    if hour == 16:
        day.clock.epoch = "boot:2"
        day.put_together()


@pytest.mark.timeout(600)
def test_a_day_of_outages_ends_with_every_game_accounted_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = DayClock()
    with (
        Simulator(clock=clock.true) as simulator,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        world = World(simulator, AppContext(load_settings()), instance)
        for team, members in FRIENDS.items():
            world.add_team(team, *members, kind=KINDS[team])
        day = Day(world, clock)
        expected: Counter[tuple[str, str]] = Counter()
        malformed, never = set(), set()
        for hour in range(24):
            simulator.set_faults(OUTAGES.get(hour, ""))
            our_own_faults(day, hour)
            for number, players in enumerate((("Ann",), ("Ben", "Cid"), ("Cid",))):
                match_id = day.finish(*players)
                expected += Counter(
                    (match_id, team) for team in FRIENDS if set(players) & set(FRIENDS[team])
                )
                run_for(day, HOUR / 3)
                if hour % 6 == 1 and number == 0:
                    malformed.add(day.finish("Ann", deaths="many"))
                if hour % 6 == 2 and number == 0:
                    never.add(day.finish("Ben", given=False))
        simulator.set_faults("")
        run_for(day, 3 * HOUR)
        assert day.deliveries() == expected, "each game once in each channel of its players' teams"
        assert day.crashes, "nothing crashed: this day was too easy"
        assert not simulator.truth.violations, "Riot's limits were overrun"
        with day.app.database.reading() as session:
            states = {match.match_id: match.state for match in session.query(Match)}
        assert {each for each, state in states.items() if state == "quarantined"} == malformed
        assert {each for each, state in states.items() if state == "listed"} == never
        assert {each for each, state in states.items() if state == "processed"} == {
            match_id for match_id, _ in expected
        }


def run_for(day: Day, seconds: float) -> None:
    until = day.clock.at + seconds
    while day.clock.at < until:
        day.tick()
