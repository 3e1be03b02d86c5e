"""Quarantined games: what is wrong with them, and what a person decides about them.

A game is quarantined by the stage that failed on it (process.py). Here people see why, have it tried
again, or ignore it for good. Each decision is in the audit trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.errors import UserError
from lol_dagster.pipeline.match import IGNORABLE, Ignored
from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.records import open_quarantine, record
from lol_dagster.pipeline.run_requests import Progress, latest_progress, request_run
from lol_dagster.storage.audit import add_entry, entries_about
from lol_dagster.storage.models import AuditEntry, Match, Payload, Quarantine, RunRequest

Which = Literal["open", "closed", "all"]

_RETRIED = ("quarantined", "ignored")


class NotQuarantinedError(UserError):
    """The decision makes no sense for this game."""


@dataclass(frozen=True)
class QuarantineRecord:
    """A game on which a stage failed."""

    match: Match
    row: Quarantine
    """The open row, or the last one that was closed."""
    earlier: Sequence[Quarantine]
    """The rows before it, oldest first."""
    payload: Payload | None
    """What Riot gave, without its bytes; None: nothing is archived."""
    request: Progress | None
    """How far the last request to try it again has come."""
    decisions: Sequence[AuditEntry]
    """What people have decided about the game, oldest first."""

    @property
    def current_code_version(self) -> str:
        """Of the stage that failed; it is tried again by itself when this changes."""
        return CODE_VERSIONS.get(self.row.stage, "")


def list_quarantined(
    session: Session, which: Which = "open", *, limit: int = 1000
) -> Sequence[Quarantine]:
    """Quarantine rows, the newest first."""
    rows = select(Quarantine).order_by(Quarantine.id.desc()).limit(limit)
    if which == "open":
        rows = rows.where(Quarantine.closed_at.is_(None))
    elif which == "closed":
        rows = rows.where(Quarantine.closed_at.is_not(None))
    return session.scalars(rows).all()


def show_quarantined(session: Session, match_id: str) -> QuarantineRecord:
    """Everything about a game that is or was quarantined.

    Raises:
        NotQuarantinedError: it never was.
    """
    match = session.get(Match, match_id)
    rows = session.scalars(
        select(Quarantine).where(Quarantine.match_id == match_id).order_by(Quarantine.id)
    ).all()
    if match is None or not rows:
        raise _refusal(match_id, match, "was never quarantined")
    return QuarantineRecord(
        match=match,
        row=rows[-1],
        earlier=rows[:-1],
        payload=session.get(Payload, match_id),
        request=latest_progress(session, match_id),
        decisions=entries_about(session, Match, match_id),
    )


def retry(session: Session, match_id: str, who: str, *, now: datetime) -> RunRequest:
    """Have a quarantined or ignored game tried again.

    Raises:
        NotQuarantinedError: it is neither.
    """
    match = session.get(Match, match_id)
    if match is None or match.state not in _RETRIED:
        raise _refusal(match_id, match, "cannot be tried again as a quarantined game")
    return request_run(session, match_id, who, f"retry of a game {_state(match)}", now=now)


def retry_all(session: Session, who: str, *, now: datetime) -> list[RunRequest]:
    """Have all quarantined games tried again, the oldest first; ignored ones stay ignored."""
    match_ids = session.scalars(
        select(Quarantine.match_id).where(Quarantine.closed_at.is_(None)).order_by(Quarantine.id)
    ).all()
    return [
        request_run(session, match_id, who, "retry of all games quarantined", now=now)
        for match_id in match_ids
    ]


def ignore(session: Session, match_id: str, who: str, reason: str, *, now: datetime) -> Match:
    """Leave a game as it is that is quarantined, or that Riot does not give: it is not reported any
    more, and nothing tries it again.

    What a run that is under way finds out does not count. `retry` takes it back.

    Raises:
        NotQuarantinedError: it is neither.
    """
    match = session.get(Match, match_id, with_for_update=True)
    if match is None or match.state not in IGNORABLE:
        raise _refusal(match_id, match, "cannot be ignored")
    row, state = open_quarantine(session, match_id), match.state
    record(session, match_id, Ignored(), now)
    add_entry(
        session,
        match,
        "ignored",
        who=who,
        at=now,
        before={"state": state, "stage": row and row.stage, "error": row and row.error},
        after={"state": "ignored", "reason": reason},
    )
    session.flush()
    return match


def _refusal(match_id: str, match: Match | None, what: str) -> NotQuarantinedError:
    state = "not known" if match is None else _state(match)
    return NotQuarantinedError(
        f"the game {match_id} is {state} and {what}: 'lol-dagster quarantine list' shows "
        "which are quarantined"
    )


def _state(match: Match) -> str:
    return match.state.replace("_", " ")
