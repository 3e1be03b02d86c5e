"""The pure core of the delivery protocol: `step(row, event, now, terms) -> (row, effects)`.

No database, no network, no clock, no chance: the caller brings them along in `Moment`. Everything
that keeps a message from being posted twice is in this module:

- no POST before `Intend` has set `sent_maybe`, which the caller makes durable first;
- after that no POST without `Absent` (the channel's history was read to its end, visibly so, after
  the settling time), or with Discord's nonce while it is surely remembered, or by the operator's choice;
- a row that may have been sent never goes back to "not sent", unless that very call sent nothing;
- what was delivered is only ever edited.

In reading order: `step`, claiming, the POST, reconciling (what happened to a POST before it is
repeated), editing, the operator's decisions, changes from outside, and the states in which a step
can leave a row.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from lol_dagster.delivery.model import (
    LONG_AGO,
    LONG_WAIT,
    LONGEST_SETTLING,
    QUIET,
    Absent,
    Accepted,
    Answered,
    Blocked,
    Change,
    Claim,
    ClockPutBack,
    Delete,
    Deleted,
    Drop,
    Effect,
    Event,
    Found,
    Get,
    GetVerdict,
    HoldBack,
    Intend,
    LeftStanding,
    MarkDelivered,
    Moment,
    More,
    NotSeen,
    NotSent,
    OverBudget,
    Patch,
    Post,
    PostVerdict,
    ProbeEnded,
    Refused,
    Reopened,
    Resend,
    Restored,
    Row,
    Scan,
    ScanVerdict,
    Seen,
    Send,
    Terms,
    TextChanged,
    Timing,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
    Withdraw,
)

Step = tuple[Row, tuple[Effect, ...]]
"""A row as a step leaves it, and what is to be done next."""

UNKNOWABLE = "nobody can tell whether it was posted"
UNEDITABLE = "the text has changed since, and cannot be edited where it stands"


def step(row: Row, event: Event, now: Moment, terms: Terms) -> Step:
    """Apply one event to a row.

    The caller guarantees that the row is its own: for every event but `Claim`, a `Change` and the
    operator's decisions it stands under the fence of the caller's claim and in state `sending`. A
    decision concerns a row that is not claimed; `Drop` also a delivered one, whose edit it gives up.
    """
    match event:
        case Claim():
            return _claim(row, event, now, terms)
        case HoldBack() | OverBudget():
            return _hold_back(row, event, now), ()
        case Intend(after_id):
            return _intend(row, after_id, now, terms)
        case Answered():
            return (_patched if row.delivered else _posted)(row, event, now, terms), ()
        case Found() | More() | Absent() | Unclear() | UnreadableHistory():
            return _scanned(row, event, now, terms)
        case Seen() | Unmarked() | Deleted():
            return _read_back(row, event, now, terms)
        case NotSeen() | Blocked():
            return (_read_back if row.delivered else _scanned)(row, event, now, terms)
        case Resend() | MarkDelivered() | Drop():
            # Whoever may still hold a claim, from before, is fenced off.
            return _decide(replace(row, fence=row.fence + 1), event, now), ()
        case _:
            return change(row, event), ()


def event_of(effect: Effect, verdict: Verdict) -> Event:
    """What the answer to a call means to the row for which it was made."""
    match effect:
        case Post(_, maybe_before, before_rev):
            return Answered(cast("PostVerdict", verdict), maybe_before, before_rev)
        case Patch():
            return Answered(cast("PostVerdict", verdict))
        case Delete(_, Found() as rest):
            return rest
    return cast("ScanVerdict | GetVerdict", verdict)


def may_send(claim_age: float, terms: Terms) -> bool:
    """Whether a call may begin under a claim of this age (seconds, measured by the claimer from
    before its claim): it must end, with a margin, before anyone else may take the row.
    """
    return claim_age < terms.timing.precheck


def is_retry(row: Row) -> bool:
    """Whether the call that the row is about to make repeats one."""
    return row.edit_rounds > 0 if row.delivered else row.attempts > 0


def can_wait(row: Row, now: Moment, terms: Terms) -> bool:
    """Whether the call may as well be made later. Not a POST that only Discord's nonce protects:
    that one can be made now, or by nobody but a person.
    """
    knowable = terms.read_back or terms.resend
    return row.delivered or not row.sent_maybe or knowable or not _nonce_protects(row, now, terms)


def keeps_its_text(row: Row, event: Event) -> bool:
    """Whether after this event a message stays without its newest text, for good or until its channel takes
    edits again, or can be searched again, which may be long.
    """
    is_there = row.sent_maybe and row.state in ("uncertain", "needs_review")
    if not (is_there or row.state == "delivered") or said(row) == row.desired_rev:
        return False
    if row.due_at is None:
        return True
    match event:
        case Answered(Blocked()):
            return row.delivered
        case Answered(NotSent(_, wait)):
            return row.delivered and wait is not None and wait >= LONG_WAIT
        case Blocked():
            return is_there
        case NotSeen(_, wait):
            return is_there and wait is not None and wait >= LONG_WAIT
    return False


def said(row: Row) -> int:
    """The newest revision that stands in the channel, or may: what joined the message later does not."""
    rev = row.sent_rev if row.remote_rev is None else row.remote_rev
    return rev or 0


# --- claiming ------------------------------------------------------------------------------------


def _claim(row: Row, claim: Claim, now: Moment, terms: Terms) -> Step:
    if row.sent_maybe and row.after_id is None:
        row = replace(row, after_id=claim.after_id)
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
        lease_owner=claim.lease_owner,
        clock=now.epoch,
        lease_until=now.at + terms.timing.lease,
        due_at=_after(now, terms.timing.lease),
    )
    if row.delivered:
        return _begin_editing(row, now, terms)
    if row.sent_maybe:
        return _begin_reconciling(row, now, terms)
    return row, (Send("POST"),)


def _hold_back(row: Row, event: HoldBack | OverBudget, now: Moment) -> Row:
    match event:
        case HoldBack(until, reason):
            return _due_again(row, until, reason)
        case OverBudget(until):
            # Waiting for one's turn is not being uncertain: it never leads to a review.
            since = row.uncertain_since
            if since is not None:
                since = min(since + (until - now.wall), now.wall)
            row = _due_again(row, until, "it waits, as the channel's retries are used up for now")
            return replace(row, uncertain_since=since)


# --- the POST ------------------------------------------------------------------------------------


def _intend(row: Row, after_id: str | None, now: Moment, terms: Terms) -> Step:
    """The call is about to begin."""
    if row.delivered:
        assert row.remote_id is not None, "an edit begins only where there is something to edit"
        patch = Patch(row.remote_id, row.desired_rev)
        settled_at = _settled_at_last(row, terms)
        return replace(row, sent_rev=row.desired_rev, settle_until=settled_at), (patch,)
    maybe_before, before_rev = row.sent_maybe, row.sent_rev
    if maybe_before and not (terms.read_back or terms.resend or _nonce_protects(row, now, terms)):
        return _needs_review(row, UNKNOWABLE), ()
    row = replace(
        row,
        sent_maybe=True,
        sent_rev=row.desired_rev,
        first_sent_at=now.at if row.first_sent_at is None else row.first_sent_at,
        uncertain_since=row.uncertain_since or now.wall,
        # What may have been sent before stands where it was to be looked for then.
        after_id=row.after_id if maybe_before else after_id,
        scan_position=None,
        scan_pages=0,
        settle_until=_settled_at_last(row, terms),
        attempts=row.attempts + 1,
    )
    return row, (Post(row.desired_rev, maybe_before, before_rev),)


def _settled_at_last(row: Row, terms: Terms) -> float:
    """When the call's effect shows at the latest, if its process dies: it may begin until shortly
    before the claim's lease is over, however long ago its intent was written down.
    """
    assert row.lease_until is not None, "a call is made under a claim"
    return row.lease_until - terms.timing.margin + terms.settle


def _posted(row: Row, answered: Answered, now: Moment, terms: Terms) -> Row:
    """The POST has ended, one way or another."""
    verdict = answered.verdict
    if isinstance(verdict, Deleted) and not (answered.maybe_before and terms.nonce):
        # Only what may have been sent before can be gone, and only a nonce leads back to it.
        verdict = Refused(verdict.reason)
    row = replace(row, settle_until=now.at + terms.settle)  # nothing of it is still to begin
    is_newest = row.sent_rev == row.desired_rev
    if isinstance(verdict, NotSent | Blocked | Refused) and not answered.maybe_before:
        row = _unsent(row)
    match verdict:
        case Accepted(remote_id, rev):
            return _delivered(row, remote_id, rev, "response", now)
        case Deleted(reason):
            row = _delivered(row, None, _said_before(answered, row), "nonce_deleted", now)
            return replace(_at_rest(row), remote_deleted=True, last_error=reason)
        case NotSent(reason, wait) if wait is not None:
            return _due_again(replace(row, attempts=row.attempts - 1), _after(now, wait), reason)
        case NotSent(reason):
            return _due_again(row, _after(now, _backoff(row.attempts, now, terms)), reason)
        case Blocked(reason):
            return _blocked(row, reason, now, terms)
        case Refused(reason):
            # That text will never be taken; a newer one may.
            return _needs_review(row, reason) if is_newest else _due_again(row, now.wall, reason)
        case Uncertain(reason):
            row = replace(row, uncertain_rounds=row.uncertain_rounds + 1)
            # The first time for the settling time alone: most of these were posted, and the
            # channel's history shows it.
            more = _backoff(row.attempts - 1, now, terms) if answered.maybe_before else 0.0
            return _due_again(row, _after(now, terms.settle + more), reason)


def _said_before(answered: Answered, row: Row) -> int:
    """Which revision stood there before it was deleted: what joined the message later was never announced.
    What the installation that was lost had posted nobody knows: all of it.
    """
    rev = answered.before_rev
    return row.desired_rev if rev is None or is_of_the_lost(rev, row.desired_rev) else rev


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


# --- reconciling: what happened to a POST, before it is repeated -----------------------------------


def _begin_reconciling(row: Row, now: Moment, terms: Terms) -> Step:
    """The first step under a claim of a row that may have been sent."""
    if not terms.read_back:
        if _nonce_protects(row, now, terms):
            return row, (Send("POST"),)
        if not terms.resend:
            return _needs_review(row, UNKNOWABLE), ()
        if row.uncertain_rounds >= terms.timing.review_rounds:  # each may be a copy
            return _needs_review(row, f"uncertain after {row.uncertain_rounds} tries"), ()
    if row.settle_until is not None and now.at < row.settle_until:
        return _due_again(row, _after(now, row.settle_until - now.at), row.last_error), ()
    if not terms.read_back:
        return row, (Send("POST"),)
    return row, (Scan(row.after_id, row.scan_position),)


def _nonce_protects(row: Row, now: Moment, terms: Terms) -> bool:
    """Whether a second POST would surely be dropped: the remote still remembers the nonce."""
    first_sent_at = LONG_AGO if row.first_sent_at is None else row.first_sent_at
    return terms.nonce and now.at - first_sent_at < terms.timing.nonce_alone


def _scanned(
    row: Row,
    event: Found | More | Absent | Unclear | UnreadableHistory | NotSeen | Blocked,
    now: Moment,
    terms: Terms,
) -> Step:
    """What the channel's history says."""
    match event:
        case Found(remote_id, rev, (copy, *copies)):
            # Whoever dies over it leaves the message to be looked for, and its copies to be found.
            return row, (Delete(copy, Found(remote_id, rev, tuple(copies))),)
        case Found(remote_id, rev):
            return _delivered(row, remote_id, rev, "scan", now), ()
        case More(position):
            return _read_on(row, position, now, terms), ()
        case NotSeen(reason, wait) if wait is not None:
            return _due_again(row, _after(now, wait), reason), ()
        case NotSeen(reason):
            rounds = _another_round(row.uncertain_rounds, now, terms)
            is_over = rounds >= terms.timing.review_rounds and _for_a_day(row, now, terms)
            return _still_uncertain(row, reason, rounds, is_over, now, terms), ()
        case UnreadableHistory(reason):
            rounds = row.uncertain_rounds + 1
            is_over = rounds >= terms.timing.review_rounds
            return _still_uncertain(row, reason, rounds, is_over, now, terms), ()
        case Blocked(reason):
            return _blocked(row, reason, now, terms), ()
        case Unclear(reason):
            return _needs_review(row, reason), ()
        case Absent(after_server_error):
            return _absent(row, after_server_error, now, terms)


