"""Finding out what became of a POST before it is repeated: by a look into the channel's history, or,
where there is none, by what else protects from telling twice.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lol_dagster.delivery.landing import Step, back, backoff, blocked, delivered, later, park
from lol_dagster.delivery.states import (
    LONG_AGO,
    Absent,
    Blind,
    Blocked,
    Delete,
    Found,
    Moment,
    NotSeen,
    Row,
    Scan,
    Send,
    Terms,
)

UNKNOWABLE = "nobody can tell whether it was posted"


def begin(row: Row, now: Moment, terms: Terms) -> Step:
    """The first step under a claim of a row that may have been sent."""
    if not terms.read_back:
        if nonce_protects(row, now, terms):
            return row, (Send("POST"),)
        if not terms.resend:
            return park(row, UNKNOWABLE), ()
        if _exhausted(row, now, terms):
            return park(row, f"uncertain after {row.uncertain_rounds} tries"), ()
    if row.settle_until is not None and now.at < row.settle_until:
        return back(row, later(now, row.settle_until - now.at), row.last_error), ()
    return row, (Scan(row.after_id) if terms.read_back else Send("POST"),)


def nonce_protects(row: Row, now: Moment, terms: Terms) -> bool:
    """Whether a second POST would surely be dropped: the remote still remembers the nonce."""
    first_sent_at = LONG_AGO if row.first_sent_at is None else row.first_sent_at
    return terms.nonce and now.at - first_sent_at < terms.timing.nonce_alone


def concluded(
    row: Row, event: Found | Absent | Blind | NotSeen | Blocked, now: Moment, terms: Terms
) -> Step:
    """What the look into the channel's history says."""
    match event:
        case Found(remote_id, rev, extras):
            row = delivered(row, remote_id, rev, "scan", now)
            return row, tuple(Delete(extra) for extra in extras)
        case Blind(reason):
            return _unresolved(row, reason, None, now, terms), ()
        case NotSeen(reason, retry_after):
            return _unresolved(row, reason, retry_after, now, terms), ()
        case Blocked(reason):
            return blocked(row, reason, now, terms), ()
        case Absent(after_server_error):
            row = replace(row, proven_absent=row.proven_absent + after_server_error)
            if row.proven_absent >= terms.timing.park_absent:
                return park(row, f"{row.proven_absent} server errors, none of them posted it"), ()
            if _exhausted(row, now, terms):
                return park(row, f"not posted after {row.uncertain_rounds} tries"), ()
            return row, (Send("POST"),)


def _unresolved(row: Row, reason: str, retry_after: float | None, now: Moment, terms: Terms) -> Row:
    row = replace(row, uncertain_rounds=row.uncertain_rounds + 1)
    if _exhausted(row, now, terms):
        return park(row, reason)
    wait = backoff(row.uncertain_rounds - 1, now, terms) if retry_after is None else retry_after
    return back(row, later(now, wait), reason)


def _exhausted(row: Row, now: Moment, terms: Terms) -> bool:
    limit = timedelta(seconds=terms.timing.park_after)
    return row.uncertain_rounds >= terms.timing.park_rounds or (
        row.uncertain_since is not None and now.wall - row.uncertain_since >= limit
    )


def resend_wait(row: Row, now: Moment, terms: Terms) -> float:
    """How much longer than the settling time to wait after the n-th uncertain POST.

    Not at all the first time: most of these were posted, and the look into the channel shows it. A
    server error proven to have posted nothing weighs three times: an hour's outage must not park.
    """
    if row.uncertain_rounds == 1:
        return 0.0
    return backoff(row.uncertain_rounds - 1 + 2 * row.proven_absent, now, terms)
