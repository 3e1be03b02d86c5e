"""What jobs, sensors and schedules work with: one Dagster resource for each outside thing.

In the daemon's world they follow the environment, read anew for each run and each tick;
`lol-dagster once` and the tests give an `AppContext` of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache

import dagster as dg

from lol_dagster.delivery.worker import Deliverer, deliverer
from lol_dagster.logs.writing import RUN_WORKER, start_logging
from lol_dagster.orchestration.polling import PollingThread, poll_accounts
from lol_dagster.orchestration.runs import begin_work
from lol_dagster.pipeline.discovery import DiscoveryReport
from lol_dagster.riot.client import RiotClient, riot_client
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.schema import open_database


@dataclass
class WallClock:
    """The time, in UTC."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass
class RunCounts:
    """What the runs of this process have done: the figures that `lol-dagster once` prints.

    Match ids and message ids, in sets, so that one processed again counts once.
    """

    discovered: set[str] = field(default_factory=set)
    processed: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    not_found: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    needs_review: set[str] = field(default_factory=set)

    polling: DiscoveryReport | None = None
    """What the last poll of the match lists brought."""
    after_game: Callable[[], None] = lambda: None
    """Called after each game that was processed."""

    def counts(self) -> dict[str, int]:
        """By name, in the order in which things happen."""
        return {name: len(ids) for name, ids in vars(self).items() if isinstance(ids, set)}


@dataclass
class AppContext:
    """One value for each resource of the same name. Nothing is opened before it is used."""

    settings: Settings
    clock: WallClock = field(default_factory=WallClock)
    run_counts: RunCounts = field(default_factory=RunCounts)

    @cached_property
    def database(self) -> Database:
        return open_database(self.settings)

    @cached_property
    def riot(self) -> RiotClient:
        return riot_client(self.settings, self.database)

    @cached_property
    def polling(self) -> PollingThread:
        return PollingThread(lambda: poll_accounts(self.database, self.riot, self.clock.now))

    @cached_property
    def deliverer(self) -> Deliverer:
        return deliverer(self.settings, self.database)


_DESCRIPTIONS = {
    "settings": "The LOL_ variables, from the environment and from .env.",
    "database": "The application's own database: players, games, statistics and messages.",
    "riot": "Riot's API, within the limits that all processes share.",
    "polling": "Riot's API as the sensor asks it for match lists: in a thread of its own.",
    "deliverer": "Discord and Slack: sends, edits and checks the messages that are due.",
    "clock": "The time, in UTC.",
    "run_counts": "What the runs of this process have done, counted for `lol-dagster once`.",
}


def resources(app: AppContext | None = None) -> dict[str, dg.ResourceDefinition]:
    """Dagster's resources, by name.

    Args:
        app: Where their values come from; by default from what the environment describes, read
            when a run or a tick begins and never at import.
    """

    def resource(name: str) -> dg.ResourceDefinition:
        def value(context: dg.InitResourceContext) -> object:
            return getattr(app or _context_of_process(context), name)

        return dg.ResourceDefinition(value, description=_DESCRIPTIONS[name])

    return {name: resource(name) for name in _DESCRIPTIONS}


def _context_of_process(context: dg.InitResourceContext) -> AppContext:
    settings = load_settings()
    # Run workers are processes that Dagster starts: nobody before us could do it.
    start_logging(settings, RUN_WORKER if context.run is not None else "code-server")
    app = _context_for(settings)
    # Which a launcher has started: then this process is for this run alone. `once` has no launcher.
    if context.run is not None and context.run.status != dg.DagsterRunStatus.NOT_STARTED:
        assert context.instance is not None, "a run has an instance"
        begin_work(context.instance, context.run, app.database)
    return app


# A long-lived code server evaluates a sensor every few seconds: one engine serves them all, and a
# changed setting opens a new one.
_context_for = lru_cache(maxsize=2)(AppContext)