def _read_on(row: Row, position: str | None, now: Moment, terms: Terms) -> Row:
    """A page was read, and there are more: each is read under a claim of its own. However slow they
    are, none grows old, and other messages get their turn between them.
    """
    row = replace(row, scan_position=position, scan_pages=row.scan_pages + 1)
    if row.scan_pages >= terms.timing.scan_pages:
        reason = f"not found in {row.scan_pages} pages of the channel's history, and there are more"
        return _needs_review(row, reason)
    return _due_again(row, now.wall, row.last_error)


def _still_uncertain(
    row: Row, reason: str, rounds: int, is_over: bool, now: Moment, terms: Terms
) -> Row:
    row = replace(row, uncertain_rounds=rounds)
    if is_over:
        return _needs_review(row, reason)
    return _due_again(row, _after(now, _backoff(rounds - 1, now, terms)), reason)


def _absent(row: Row, after_server_error: bool, now: Moment, terms: Terms) -> Step:
    """Nothing has been posted so far: it is to be posted, however long ago it was first tried, unless
    it is this message that the service stumbles over.
    """
    if after_server_error and now.others_pass:
        row = replace(row, proven_absent=row.proven_absent + 1)
    if row.proven_absent >= terms.timing.review_absent and _for_a_day(row, now, terms):
        reason = f"{row.proven_absent} server errors, none of them posted it, and others passed"
        return _needs_review(row, reason), ()
    # What has happened to the earlier POSTs is known by now.
    since = row.uncertain_since if row.proven_absent else now.wall
    return replace(row, uncertain_rounds=0, uncertain_since=since), (Send("POST"),)


