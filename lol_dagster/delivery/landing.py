"""Where a step leaves a row: told, at rest, waiting, blocked or parked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from lol_dagster.delivery.states import Effect, Moment, Row, Terms

Step = tuple[Row, tuple[Effect, ...]]
"""A row as a step leaves it, and what is to be done next."""


def delivered(row: Row, remote_id: str | None, rev: int, evidence: str, now: Moment) -> Row:
    return replace(
        row,
        state="delivered",
        remote_id=remote_id,
        remote_rev=rev,
        evidence=evidence,
        delivered_at=now.wall,
        due_at=None if rev == row.desired_rev else now.wall,
        settle_until=None,
        uncertain_since=None,
        last_error=None,
    )


def rest(row: Row) -> Row:
    """Delivered, and nothing to do until the text changes."""
    return replace(row, state="delivered", due_at=None, settle_until=None, edit_rounds=0)


def back(row: Row, due_at: datetime, reason: str | None) -> Row:
    """Out of `sending`, to be claimed again at `due_at`."""
    state = "delivered" if row.told else "uncertain" if row.sent_maybe else "pending"
    return replace(row, state=state, due_at=due_at, last_error=reason)


def blocked(row: Row, reason: str, now: Moment, terms: Terms) -> Row:
    """`uncertain` stays, and stays to be seen: it is the more important truth."""
    row = back(row, later(now, terms.timing.probe), reason)
    return replace(row, state="blocked") if row.state == "pending" else row


def park(row: Row, reason: str) -> Row:
    return replace(row, state="needs_review", due_at=None, last_error=reason)


def later(now: Moment, seconds: float) -> datetime:
    return now.wall + timedelta(seconds=seconds)


def backoff(round_number: int, now: Moment, terms: Terms) -> float:
    """Full jitter: a random part of the backoff of the 1st, 2nd, … repetition."""
    waits = terms.timing.backoff
    return now.jitter * waits[max(0, min(round_number, len(waits)) - 1)]
