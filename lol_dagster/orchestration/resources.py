"""What every stage needs, opened together: settings, database, Riot, channels, the time.

Dagster's assets, sensors and checks take it as the resource `app`; `lol-dagster once` and the
tests make one of their own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache

import dagster as dg

from lol_dagster.delivery.deliver import Deliverer, deliverer
from lol_dagster.logs.writing import start_logging
from lol_dagster.orchestration.run_counts import RunCounts
from lol_dagster.orchestration.run_workers import begin_work
from lol_dagster.riot.client import RiotClient, riot_client
from lol_dagster.riot.discovery import DiscoveryReport
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.schema import open_database


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class AppContext:
    """The rooms' doors. Nothing is opened before it is used."""

    settings: Settings
    now: Callable[[], datetime] = utc_now
    run_counts: RunCounts = field(default_factory=RunCounts)
    step: Callable[[], None] = lambda: None
    """Called after each game that was processed, for whoever shows how far it is."""
    discovery: DiscoveryReport | None = None
    """What the last look at the match lists in this process brought."""

    @cached_property
    def database(self) -> Database:
        return open_database(self.settings)

    @cached_property
    def riot(self) -> RiotClient:
        return riot_client(self.settings, self.database)

    @cached_property
    def deliverer(self) -> Deliverer:
        return deliverer(self.settings, self.database)


# A long-lived code server evaluates a sensor every few seconds: one engine serves them all, and a
# changed setting opens a new app.
_app_for = lru_cache(maxsize=2)(AppContext)


class AppResource(dg.ConfigurableResource[AppContext]):
    """The application as the environment describes it, read when a step or a tick begins."""

    def create_resource(self, context: dg.InitResourceContext) -> AppContext:
        settings = load_settings()
        # Run workers are processes that Dagster starts: nobody before us could do it.
        start_logging(settings, "run-worker" if context.run is not None else "code-server")
        # A run worker is a process that the code server has spawned for one run.
        if context.run is not None and multiprocessing.parent_process() is not None:
            assert context.instance is not None, "a run has an instance"
            begin_work(context.instance, context.run)
        return _app_for(settings)
