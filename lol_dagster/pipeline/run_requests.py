"""Asking for a match to be processed, without talking to Dagster.

Whoever asks (a command, a page) writes a row and can watch it: waiting → queued → running → what
came of it. A sensor turns rows into runs; while no daemon runs they wait. Whichever run takes up
the match first works its requests off, so none is done twice for having been asked for twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.errors import UserError
from lol_dagster.riot.routing import validate_match_id
from lol_dagster.storage.audit import add_entry
from lol_dagster.storage.models import Match, RunRequest

RunOutcome = Literal["processed", "quarantined", "delayed", "deferred", "not_found", "failed"]
ProgressState = Literal["waiting", "queued", "running"] | RunOutcome

_NEVER_FETCHED = ("listed", "not_found")
# Its own run comes first, and if that cannot be had the ordinary batches take the match up.
_BATCHES_TAKE_OVER_AFTER = timedelta(minutes=10)


class UnknownRequestError(UserError):
    """There is no request of this number."""


@dataclass(frozen=True)
class Progress:
    """How far a request has come."""

    request_id: int
    match_id: str
    state: ProgressState
    """`waiting` for the daemon, `queued` by it, `running`, or what came of it."""
    at: datetime
    """Since when."""
    run_id: str | None
    """Dagster's run, as soon as there is one."""
    detail: str
    """What came of it, in a line; "" until then."""

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "queued", "running")


def request_run(
    session: Session, match_id: str, who: str, reason: str, *, now: datetime
) -> RunRequest:
    """Ask for a match to be taken through all stages (again), whatever has become of it.

    Any well-formed id will do, also one that nobody's list has shown. A match that was given up is
    taken up again, with all of its 48 hours. A request that no run has taken up yet is not repeated.

    Args:
        who: Who asks, for the audit trail.
        reason: Why, in a few words, such as `reprocess`.

    Raises:
        InvalidMatchId: it is not of Riot's form.
    """
    _make_known(session, validate_match_id(match_id), now)
    waiting = session.scalars(
        select(RunRequest)
        .where(
            RunRequest.match_id == match_id,
            RunRequest.finished_at.is_(None),
            RunRequest.started_at.is_(None),
        )
        .limit(1)
    ).first()
    if waiting is not None:
        return waiting
    request = RunRequest(
        match_id=match_id, requested_at=now, requested_by=who[:120], reason=reason[:200]
    )
    session.add(request)
    match, after = session.get_one(Match, match_id), {"reason": reason[:200]}
    add_entry(session, match, "run requested", who=who, at=now, after=after)
    session.flush()
    return request


def progress(session: Session, request_id: int) -> Progress:
    """How far a request has come.

    Raises:
        UnknownRequestError: there is none, or it was cleared away.
    """
    request = session.get(RunRequest, request_id, populate_existing=True)
    if request is None:
        raise UnknownRequestError(f"there is no request {request_id} for a run")
    return progress_of(request)


def latest_progress(session: Session, match_id: str) -> Progress | None:
    """Of the last request for a match; None if nobody has asked."""
    request = session.scalars(
        select(RunRequest)
        .where(RunRequest.match_id == match_id)
        .order_by(RunRequest.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()
    return None if request is None else progress_of(request)


def progress_of(request: RunRequest) -> Progress:
    """How far the request has come, as the row says."""
    state: ProgressState
    at = request.requested_at
    if request.finished_at is not None:
        state, at = request.outcome or "failed", request.finished_at  # type: ignore[assignment]
    elif request.started_at is not None:
        state, at = "running", request.started_at
    else:
        state = "waiting" if request.run_key is None else "queued"
    return Progress(request.id, request.match_id, state, at, request.run_id, request.detail or "")


def open_requests(session: Session, *, limit: int) -> Sequence[RunRequest]:
    """Requests that are not worked off, those that were made first at the head."""
    return session.scalars(
        select(RunRequest)
        .where(RunRequest.finished_at.is_(None))
        .order_by(RunRequest.requested_at, RunRequest.id)
        .limit(limit)
    ).all()


def note_queued(session: Session, request_ids: Iterable[int], run_key: str) -> None:
    """Note that a run was asked for that will work these off."""
    _update(session, request_ids, run_key=run_key)


def note_run(session: Session, request_ids: Iterable[int], run_id: str) -> None:
    """Note which run it is that was asked for."""
    _update(session, request_ids, run_id=run_id)


def note_lost(session: Session, request_ids: Iterable[int], detail: str, *, now: datetime) -> None:
    """Note that the run of these ended without having worked them off."""
    _update(session, request_ids, outcome="failed", detail=detail[:500], finished_at=now)


def withdraw(session: Session, match_id: str, why: str, *, now: datetime) -> None:
    """Close those requests for a match that no run has taken up yet."""
    waiting = select(RunRequest.id).where(
        RunRequest.match_id == match_id,
        RunRequest.finished_at.is_(None),
        RunRequest.started_at.is_(None),
    )
    note_lost(session, session.scalars(waiting).all(), why, now=now)


def note_started(session: Session, match_id: str, run_id: str, *, now: datetime) -> None:
    """Note that a run takes up a match now, for all who have asked for it."""
    session.execute(
        update(RunRequest)
        .where(RunRequest.match_id == match_id, RunRequest.finished_at.is_(None))
        .values(run_id=run_id, started_at=now)
    )


def note_completed(
    session: Session,
    match_id: str,
    run_id: str,
    outcome: RunOutcome,
    detail: str,
    *,
    now: datetime,
) -> None:
    """Note what came of a match, for all who had asked for it when the run took it up."""
    session.execute(
        update(RunRequest)
        .where(
            RunRequest.match_id == match_id,
            RunRequest.finished_at.is_(None),
            RunRequest.run_id == run_id,
            RunRequest.started_at.is_not(None),
        )
        .values(outcome=outcome, detail=detail[:500], finished_at=now)
    )


def is_asked_for(session: Session, match_id: str) -> bool:
    """Whether somebody's request for the match is not worked off yet."""
    asked = select(RunRequest.id).where(
        RunRequest.match_id == match_id, RunRequest.finished_at.is_(None)
    )
    return session.scalar(asked.limit(1)) is not None


def _make_known(session: Session, match_id: str, now: datetime) -> None:
    later = now + _BATCHES_TAKE_OVER_AFTER
    match = session.get(Match, match_id, with_for_update=True)
    if match is None:
        session.add(Match(match_id=match_id, state="listed", listed_at=now, next_try_at=later))
        session.flush()
    elif match.state in _NEVER_FETCHED:
        match.state = "listed"
        match.tries = 0
        match.first_missing_at = None
        match.next_try_at = min(match.next_try_at or later, later)


def _update(session: Session, request_ids: Iterable[int], **values: object) -> None:
    session.execute(
        update(RunRequest)
        .where(RunRequest.id.in_(list(request_ids)), RunRequest.finished_at.is_(None))
        .values(**values)
    )
