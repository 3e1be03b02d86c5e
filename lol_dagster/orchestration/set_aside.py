"""Which set-aside games want a run of their own."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select

from lol_dagster.operations.stages import CODE_VERSIONS
from lol_dagster.orchestration.house import House
from lol_dagster.storage.models import Quarantine

SET_ASIDE_TAG = "lol/set-aside"
"""On the run of its own in which a set-aside game fails for all to see."""


@dataclass(frozen=True)
class WaitingGame:
    match_id: str
    stage: str
    run_key: str
    """Different for each reason to run: the first showing, and each later code version."""

    @property
    def tags(self) -> dict[str, str]:
        """Of the run: what the list of runs shows of it."""
        return {SET_ASIDE_TAG: self.stage, "lol/games": self.match_id}


def to_show(house: House, *, limit: int | None) -> list[WaitingGame]:
    """Open quarantine rows whose failure no run has shown yet, or whose stage has changed since."""
    changed = [
        (Quarantine.stage == stage) & (Quarantine.code_version != version)
        for stage, version in CODE_VERSIONS.items()
    ]
    with house.database.reading() as session:
        rows = session.scalars(
            select(Quarantine)
            .where(
                Quarantine.closed_at.is_(None),
                or_(Quarantine.shown_run_id.is_(None), *changed),
            )
            .order_by(Quarantine.id)
            .limit(limit)
        ).all()
    return [
        WaitingGame(row.match_id, row.stage, f"set-aside:{row.id}:{CODE_VERSIONS[row.stage]}")
        for row in rows
    ]
