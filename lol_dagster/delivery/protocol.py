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
from datetime import datetime, timedelta

from lol_dagster.delivery.states import (
    LONG_AGO,
    Absent,
    Accepted,
    Answered,
    Blind,
    Blocked,
    ChannelRemoved,
    Claim,
    Delete,
    Drop,
    Effect,
    Event,
    Found,
    Get,
    Gone,
    HoldBack,
    Intend,
    MarkDelivered,
    Moment,
    NotSeen,
    NotSent,
    Patch,
    Post,
    PostVerdict,
    Refused,
    Resend,
    Row,
    Scan,
    Seen,
    Send,
    Terms,
    Uncertain,
)

Step = tuple[Row, tuple[Effect, ...]]

UNKNOWABLE = "nobody can tell whether it was posted"
UNEDITABLE = "the text has changed since, and this kind of channel cannot edit"


def may_send(claim_age: float, terms: Terms) -> bool:
    """Whether a call may begin under a claim of this age (seconds, measured by the claimer from
    before its claim): it must end, with a margin, before anyone else may take the row.
    """
    return claim_age < terms.timing.precheck


def step(row: Row, event: Event, now: Moment, terms: Terms) -> Step:
    """Apply one event to a row.

    The caller guarantees that the row is its own: for every event but `Claim` and the operator's
    decisions it stands under the fence of the caller's claim and in state `sending`. A decision
    concerns a row that is neither in anybody's hands nor told.
    """
    match event:
        case Claim(holder):
            return _claim(row, holder, now, terms)
        case ChannelRemoved():
            return _removed(row), ()
        case Resend() | MarkDelivered() | Drop():
            # Whoever may still have the row in hand, from before, is fenced off.
            return _decided(replace(row, fence=row.fence + 1), event, now), ()
        case HoldBack(until, reason):
            return _back(row, until, reason), ()
        case Intend(anchor):
            return _intend(row, anchor, now, terms)
        case Found() | Absent() | Blind():
            return _reconciled(row, event, now, terms)
        case Seen(rev):
            return _seen(row, rev, now, terms)
        case Answered():
            return _answered(row, event, now, terms), ()
        case Gone() | Blocked() | NotSeen():
            return _unread(row, event, now, terms), ()


# --- claiming ------------------------------------------------------------------------------------


def _claim(row: Row, holder: str, now: Moment, terms: Terms) -> Step:
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
        holder=holder,
        clock=now.epoch,
        lease_until=now.at + terms.timing.lease,
        due_at=_later(now, terms.timing.lease),
    )
    if row.told:
        return _begin_edit(row, now, terms)
    if row.sent_maybe:
        return _begin_reconcile(row, now, terms)
    return row, (Send("POST"),)


def _begin_reconcile(row: Row, now: Moment, terms: Terms) -> Step:
    if not terms.read_back:
        if _nonce_protects(row, now, terms):
            return row, (Send("POST"),)
        if not terms.resend:
            return _park(row, UNKNOWABLE), ()
        if _exhausted(row, now, terms):
            return _park(row, f"uncertain after {row.uncertain_rounds} tries"), ()
    if row.settle_until is not None and now.at < row.settle_until:
        return _back(row, _later(now, row.settle_until - now.at), row.last_error), ()
    return row, (Scan(row.anchor) if terms.read_back else Send("POST"),)


def _nonce_protects(row: Row, now: Moment, terms: Terms) -> bool:
    """Whether a second POST would surely be dropped: the remote still remembers the nonce."""
    first_sent_at = LONG_AGO if row.first_sent_at is None else row.first_sent_at
    return terms.nonce and now.at - first_sent_at < terms.timing.nonce_alone


def _begin_edit(row: Row, now: Moment, terms: Terms) -> Step:
    if row.remote_gone or (row.remote_rev == row.desired_rev and row.settle_until is None):
        return _rest(row), ()
    if row.remote_id is None or not terms.edit:
        return replace(_rest(row), last_error=UNEDITABLE), ()
    if row.settle_until is None:
        return row, (Send("PATCH"),)
    if now.at < row.settle_until:
        # A PATCH that went unanswered may still land: another one before that could be overtaken.
        return _back(row, _later(now, row.settle_until - now.at), row.last_error), ()
    return row, (Get(row.remote_id),)


def _removed(row: Row) -> Row:
    if row.told:
        return _rest(row)
    return replace(row, state="dropped", due_at=None, last_error="its channel was removed")


