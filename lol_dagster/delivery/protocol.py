"""The pure core of the delivery protocol: `step(row, event, now, terms) -> (row, effects)`.

No database, no network, no clock, no chance: those who call it bring them along in `Moment`. What
keeps a message from being posted twice is all in here:

- no POST before `Intend` has set `sent_maybe`, which the caller makes durable first;
- after that no POST without `Absent` (the channel was seen, with a witness, after the settling
  time), or with Discord's nonce while it is surely remembered, or by the operator's own choice;
- a row that may have been sent never goes back to "not sent", unless that very call sent nothing;
- what was told is only ever edited.
"""

from __future__ import annotations

from dataclasses import replace

from lol_dagster.delivery import editing, reconciling
from lol_dagster.delivery.landing import Step, back, backoff, blocked, delivered, later, park, rest
from lol_dagster.delivery.reconciling import nonce_protects
from lol_dagster.delivery.states import (
    LONG_AGO,
    Absent,
    Accepted,
    Answered,
    Blind,
    Blocked,
    Claim,
    Drop,
    Event,
    Found,
    Gone,
    HoldBack,
    Intend,
    MarkDelivered,
    Moment,
    NotSeen,
    NotSent,
    Post,
    PostVerdict,
    Rationed,
    Refused,
    Resend,
    Row,
    Seen,
    Send,
    Terms,
    Uncertain,
    Unmarked,
    Withdraw,
)


def may_send(claim_age: float, terms: Terms) -> bool:
    """Whether a call may begin under a claim of this age (seconds, measured by the claimer from
    before its claim): it must end, with a margin, before anyone else may take the row.
    """
    return claim_age < terms.timing.precheck


def is_retry(row: Row) -> bool:
    """Whether the call that the row is about to make repeats one."""
    return row.edit_rounds > 0 if row.told else row.attempts > 0


def can_wait(row: Row, now: Moment, terms: Terms) -> bool:
    """Whether the call may as well be made later. Not a POST that only Discord's nonce protects:
    that one can be made now, or by nobody but a person.
    """
    knowable = terms.read_back or terms.resend
    return row.told or not row.sent_maybe or knowable or not nonce_protects(row, now, terms)


def step(row: Row, event: Event, now: Moment, terms: Terms) -> Step:
    """Apply one event to a row.

    The caller guarantees that the row is its own: for every event but `Claim` and the operator's
    decisions it stands under the fence of the caller's claim and in state `sending`. A decision
    concerns a row that is neither in anybody's hands nor told.
    """
    match event:
        case Claim(lease_owner):
            return _claim(row, lease_owner, now, terms)
        case Withdraw(reason):
            return _withdrawn(row, reason), ()
        case Resend() | MarkDelivered() | Drop():
            # Whoever may still have the row in hand, from before, is fenced off.
            return _decided(replace(row, fence=row.fence + 1), event, now), ()
        case HoldBack() | Rationed():
            return _held_back(row, event, now), ()
        case Intend(after_id):
            return _intend(row, after_id, now, terms)
        case Answered():
            return _answered(row, event, now, terms), ()
        case Found() | Absent() | Blind():
            return reconciling.concluded(row, event, now, terms)
        case Seen() | Unmarked() | Gone():
            return editing.looked(row, event, now, terms)
        case NotSeen() | Blocked():
            looked = editing.looked if row.told else reconciling.concluded
            return looked(row, event, now, terms)


def _claim(row: Row, lease_owner: str, now: Moment, terms: Terms) -> Step:
    if row.clock != now.epoch:
        # Nothing that was noted on another clock can be compared with this one.
        row = replace(
            row,
            settle_until=None if row.settle_until is None else now.at + terms.settle,
            first_sent_at=None if row.first_sent_at is None else LONG_AGO,
        )
    row = replace(
        row,
        state="sending",
        fence=row.fence + 1,
        lease_owner=lease_owner,
        clock=now.epoch,
        lease_until=now.at + terms.timing.lease,
        due_at=later(now, terms.timing.lease),
    )
    if row.told:
        return editing.begin(row, now, terms)
    if row.sent_maybe:
        return reconciling.begin(row, now, terms)
    return row, (Send("POST"),)


