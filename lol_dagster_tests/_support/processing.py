"""A match taken through the stages without Dagster."""

from __future__ import annotations

from lol_dagster.orchestration.resources import AppContext
from lol_dagster.pipeline.process import Outcome, process_match


def process(app: AppContext, match_id: str, *, run_id: str = "run") -> Outcome:
    return process_match(
        app.database,
        app.riot,
        match_id,
        stale_after=app.settings.stale_after,
        clock=app.clock.now,
        run_id=run_id,
    )