def _decided(row: Row, decision: Resend | MarkDelivered | Drop, now: Moment) -> Row:
    match decision:
        case MarkDelivered(remote_id):
            rev = row.desired_rev if row.sent_rev is None else row.sent_rev
            return _delivered(row, remote_id, rev, "operator", now)
        case Drop():
            return replace(row, state="dropped", due_at=None, last_error="dropped by the operator")
        case Resend(look_first):
            if row.sent_maybe and not look_first:
                row = _unsent(row)  # so the operator has decided, at the risk of telling twice
            row = replace(row, uncertain_rounds=0, proven_absent=0)
            if row.sent_maybe:
                row = replace(row, uncertain_since=now.wall)
            return _back(row, now.wall, None)


# --- sending -------------------------------------------------------------------------------------


def _intend(row: Row, anchor: str | None, now: Moment, terms: Terms) -> Step:
    settle_until = now.at + terms.timing.call + terms.settle
    if row.told:
        assert row.remote_id is not None, "an edit begins only where there is something to edit"
        return replace(row, settle_until=settle_until), (Patch(row.remote_id, row.desired_rev),)
    maybe_before = row.sent_maybe
    if maybe_before and not (terms.read_back or terms.resend or _nonce_protects(row, now, terms)):
        return _park(row, UNKNOWABLE), ()
    row = replace(
        row,
        sent_maybe=True,
        sent_rev=row.desired_rev,
        first_sent_at=now.at if row.first_sent_at is None else row.first_sent_at,
        uncertain_since=row.uncertain_since or now.wall,
        anchor=row.anchor or anchor,
        settle_until=settle_until,
        attempts=row.attempts + 1,
    )
    return row, (Post(row.desired_rev, maybe_before),)


def _answered(row: Row, event: Answered, now: Moment, terms: Terms) -> Row:
    if row.told:
        return _edited(row, event.verdict, now, terms)
    return _posted(row, event.verdict, event.maybe_before, now, terms)


def _posted(row: Row, verdict: PostVerdict, maybe_before: bool, now: Moment, terms: Terms) -> Row:
    if isinstance(verdict, NotSent | Blocked | Refused) and not maybe_before:
        row = _unsent(row)
    match verdict:
        case Accepted(remote_id, rev):
            return _delivered(row, remote_id, rev, "response", now)
        case Gone(reason):
            row = _delivered(row, None, row.desired_rev, "nonce_deleted", now)
            return replace(row, remote_gone=True, last_error=reason)
        case NotSent(reason, retry_after):
            wait = _wait(row.attempts, now, terms) if retry_after is None else retry_after
            return _back(row, _later(now, wait), reason)
        case Blocked(reason):
            return _blocked(row, reason, now, terms)
        case Refused(reason):
            return _park(row, reason)
        case Uncertain(reason):
            row = replace(
                row,
                settle_until=now.at + terms.settle,
                uncertain_rounds=row.uncertain_rounds + 1,
            )
            return _back(row, _later(now, terms.settle + _resend_wait(row, now, terms)), reason)


def _blocked(row: Row, reason: str, now: Moment, terms: Terms) -> Row:
    """`uncertain` stays, and stays to be seen: it is the more important truth."""
    row = _back(row, _later(now, terms.timing.probe), reason)
    return replace(row, state="blocked") if row.state == "pending" else row


def _unsent(row: Row) -> Row:
    """The first POST of all provably sent nothing."""
    return replace(
        row,
        sent_maybe=False,
        sent_rev=None,
        first_sent_at=None,
        uncertain_since=None,
        anchor=None,
        settle_until=None,
    )


# --- reconciling ---------------------------------------------------------------------------------


def _reconciled(row: Row, event: Found | Absent | Blind, now: Moment, terms: Terms) -> Step:
    match event:
        case Found(remote_id, rev, extras):
            row = _delivered(row, remote_id, rev, "scan", now)
            return row, tuple(Delete(extra) for extra in extras)
        case Blind(reason):
            return _unresolved(row, reason, None, now, terms), ()
        case Absent(after_server_error):
            row = replace(row, proven_absent=row.proven_absent + after_server_error)
            if row.proven_absent >= terms.timing.park_absent:
                return _park(row, f"{row.proven_absent} server errors, none of them posted it"), ()
            if _exhausted(row, now, terms):
                return _park(row, f"not posted after {row.uncertain_rounds} tries"), ()
            return row, (Send("POST"),)


def _unread(row: Row, event: Gone | Blocked | NotSeen, now: Moment, terms: Terms) -> Row:
    """The look into the channel's history, or at the posted message, brought no picture."""
    match event:
        case Blocked(reason):
            return _blocked(row, reason, now, terms)
        case NotSeen(reason, retry_after) if row.told:
            return _repeat_edit(row, reason, retry_after, now, terms)
        case NotSeen(reason, retry_after):
            return _unresolved(row, reason, retry_after, now, terms)
        case Gone(reason):
            return replace(_rest(row), remote_gone=True, last_error=reason)