def _for_a_day(row: Row, now: Moment, terms: Terms) -> bool:
    limit = timedelta(seconds=terms.timing.review_after)
    return row.uncertain_since is not None and now.wall - row.uncertain_since >= limit


# --- editing: a newer text for a delivered message; a PATCH may be repeated freely ---------------


def _begin_editing(row: Row, now: Moment, terms: Terms) -> Step:
    """The first step under a claim of a delivered row."""
    if row.remote_deleted or (row.remote_rev == row.desired_rev and row.settle_until is None):
        return _at_rest(row), ()
    if row.remote_id is None or not terms.edit:
        return replace(_at_rest(row), last_error=UNEDITABLE), ()
    if row.settle_until is None:
        return row, (Send("PATCH"),)
    if now.at < row.settle_until:
        # A PATCH that went unanswered may still land: another one before that could be overtaken.
        return _due_again(row, _after(now, row.settle_until - now.at), row.last_error), ()
    return row, (Get(row.remote_id),)


def _patched(row: Row, answered: Answered, now: Moment, terms: Terms) -> Row:
    """The PATCH has ended, one way or another."""
    match answered.verdict:
        case Accepted(_, rev):
            return _standing(row, rev, now, terms)
        case Deleted(reason):
            return replace(_at_rest(row), remote_deleted=True, last_error=reason)
        case Refused(reason):
            # That text will never be taken; a newer one may.
            due_at = None if row.sent_rev == row.desired_rev else now.wall
            return replace(_at_rest(row), due_at=due_at, last_error=reason)
        case Blocked(reason):
            return _blocked(replace(row, settle_until=None), reason, now, terms)
        case NotSent(reason, wait) if wait is not None:
            return _due_again(replace(row, settle_until=None), _after(now, wait), reason)
        case NotSent(reason):
            return _edit_again(replace(row, settle_until=None), reason, now, terms)
        case Uncertain(reason):
            row = replace(row, settle_until=now.at + terms.settle)
            return _edit_again(row, reason, now, terms)


