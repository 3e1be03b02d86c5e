"""Jobs whose last run failed for good, until a run of theirs succeeds; and where to see runs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact, FailedJob
from lol_dagster.storage.upsert import insert_if_absent

_UI_URL = "ui-url"


def note_failed_run(database: Database, job: str, run_id: str, error: str, now: datetime) -> None:
    """Remember that a run failed that will not be tried again.

    Args:
        error: In Dagster's words; may be long.
    """
    line = " ".join(error.split())[:500] or "it failed"
    first = {"job": job, "run_id": run_id, "failed_at": now, "since": now, "error": line}
    with database.writing() as session:
        if not insert_if_absent(session, FailedJob, [first]):
            row = session.get_one(FailedJob, job, with_for_update=True)
            row.run_id, row.failed_at, row.error = run_id, now, line


def known_failed_jobs(session: Session) -> list[tuple[str, datetime]]:
    """Each with when its last run failed."""
    rows = session.execute(select(FailedJob.job, FailedJob.failed_at).order_by(FailedJob.job))
    return [(job, failed_at) for job, failed_at in rows]


def forget_job(session: Session, job: str, failed_at: datetime) -> None:
    """A run of the job has succeeded since; unless it has failed again meanwhile."""
    session.execute(delete(FailedJob).where(FailedJob.job == job, FailedJob.failed_at == failed_at))


def note_ui_url(database: Database, url: str) -> None:
    """Remember where Dagster's UI answers, for links to runs."""
    with database.writing() as session:
        session.merge(Fact(name=_UI_URL, value=url))


def ui_url(session: Session) -> str | None:
    """Where Dagster's UI answers, if it has ever run."""
    url: str | None = session.scalar(select(Fact.value).where(Fact.name == _UI_URL))
    return url


def run_link(session: Session, run_id: str) -> str:
    """The run's page, if Dagster's UI has ever run; else which run it is."""
    url = ui_url(session)
    return f"{url}/runs/{run_id}" if url else f"run {run_id}"
