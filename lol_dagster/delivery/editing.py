"""Putting a newer text in the place of a posted one: a PATCH, which may be repeated freely."""

from __future__ import annotations

from dataclasses import replace

from lol_dagster.delivery.landing import Step, back, backoff, blocked, later, rest
from lol_dagster.delivery.states import (
    Accepted,
    Blocked,
    Get,
    GetVerdict,
    Gone,
    Moment,
    NotSeen,
    NotSent,
    Patch,
    PostVerdict,
    Refused,
    Row,
    Seen,
    Send,
    Terms,
    Uncertain,
    Unmarked,
)

UNEDITABLE = "the text has changed since, and this kind of channel cannot edit"


def begin(row: Row, now: Moment, terms: Terms) -> Step:
    """The first step under a claim of a told row."""
    if row.remote_deleted or (row.remote_rev == row.desired_rev and row.settle_until is None):
        return rest(row), ()
    if row.remote_id is None or not terms.edit:
        return replace(rest(row), last_error=UNEDITABLE), ()
    if row.settle_until is None:
        return row, (Send("PATCH"),)
    if now.at < row.settle_until:
        # A PATCH that went unanswered may still land: another one before that could be overtaken.
        return back(row, later(now, row.settle_until - now.at), row.last_error), ()
    return row, (Get(row.remote_id),)


def intend(row: Row, now: Moment, terms: Terms) -> Step:
    """The PATCH is about to be sent."""
    assert row.remote_id is not None, "an edit begins only where there is something to edit"
    patch = Patch(row.remote_id, row.desired_rev)
    return replace(row, settle_until=now.at + terms.timing.call + terms.settle), (patch,)


def answered(row: Row, verdict: PostVerdict, now: Moment, terms: Terms) -> Row:
    """The PATCH has ended, this way or another."""
    match verdict:
        case Accepted(_, rev):
            return _standing(row, rev, now, terms)
        case Gone(reason):
            return replace(rest(row), remote_deleted=True, last_error=reason)
        case Refused(reason):
            return replace(rest(row), last_error=reason)
        case Blocked(reason):
            return blocked(replace(row, settle_until=None), reason, now, terms)
        case NotSent(reason, retry_after):
            row = replace(row, settle_until=None)
            return _repeat_edit(row, reason, retry_after, now, terms)
        case Uncertain(reason):
            row = replace(row, settle_until=now.at + terms.settle)
            return _repeat_edit(row, reason, terms.settle, now, terms)


def looked(row: Row, event: GetVerdict, now: Moment, terms: Terms) -> Step:
    """What reading the posted message says: no earlier PATCH is on its way any more."""
    match event:
        case Seen(rev) if rev == row.desired_rev:
            return _standing(row, rev, now, terms), ()
        case Seen(rev):
            return replace(row, remote_rev=rev, settle_until=None), (Send("PATCH"),)
        case Unmarked() | Blocked(dead=False):
            # Whom a channel does not let read may well be allowed to edit.
            return replace(row, settle_until=None), (Send("PATCH"),)
        case Gone(reason):
            return replace(rest(row), remote_deleted=True, last_error=reason), ()
        case NotSeen(reason, retry_after):
            return _repeat_edit(row, reason, retry_after, now, terms), ()
        case Blocked(reason):
            return blocked(row, reason, now, terms), ()


def _standing(row: Row, rev: int, now: Moment, terms: Terms) -> Row:
    """The remote shows revision `rev`: at rest, or due again at once if that is not the newest."""
    advanced = row.remote_rev is None or rev > row.remote_rev
    row = replace(row, remote_rev=rev)
    if rev == row.desired_rev:
        return replace(rest(row), last_error=None)
    rounds = 0 if advanced else row.edit_rounds + 1
    if rounds >= terms.timing.edit_rounds:
        return replace(rest(row), last_error=f"the text stays at revision {rev}")
    return back(replace(row, settle_until=None, edit_rounds=rounds), now.wall, None)


def _repeat_edit(
    row: Row, reason: str, retry_after: float | None, now: Moment, terms: Terms
) -> Row:
    row = replace(row, edit_rounds=row.edit_rounds + 1)
    if row.edit_rounds >= terms.timing.edit_rounds:
        return replace(rest(row), last_error=reason)
    wait = backoff(row.edit_rounds, now, terms) if retry_after is None else retry_after
    return back(row, later(now, wait), reason)
