"""A match taken through the stages without Dagster."""

from __future__ import annotations

from datetime import datetime, timedelta

from lol_dagster.orchestration.resources import AppContext
from lol_dagster.pipeline.process import Outcome, process_matches
from lol_dagster.riot.client import RiotClient
from lol_dagster.storage.database import Database


def process(app: AppContext, match_id: str, *, run_id: str = "run") -> Outcome:
    (outcome,) = filter(
        None,
        process_matches(
            app.database,
            app.riot,
            [match_id],
            stale_after=app.settings.stale_after,
            clock=app.clock.now,
            run_id=run_id,
        ),
    )
    return outcome


def process_at(database: Database, riot: RiotClient, match_id: str, now: datetime) -> None:
    """At a moment, for channels that tell games of the last two days."""
    list(
        process_matches(
            database,
            riot,
            [match_id],
            stale_after=timedelta(days=2),
            clock=lambda: now,
            run_id="run",
        )
    )