def _withdrawn(row: Row, reason: str) -> Row:
    if row.told:
        return rest(row)
    return replace(row, state="dropped", due_at=None, last_error=reason)


def _decided(row: Row, decision: Resend | MarkDelivered | Drop, now: Moment) -> Row:
    match decision:
        case MarkDelivered(remote_id):
            rev = row.desired_rev if row.sent_rev is None else row.sent_rev
            return delivered(row, remote_id, rev, "operator", now)
        case Drop():
            return replace(row, state="dropped", due_at=None, last_error="dropped by the operator")
        case Resend(look_first):
            if row.sent_maybe and not look_first:
                row = _unsent(row)  # so the operator has decided, at the risk of telling twice
            row = replace(row, uncertain_rounds=0, proven_absent=0)
            if row.sent_maybe:
                row = replace(row, uncertain_since=now.wall)
            return back(row, now.wall, None)


def _held_back(row: Row, event: HoldBack | Rationed, now: Moment) -> Row:
    match event:
        case HoldBack(until, reason):
            return back(row, until, reason)
        case Rationed(until):
            # Waiting for one's turn is not being uncertain: nothing is ever parked for that.
            since = None if row.uncertain_since is None else now.wall
            row = back(row, until, "it waits, as the channel's retries are used up for now")
            return replace(row, uncertain_since=since)


def _intend(row: Row, after_id: str | None, now: Moment, terms: Terms) -> Step:
    if row.told:
        return editing.intend(row, now, terms)
    maybe_before = row.sent_maybe
    if maybe_before and not (terms.read_back or terms.resend or nonce_protects(row, now, terms)):
        return park(row, reconciling.UNKNOWABLE), ()
    row = replace(
        row,
        sent_maybe=True,
        sent_rev=row.desired_rev,
        first_sent_at=now.at if row.first_sent_at is None else row.first_sent_at,
        uncertain_since=row.uncertain_since or now.wall,
        after_id=row.after_id or after_id,
        settle_until=now.at + terms.timing.call + terms.settle,
        attempts=row.attempts + 1,
    )
    return row, (Post(row.desired_rev, maybe_before),)


def _answered(row: Row, event: Answered, now: Moment, terms: Terms) -> Row:
    if row.told:
        return editing.answered(row, event.verdict, now, terms)
    return _posted(row, event.verdict, event.maybe_before, now, terms)


def _posted(row: Row, verdict: PostVerdict, maybe_before: bool, now: Moment, terms: Terms) -> Row:
    if isinstance(verdict, NotSent | Blocked | Refused) and not maybe_before:
        row = _unsent(row)
    match verdict:
        case Accepted(remote_id, rev):
            return delivered(row, remote_id, rev, "response", now)
        case Gone(reason):
            row = delivered(row, None, row.desired_rev, "nonce_deleted", now)
            return replace(row, remote_deleted=True, last_error=reason)
        case NotSent(reason, retry_after):
            wait = backoff(row.attempts, now, terms) if retry_after is None else retry_after
            return back(row, later(now, wait), reason)
        case Blocked(reason):
            return blocked(row, reason, now, terms)
        case Refused(reason):
            return park(row, reason)
        case Uncertain(reason):
            row = replace(
                row,
                settle_until=now.at + terms.settle,
                uncertain_rounds=row.uncertain_rounds + 1,
            )
            return back(
                row, later(now, terms.settle + reconciling.resend_wait(row, now, terms)), reason
            )


def _unsent(row: Row) -> Row:
    """The first POST of all provably sent nothing."""
    return replace(
        row,
        sent_maybe=False,
        sent_rev=None,
        first_sent_at=None,
        uncertain_since=None,
        after_id=None,
        settle_until=None,
    )
