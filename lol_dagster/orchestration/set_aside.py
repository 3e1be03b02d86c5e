"""Which quarantined games want a run of their own."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
from sqlalchemy import or_, select

from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.records import note_run_lost
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Quarantine

QUARANTINE_TAG = "lol/quarantined"
"""On the run of its own in which a quarantined game fails for all to see."""
RUN_KEY_TAG = "dagster/run_key"
_LOOKED_AT = 200


@dataclass(frozen=True)
class WaitingGame:
    row_id: int
    match_id: str
    stage: str
    run_key: str
    """Different for each reason to run: the first showing, and each later code version."""

    @property
    def tags(self) -> dict[str, str]:
        """Of the run: what the list of runs shows of it."""
        return {QUARANTINE_TAG: self.stage, "lol/games": self.match_id}


def to_show(instance: dg.DagsterInstance, database: Database, *, limit: int) -> list[WaitingGame]:
    """Open quarantine rows whose failure no run has shown yet, or whose stage has changed since.

    One whose run has ended without a verdict (a worker that was killed, a run that somebody
    cancelled) counts as shown by it: that run is red, and its key is spent.
    """
    waiting = []
    for game in _waiting(database):
        records = instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: game.run_key}), limit=1)
        if not records:
            waiting.append(game)
        elif records[0].dagster_run.is_finished:
            note_run_lost(
                database,
                game.row_id,
                records[0].dagster_run.run_id,
                stage=game.stage,
                code_version=_version(game.stage),
            )
        if len(waiting) == limit:
            break
    return waiting


def _waiting(database: Database) -> list[WaitingGame]:
    changed = [
        (Quarantine.stage == stage) & (Quarantine.code_version != version)
        for stage, version in CODE_VERSIONS.items()
    ]
    with database.reading() as session:
        rows = session.scalars(
            select(Quarantine)
            .where(
                Quarantine.closed_at.is_(None),
                or_(Quarantine.shown_run_id.is_(None), *changed),
            )
            .order_by(Quarantine.id)
            .limit(_LOOKED_AT)
        ).all()
    return [
        WaitingGame(row.id, row.match_id, row.stage, f"quarantined:{row.id}:{_version(row.stage)}")
        for row in rows
    ]


def _version(stage: str) -> str:
    # Rows outlive code: one of a stage that there is no more must not keep the others from a run.
    return CODE_VERSIONS.get(stage, "")