def _unresolved(row: Row, reason: str, retry_after: float | None, now: Moment, terms: Terms) -> Row:
    row = replace(row, uncertain_rounds=row.uncertain_rounds + 1)
    if _exhausted(row, now, terms):
        return _park(row, reason)
    wait = _wait(row.uncertain_rounds - 1, now, terms) if retry_after is None else retry_after
    return _back(row, _later(now, wait), reason)


def _exhausted(row: Row, now: Moment, terms: Terms) -> bool:
    limit = timedelta(seconds=terms.timing.park_after)
    return row.uncertain_rounds >= terms.timing.park_rounds or (
        row.uncertain_since is not None and now.wall - row.uncertain_since >= limit
    )


# --- editing -------------------------------------------------------------------------------------


def _edited(row: Row, verdict: PostVerdict, now: Moment, terms: Terms) -> Row:
    match verdict:
        case Accepted(_, rev):
            return _standing(row, rev, now, terms)
        case Gone(reason):
            return replace(_rest(row), remote_gone=True, last_error=reason)
        case Refused(reason):
            return replace(_rest(row), last_error=reason)
        case Blocked(reason):
            return _blocked(replace(row, settle_until=None), reason, now, terms)
        case NotSent(reason, retry_after):
            row = replace(row, settle_until=None)
            return _repeat_edit(row, reason, retry_after, now, terms)
        case Uncertain(reason):
            row = replace(row, settle_until=now.at + terms.settle)
            return _repeat_edit(row, reason, terms.settle, now, terms)


def _seen(row: Row, rev: int, now: Moment, terms: Terms) -> Step:
    if rev == row.desired_rev:
        return _standing(row, rev, now, terms), ()
    return replace(row, remote_rev=rev, settle_until=None), (Send("PATCH"),)


def _standing(row: Row, rev: int, now: Moment, terms: Terms) -> Row:
    """The remote shows revision `rev`: at rest, or due again at once if that is not the newest."""
    advanced = row.remote_rev is None or rev > row.remote_rev
    row = replace(row, remote_rev=rev)
    if rev == row.desired_rev:
        return replace(_rest(row), last_error=None)
    rounds = 0 if advanced else row.edit_rounds + 1
    if rounds >= terms.timing.edit_rounds:
        return replace(_rest(row), last_error=f"the text stays at revision {rev}")
    return _back(replace(row, settle_until=None, edit_rounds=rounds), now.wall, None)


def _repeat_edit(
    row: Row, reason: str, retry_after: float | None, now: Moment, terms: Terms
) -> Row:
    row = replace(row, edit_rounds=row.edit_rounds + 1)
    if row.edit_rounds >= terms.timing.edit_rounds:
        return replace(_rest(row), last_error=reason)
    wait = _wait(row.edit_rounds, now, terms) if retry_after is None else retry_after
    return _back(row, _later(now, wait), reason)


# --- where a step leaves a row -------------------------------------------------------------------


def _delivered(row: Row, remote_id: str | None, rev: int, evidence: str, now: Moment) -> Row:
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


def _rest(row: Row) -> Row:
    """Delivered, and nothing to do until the text changes."""
    return replace(row, state="delivered", due_at=None, settle_until=None, edit_rounds=0)


def _back(row: Row, due_at: datetime, reason: str | None) -> Row:
    """Out of `sending`, to be claimed again at `due_at`."""
    state = "delivered" if row.told else "uncertain" if row.sent_maybe else "pending"
    return replace(row, state=state, due_at=due_at, last_error=reason)


def _park(row: Row, reason: str) -> Row:
    return replace(row, state="parked", due_at=None, last_error=reason)


def _later(now: Moment, seconds: float) -> datetime:
    return now.wall + timedelta(seconds=seconds)


def _wait(round_number: int, now: Moment, terms: Terms) -> float:
    """Full jitter: a random part of the backoff of the 1st, 2nd, … repetition."""
    backoff = terms.timing.backoff
    return now.dice * backoff[max(0, min(round_number, len(backoff)) - 1)]


def _resend_wait(row: Row, now: Moment, terms: Terms) -> float:
    """How much longer than the settling time to wait after the n-th uncertain POST.

    Not at all the first time: most of these were posted, and the look into the channel shows it. A
    server error proven to have posted nothing weighs three times: an hour's outage must not park.
    """
    if row.uncertain_rounds == 1:
        return 0.0
    return _wait(row.uncertain_rounds - 1 + 2 * row.proven_absent, now, terms)