def _read_back(row: Row, event: GetVerdict, now: Moment, terms: Terms) -> Step:
    """What the posted message, read by its id, says: no earlier PATCH is under way any more."""
    match event:
        case Seen(rev) if rev == row.desired_rev:
            return _standing(row, rev, now, terms), ()
        case Seen(rev):
            return replace(row, remote_rev=rev, settle_until=None), (Send("PATCH"),)
        case Unmarked() | Blocked(dead=False):
            # A channel that refuses reads may well allow edits.
            return replace(row, settle_until=None), (Send("PATCH"),)
        case Deleted(reason):
            return replace(_at_rest(row), remote_deleted=True, last_error=reason), ()
        case NotSeen(reason, wait) if wait is not None:
            return _due_again(row, _after(now, wait), reason), ()
        case NotSeen(reason):
            return _edit_again(row, reason, now, terms), ()
        case Blocked(reason):
            return _blocked(row, reason, now, terms), ()


def _standing(row: Row, rev: int, now: Moment, terms: Terms) -> Row:
    """The remote shows revision `rev`: at rest, or due again at once if the text has changed since."""
    row = replace(row, remote_rev=rev)
    if rev == row.desired_rev:
        return replace(_at_rest(row), last_error=None)
    row = replace(row, settle_until=None)
    if rev == row.sent_rev:
        return _due_again(replace(row, edit_rounds=0), now.wall, None)
    return _edit_again(row, f"the text stays at revision {rev}", now, terms)


