"""Asking for a match to be processed, without talking to Dagster.

Whoever asks (a command, a page) writes a row and can watch it: waiting → queued → running → what
came of it. A sensor turns rows into runs; while no daemon runs they wait. Whichever run starts with
the match first completes its requests, so nothing is done twice for having been asked for twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.errors import UserError
from lol_dagster.pipeline.match import RunOutcome, RunRequested
from lol_dagster.pipeline.records import add_request, record
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import NotFound, RiotError
from lol_dagster.riot.routing import validate_match_id
from lol_dagster.storage.audit import add_entry
from lol_dagster.storage.models import Match, RunRequest

log = logging.getLogger(__name__)

ProgressState = Literal["waiting", "queued", "running"] | RunOutcome


class NoSuchGameError(UserError):
    """Riot has no match of this id."""


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
    """Ask for a match to be taken through all stages (again), whatever its state.

    Any well-formed id will do, also one that nobody's list has shown. A match that was given up is
    asked for again, for another 48 hours. A request that no run has started yet is not repeated.

    Raises:
        InvalidMatchId: it is not of Riot's form.
    """
    record(session, validate_match_id(match_id), RunRequested(), now)
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
    match, after = session.get_one(Match, match_id), {"reason": reason[:200]}
    add_entry(session, match, "run requested", who=who, at=now, after=after)
    return add_request(session, match_id, who, reason, now=now)


def check_there_is(client: RiotClient, match_id: str) -> None:
    """Ask Riot for a match that no list has shown. It may be asked for later if Riot does not answer.

    Raises:
        NoSuchGameError: Riot has none of this id.
        UnknownPlatform: no route knows matches with this prefix.
    """
    try:
        client.match(match_id)
    except NotFound:
        raise NoSuchGameError(f"Riot has no game {match_id}: check the id") from None
    except RiotError as error:
        log.info("%s: Riot could not be asked: %s", match_id, error)


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
    """Requests that are not completed, oldest first."""
    return session.scalars(
        select(RunRequest)
        .where(RunRequest.finished_at.is_(None))
        .order_by(RunRequest.requested_at, RunRequest.id)
        .limit(limit)
    ).all()