def _edit_again(row: Row, reason: str, now: Moment, terms: Terms) -> Row:
    """A round has failed; after the last one the old text is left standing."""
    row = replace(row, edit_rounds=_another_round(row.edit_rounds, now, terms))
    if row.edit_rounds >= terms.timing.edit_rounds:
        # A PATCH that went unanswered may still land: it has to settle before that of a newer text.
        return replace(_at_rest(row), settle_until=row.settle_until, last_error=reason)
    wait = _backoff(row.edit_rounds, now, terms)
    if row.settle_until is not None:
        settling = row.settle_until - now.at
        wait = settling if row.edit_rounds == 1 else max(wait, settling)
    return _due_again(row, _after(now, wait), reason)


# --- the operator's decisions --------------------------------------------------------------------


def _decide(row: Row, decision: Resend | MarkDelivered | Drop, now: Moment) -> Row:
    match decision:
        case MarkDelivered(remote_id):
            rev = row.desired_rev if row.sent_rev is None else row.sent_rev
            return _delivered(row, remote_id, rev, "operator", now)
        case Drop() if row.delivered:
            # An unanswered edit may still land: what is edited later waits for that.
            row = replace(_at_rest(row), settle_until=row.settle_until)
            return replace(row, given_up_rev=row.desired_rev, last_error="given up by the operator")
        case Drop():
            return replace(row, state="dropped", due_at=None, last_error="dropped by the operator")
        case Resend(check_first):
            if row.sent_maybe and not check_first:
                row = _unsent(row)  # the operator has decided so, at the risk of a duplicate
            row = replace(
                row, uncertain_rounds=0, proven_absent=0, scan_position=None, scan_pages=0
            )
            if row.sent_maybe:
                row = replace(row, uncertain_since=now.wall)
            return _due_again(row, now.wall, None)


# --- changes from outside, of a row that the caller has locked and need not have claimed -----------

MAYBE_DELIVERED = "restored from a backup: it may have been delivered before"
REVISIONS_OF_THE_LOST = 1000
"""The lost installation went on counting, with texts that nobody here knows: no revision of ours may
pass for one of them, or its text would be taken for ours."""


def change(row: Row, event: Change) -> Row:
    """Apply an event that needs neither the delivery clock nor the channel's terms."""
    match event:
        case TextChanged(at, lost):
            # State and lease are those of the deliverer that may have claimed the row. It becomes
            # due only where nothing else would check it again.
            wakes = row.state == "delivered" and row.due_at is None and not row.remote_deleted
            return replace(
                row,
                desired_rev=row.desired_rev + 1 + (REVISIONS_OF_THE_LOST if lost else 0),
                due_at=at if wakes else row.due_at,
                edit_rounds=0,
            )
        case LeftStanding():
            return replace(_at_rest(row), given_up_rev=row.desired_rev)
        case Withdraw() if row.delivered:
            return _at_rest(row)
        case Withdraw(reason):
            return replace(row, state="dropped", due_at=None, last_error=reason)
        case Reopened(at):
            waits = row.state == "blocked" or (row.last_error == QUIET and not row.delivered)
            return replace(row, due_at=at) if waits and row.state != "sending" else row
        case Restored(at):
            return _restored(row, at)
        case ClockPutBack():
            return _put_clock_back(row, event)
        case ProbeEnded(edited, deleted):
            if edited:
                rev = row.desired_rev + 1
                row = replace(row, desired_rev=rev, remote_rev=rev)
            return replace(row, remote_deleted=deleted)


def is_of_the_lost(remote_rev: int | None, desired_rev: int) -> bool:
    """Whether the revision that stands in the channel was counted before a backup was restored."""
    times = (remote_rev or 0) // REVISIONS_OF_THE_LOST, desired_rev // REVISIONS_OF_THE_LOST
    return times[0] < times[1]


def _put_clock_back(row: Row, event: ClockPutBack) -> Row:
    """No moment of the wall clock lies after the limit, and on the delivery clock no lease is longer, and
    no settling takes longer, than one that begins now.
    """
    if row.due_at is not None and row.due_at > event.limit:
        row = replace(row, due_at=event.at)
    if row.uncertain_since is not None and row.uncertain_since > event.at:
        row = replace(row, uncertain_since=event.at)
    if row.clock != event.epoch:
        return row
    lease_ends, settled = event.seconds + Timing().lease, event.seconds + LONGEST_SETTLING
    if row.lease_until is not None and row.lease_until > lease_ends:
        row = replace(row, lease_until=lease_ends)
    if row.settle_until is not None and row.settle_until > settled:
        row = replace(row, settle_until=settled)
    if row.first_sent_at is not None and row.first_sent_at > event.seconds:
        row = replace(
            row, first_sent_at=LONG_AGO
        )  # how long the nonce was remembered, nobody knows
    return row


def _restored(row: Row, at: datetime) -> Row:
    """Whatever counts as unsent may have been sent; a row in review stays there, but not as unsent."""
    if row.state in ("delivered", "dropped"):
        return row
    row = replace(
        row,
        desired_rev=row.desired_rev + REVISIONS_OF_THE_LOST,
        sent_rev=row.desired_rev if row.sent_rev is None else row.sent_rev,
    )
    if row.state == "needs_review":
        return replace(row, sent_maybe=True)
    # Of no clock, so that the settling time begins with the first claim.
    row = replace(row, due_at=at, fence=row.fence + 1, clock=None, settle_until=0.0)
    if row.delivered:  # the backup was taken while it was edited
        return replace(row, state="delivered")
    return replace(
        row,
        state="uncertain",
        sent_maybe=True,
        first_sent_at=None,
        scan_position=None,
        scan_pages=0,
        uncertain_since=at,
        uncertain_rounds=0,
        last_error=MAYBE_DELIVERED,
    )


# --- the states in which a step can leave a row --------------------------------------------------


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
        scan_position=None,
        scan_pages=0,
        uncertain_since=None,
        last_error=None,
    )


def _at_rest(row: Row) -> Row:
    """Delivered, and nothing to do until the text changes."""
    return replace(row, state="delivered", due_at=None, settle_until=None, edit_rounds=0)


def _due_again(row: Row, due_at: datetime, reason: str | None) -> Row:
    """No longer `sending`, to be claimed again at `due_at`."""
    state = "delivered" if row.delivered else "uncertain" if row.sent_maybe else "pending"
    return replace(row, state=state, due_at=due_at, last_error=reason)


def _blocked(row: Row, reason: str, now: Moment, terms: Terms) -> Row:
    """Refused by the destination. `uncertain` stays and is shown: it is the more important truth."""
    row = _due_again(row, _after(now, terms.timing.probe), reason)
    return replace(row, state="blocked") if row.state == "pending" else row


def _needs_review(row: Row, reason: str) -> Row:
    return replace(row, state="needs_review", due_at=None, last_error=reason)


def _after(now: Moment, seconds: float) -> datetime:
    return now.wall + timedelta(seconds=seconds)


def _backoff(round_number: int, now: Moment, terms: Terms) -> float:
    """Full jitter: a random part of the backoff of the 1st, 2nd, … repetition."""
    waits = terms.timing.backoff
    return now.jitter * waits[min(max(round_number, 1), len(waits)) - 1]


def _another_round(rounds: int, now: Moment, terms: Terms) -> int:
    """One more has failed. Where nobody gets through, it is for the service and not for the message:
    waits grow to the longest, and beyond that it does not count, so that an outage ends nothing.
    """
    return rounds + 1 if now.others_pass or rounds <= len(terms.timing.backoff) else rounds
