"""The protocol's core, one decision at a time: everything of a row that an event changes, and what is to
be done next. The expected values are those of docs/delivery.md and of `Timing`, worked out by hand.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lol_dagster.delivery.model import (
    LONG_AGO,
    QUIET,
    Absent,
    Accepted,
    Answered,
    Blocked,
    Claim,
    ClockPutBack,
    Delete,
    Deleted,
    Drop,
    Effect,
    Event,
    Found,
    Get,
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
    Seen,
    Send,
    Terms,
    TextChanged,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
    Withdraw,
)
from lol_dagster.delivery.protocol import (
    can_wait,
    change,
    event_of,
    is_of_the_lost,
    is_retry,
    keeps_its_text,
    may_send,
    said,
    step,
)

T = datetime(2026, 8, 1, 12, tzinfo=UTC)
NOW = Moment(epoch="clock", at=1000.0, wall=T, jitter=0.5)
"""Half of each backoff: 7.5 s, 15 s, 30 s, 60 s, 150 s, 450 s, then 1800 s."""
OTHERS_PASS = replace(NOW, others_pass=True)
DAY = timedelta(days=1)

SEARCHED = Terms(settle=30.0, nonce=False, read_back=True, edit=True, resend=False)
SEARCHED_WITH_NONCE = replace(SEARCHED, nonce=True)
NONCE_ALONE = replace(SEARCHED, nonce=True, read_back=False)
NOTHING = replace(SEARCHED, read_back=False, edit=False)
NOTHING_BUT_RESEND = replace(NOTHING, resend=True)

# Each with something in it wherever a step might forget it.
NEW = Row(id="m", created_at=T - DAY, desired_rev=3, due_at=T, fence=4, last_error="earlier")
CLAIMED = replace(
    NEW, state="sending", due_at=T + timedelta(seconds=50), lease_owner="a", clock="clock",
    lease_until=1050.0, attempts=2,
)  # fmt: skip
POSTING = replace(
    CLAIMED, sent_maybe=True, sent_rev=3, first_sent_at=995.0, uncertain_since=T, after_id="70",
    settle_until=1075.0, attempts=3,
)  # fmt: skip
"""For the first time: two tries before sent nothing."""
IN_DOUBT = replace(
    CLAIMED, sent_maybe=True, sent_rev=2, first_sent_at=950.0, uncertain_since=T - timedelta(hours=1),
    after_id="70", settle_until=980.0, scan_position="page 5", scan_pages=4, uncertain_rounds=2,
    proven_absent=1,
)  # fmt: skip
POSTING_AGAIN = replace(
    IN_DOUBT, sent_rev=3, settle_until=1075.0, scan_position=None, scan_pages=0, attempts=3
)
WAITING = replace(IN_DOUBT, state="uncertain", due_at=T)
REVIEWED = replace(IN_DOUBT, state="needs_review", due_at=None)
DELIVERED = replace(
    NEW, state="delivered", clock="clock", lease_owner="a", lease_until=900.0, remote_id="9",
    remote_rev=2, sent_rev=2, sent_maybe=True, evidence="response", delivered_at=T - DAY,
    first_sent_at=10.0, after_id="70", attempts=1, edit_rounds=5,
)  # fmt: skip
EDITING = replace(DELIVERED, state="sending", due_at=T + timedelta(seconds=50), lease_until=1050.0)
PATCHING = replace(EDITING, sent_rev=3, settle_until=1075.0)
LOOKING = replace(PATCHING, settle_until=990.0)
AT_REST = replace(DELIVERED, remote_rev=3, due_at=None, edit_rounds=0)

NEVER_SENT = {
    "sent_maybe": False, "sent_rev": None, "first_sent_at": None, "uncertain_since": None,
    "after_id": None, "settle_until": None,
}  # fmt: skip
RESTING = {"state": "delivered", "due_at": None, "settle_until": None, "edit_rounds": 0}
FOUND_OUT = {
    "state": "delivered", "delivered_at": T, "settle_until": None, "scan_position": None,
    "scan_pages": 0, "uncertain_since": None, "last_error": None,
}  # fmt: skip


def in_seconds(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def difference(before: Row, after: Row) -> dict[str, Any]:
    old = asdict(before)
    return {name: value for name, value in asdict(after).items() if value != old[name]}


def expect(
    row: Row,
    event: Event,
    changes: dict[str, Any],
    *effects: Effect,
    terms: Terms = SEARCHED,
    now: Moment = NOW,
) -> None:
    """That the event changes this and nothing else of the row, and asks for these effects."""
    after, asked_for = step(row, event, now, terms)
    expected = {name: value for name, value in changes.items() if value != asdict(row)[name]}
    assert (difference(row, after), asked_for) == (expected, effects)


def in_review(reason: str) -> dict[str, Any]:
    return {"state": "needs_review", "due_at": None, "last_error": reason}


def again(state: str, seconds: float, reason: str | None = "why", **values: Any) -> dict[str, Any]:
    return {"state": state, "due_at": in_seconds(seconds), "last_error": reason, **values}


# --- claiming --------------------------------------------------------------------------------------

CLAIMS = {
    "state": "sending", "fence": 5, "lease_owner": "b", "clock": "clock", "lease_until": 1060.0,
    "due_at": in_seconds(60),
}  # fmt: skip
CLAIM = Claim("b", "80")


@pytest.mark.parametrize(
    ("terms", "row", "changes", "effect"),
    [
        pytest.param(SEARCHED, NEW, {}, Send("POST"), id="new"),
        pytest.param(SEARCHED, WAITING, {}, Scan("70", "page 5"), id="in doubt: where it stopped"),
        pytest.param(
            SEARCHED, replace(WAITING, after_id=None), {"after_id": "80"}, Scan("80", "page 5"),
            id="in doubt without a beginning, as after a restoration",
        ),
        pytest.param(
            SEARCHED, replace(WAITING, settle_until=1000.0), {}, Scan("70", "page 5"),
            id="in doubt, and settled just now",
        ),
        pytest.param(
            SEARCHED, replace(WAITING, settle_until=None), {}, Scan("70", "page 5"), id="settled",
        ),
        pytest.param(
            SEARCHED, replace(WAITING, settle_until=1000.5), again("uncertain", 0.5, "earlier"), None,
            id="in doubt, not settled",
        ),
        pytest.param(
            SEARCHED, replace(WAITING, clock="before the boot"),
            again("uncertain", 30, "earlier", settle_until=1030.0, first_sent_at=LONG_AGO), None,
            id="in doubt on another clock: settling begins anew",
        ),
        pytest.param(
            SEARCHED, replace(WAITING, clock="before the boot", settle_until=None, first_sent_at=None),
            {}, Scan("70", "page 5"), id="nothing was noted on the other clock",
        ),
        pytest.param(SEARCHED_WITH_NONCE, WAITING, {}, Scan("70", "page 5"), id="search before nonce"),
        pytest.param(
            NONCE_ALONE, replace(WAITING, first_sent_at=940.5, settle_until=1010.0), {}, Send("POST"),
            id="remembered for 59.5 s: Discord drops the second, settled or not",
        ),
        pytest.param(
            NONCE_ALONE, replace(WAITING, first_sent_at=940.0),
            in_review("nobody can tell whether it was posted"), None, id="60 s: perhaps no longer",
        ),
        pytest.param(
            NONCE_ALONE, replace(WAITING, first_sent_at=None),
            in_review("nobody can tell whether it was posted"), None, id="who knows for how long",
        ),
        pytest.param(
            NOTHING, WAITING, in_review("nobody can tell whether it was posted"), None,
            id="nobody can look",
        ),
        pytest.param(
            NOTHING_BUT_RESEND, replace(WAITING, uncertain_rounds=11), {}, Send("POST"),
            id="nobody can look: the operator chose to post again",
        ),
        pytest.param(
            NOTHING_BUT_RESEND, replace(WAITING, settle_until=1010.0),
            again("uncertain", 10, "earlier"), None, id="posted again once it is settled",
        ),
        pytest.param(
            NOTHING_BUT_RESEND, replace(WAITING, uncertain_rounds=12),
            in_review("uncertain after 12 tries"), None, id="posted again twelve times",
        ),
        pytest.param(SEARCHED, DELIVERED, {}, Send("PATCH"), id="an edit"),
        pytest.param(
            SEARCHED, replace(DELIVERED, settle_until=1000.0), {}, Get("9"), id="an edit in doubt",
        ),
        pytest.param(
            SEARCHED, replace(DELIVERED, settle_until=1005.0), again("delivered", 5, "earlier"), None,
            id="an edit in doubt, not settled",
        ),
        pytest.param(
            SEARCHED, replace(DELIVERED, remote_rev=3), RESTING, None, id="nothing to edit",
        ),
        pytest.param(
            SEARCHED, replace(DELIVERED, remote_rev=3, settle_until=990.0), {}, Get("9"),
            id="the newest text, which an older edit may yet replace",
        ),
        pytest.param(
            SEARCHED, replace(DELIVERED, remote_deleted=True), RESTING, None, id="an edit of nothing",
        ),
        pytest.param(
            SEARCHED, replace(DELIVERED, remote_id=None),
            RESTING | {"last_error": "the text has changed since, and cannot be edited where it stands"},
            None, id="an edit of nobody knows what",
        ),
        pytest.param(
            NOTHING, DELIVERED,
            RESTING | {"last_error": "the text has changed since, and cannot be edited where it stands"},
            None, id="an edit where nothing can be edited",
        ),
    ],
)  # fmt: skip
def test_a_claim_begins_with_what_has_to_be_known_first(
    terms: Terms, row: Row, changes: dict[str, Any], effect: Effect | None
) -> None:
    expect(row, CLAIM, CLAIMS | changes, *([effect] if effect else []), terms=terms)


@pytest.mark.parametrize(
    ("row", "state"), [(CLAIMED, "pending"), (IN_DOUBT, "uncertain"), (EDITING, "delivered")]
)
def test_what_is_not_called_now_is_due_later(row: Row, state: str) -> None:
    expect(row, HoldBack(in_seconds(99), "why"), again(state, 99))
    # To wait for one's turn is not to be uncertain: of the hour 99 s less are left, and of 60 s nothing.
    since = {} if row.uncertain_since is None else {"uncertain_since": T - timedelta(seconds=3501)}
    waits = "it waits, as the channel's retries are used up for now"
    expect(row, OverBudget(in_seconds(99)), again(state, 99, waits, **since))
    for_long = replace(row, uncertain_since=in_seconds(-60))
    expect(for_long, OverBudget(in_seconds(99)), again(state, 99, waits, uncertain_since=T))


@pytest.mark.parametrize(("age", "is_young"), [(0.0, True), (44.9, True), (45.0, False)])
def test_a_call_ends_with_a_margin_before_its_lease_does(age: float, is_young: bool) -> None:
    assert may_send(age, SEARCHED) is is_young  # 60 s of lease, 10 s of call, 5 s of margin


# --- the POST --------------------------------------------------------------------------------------

SETTLED_AT_LAST = 1075.0
"""The call may begin until 1045, the lease's end less the margin, and needs 30 s to show."""


def test_the_intent_of_a_first_post_says_where_it_is_to_be_looked_for() -> None:
    changes = {
        "sent_maybe": True, "sent_rev": 3, "first_sent_at": 1000.0, "uncertain_since": T,
        "after_id": "80", "settle_until": SETTLED_AT_LAST, "attempts": 3,
    }  # fmt: skip
    expect(CLAIMED, Intend("80"), changes, Post(3, False, None))


@pytest.mark.parametrize(
    "terms",
    [SEARCHED, NOTHING_BUT_RESEND, NONCE_ALONE],
)
def test_the_intent_of_a_later_post_keeps_what_is_known_of_the_first(terms: Terms) -> None:
    changes = {
        "sent_rev": 3, "scan_position": None, "scan_pages": 0, "settle_until": SETTLED_AT_LAST,
        "attempts": 3,
    }  # fmt: skip
    expect(IN_DOUBT, Intend("80"), changes, Post(3, True, 2), terms=terms)


@pytest.mark.parametrize("terms", [NOTHING, NONCE_ALONE])
def test_what_can_no_longer_be_found_out_at_the_intent_is_not_posted(terms: Terms) -> None:
    forgotten = replace(IN_DOUBT, first_sent_at=940.0)
    expect(forgotten, Intend(), in_review("nobody can tell whether it was posted"), terms=terms)


def test_the_intent_of_an_edit() -> None:
    expect(EDITING, Intend(), {"sent_rev": 3, "settle_until": SETTLED_AT_LAST}, Patch("9", 3))


@pytest.mark.parametrize(
    ("verdict", "changes"),
    [
        pytest.param(
            Accepted("9", 3),
            FOUND_OUT | {"remote_id": "9", "remote_rev": 3, "evidence": "response", "due_at": None},
            id="accepted",
        ),
        pytest.param(
            Accepted(None, 2),
            FOUND_OUT | {"remote_rev": 2, "evidence": "response", "due_at": T},
            id="accepted, and the text has changed meanwhile",
        ),
        pytest.param(NotSent("why"), NEVER_SENT | again("pending", 30), id="no connection"),
        pytest.param(
            NotSent("why", 7.0), NEVER_SENT | again("pending", 7, attempts=2), id="asked to wait",
        ),
        pytest.param(
            NotSent("why", 0.0), NEVER_SENT | again("pending", 0, attempts=2), id="asked for nothing",
        ),
        pytest.param(Blocked("why"), NEVER_SENT | again("blocked", 3600), id="the channel refuses"),
        pytest.param(Refused("why"), NEVER_SENT | in_review("why"), id="the text is refused"),
        pytest.param(Deleted("why"), NEVER_SENT | in_review("why"), id="there is nothing to be gone"),
        pytest.param(
            Uncertain("why"), again("uncertain", 30, settle_until=1030.0, uncertain_rounds=1),
            id="no clear answer",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("terms", [SEARCHED, SEARCHED_WITH_NONCE])
def test_what_the_answer_to_a_first_post_means(
    terms: Terms, verdict: PostVerdict, changes: dict[str, Any]
) -> None:
    expect(POSTING, Answered(verdict), changes, terms=terms)


@pytest.mark.parametrize(
    ("verdict", "changes"),
    [
        pytest.param(
            Accepted("9", 3),
            FOUND_OUT | {"remote_id": "9", "remote_rev": 3, "evidence": "response", "due_at": None},
            id="accepted",
        ),
        pytest.param(NotSent("why"), again("uncertain", 30, settle_until=1030.0), id="no connection"),
        pytest.param(
            NotSent("why", 7.0), again("uncertain", 7, settle_until=1030.0, attempts=2),
            id="asked to wait",
        ),
        pytest.param(
            Blocked("why"), again("uncertain", 3600, settle_until=1030.0), id="the channel refuses",
        ),
        pytest.param(
            Refused("why"), in_review("why") | {"settle_until": 1030.0}, id="the text is refused",
        ),
        pytest.param(
            # The third POST: 15 s of backoff after the second, beyond the settling time.
            Uncertain("why"), again("uncertain", 45, settle_until=1030.0, uncertain_rounds=3),
            id="no clear answer",
        ),
    ],
)  # fmt: skip
def test_what_the_answer_to_a_later_post_means(
    verdict: PostVerdict, changes: dict[str, Any]
) -> None:
    expect(POSTING_AGAIN, Answered(verdict, maybe_before=True, before_rev=2), changes)


@pytest.mark.parametrize(
    ("row", "maybe_before", "changes"),
    [
        (replace(POSTING, sent_rev=2), False, NEVER_SENT | again("pending", 0)),
        (replace(POSTING_AGAIN, sent_rev=2), True, again("uncertain", 0, settle_until=1030.0)),
    ],
)
def test_a_refused_text_that_is_no_longer_the_newest_needs_no_review(
    row: Row, maybe_before: bool, changes: dict[str, Any]
) -> None:
    expect(row, Answered(Refused("why"), maybe_before), changes)


@pytest.mark.parametrize(
    ("desired_rev", "before_rev", "stood_there"),
    [
        (3, 2, 2),
        (3, None, 3),
        (1003, 1002, 1002),
        (1003, 2, 1003),  # what the lost installation had said there nobody knows
    ],
)
def test_what_a_nonce_proves_to_be_gone_was_delivered(
    desired_rev: int, before_rev: int | None, stood_there: int
) -> None:
    row = replace(POSTING_AGAIN, desired_rev=desired_rev)
    gone = RESTING | FOUND_OUT | {
        "remote_rev": stood_there, "evidence": "nonce_deleted", "remote_deleted": True,
        "last_error": "why",
    }  # fmt: skip
    answered = Answered(Deleted("why"), maybe_before=True, before_rev=before_rev)
    expect(row, answered, gone, terms=SEARCHED_WITH_NONCE)
    # Without a nonce the answer is about something else.
    expect(
        replace(row, sent_rev=desired_rev), answered, in_review("why") | {"settle_until": 1030.0}
    )


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(1, 15), (2, 30), (3, 60), (4, 120), (5, 300), (6, 900), (7, 3600), (8, 3600), (99, 3600)],
)
def test_waits_grow_to_an_hour_and_a_random_part_of_each_is_waited(
    attempts: int, longest: int
) -> None:
    row = replace(POSTING, attempts=attempts)
    expect(row, Answered(NotSent("why")), NEVER_SENT | again("pending", longest / 2))


# --- reconciling -----------------------------------------------------------------------------------


def searched(**values: Any) -> Row:
    return replace(IN_DOUBT, **values)


LONG_SEARCHED = {"uncertain_since": T - DAY}
NOT_SO_LONG = {"uncertain_since": T - DAY + timedelta(seconds=1)}


@pytest.mark.parametrize(
    ("now", "row", "event", "changes", "effects"),
    [
        pytest.param(
            NOW, IN_DOUBT, Found("9", 3, ("10", "11")), {},
            [Delete("10", Found("9", 3, ("11",)))], id="found, and copies of it, which come first",
        ),
        pytest.param(
            NOW, IN_DOUBT, Found("9", 3),
            FOUND_OUT | {"remote_id": "9", "remote_rev": 3, "evidence": "scan", "due_at": None},
            [], id="found alone",
        ),
        pytest.param(
            NOW, IN_DOUBT, Found("9", 2),
            FOUND_OUT | {"remote_id": "9", "remote_rev": 2, "evidence": "scan", "due_at": T},
            [], id="found with an older text: an edit is due",
        ),
        pytest.param(
            NOW, IN_DOUBT, More("page 6"),
            again("uncertain", 0, "earlier", scan_position="page 6", scan_pages=5), [],
            id="the next page is another claim's",
        ),
        pytest.param(
            NOW, searched(scan_pages=198), More(None),
            again("uncertain", 0, "earlier", scan_position=None, scan_pages=199), [],
            id="the 199th page",
        ),
        pytest.param(
            NOW, searched(scan_pages=199), More("page 6"),
            in_review("not found in 200 pages of the channel's history, and there are more")
            | {"scan_position": "page 6", "scan_pages": 200}, [],
            id="the 200th page",
        ),
        pytest.param(
            NOW, IN_DOUBT, NotSeen("why", 9.0), again("uncertain", 9), [], id="asked to wait",
        ),
        pytest.param(
            NOW, IN_DOUBT, NotSeen("why"), again("uncertain", 15, uncertain_rounds=3), [],
            id="unreadable for the third time",
        ),
        pytest.param(
            NOW, searched(uncertain_rounds=7), NotSeen("why"),
            again("uncertain", 1800, uncertain_rounds=8), [], id="until waits are the longest",
        ),
        pytest.param(
            NOW, searched(uncertain_rounds=8), NotSeen("why"), again("uncertain", 1800), [],
            id="beyond that nothing counts while nobody passes",
        ),
        pytest.param(
            OTHERS_PASS, searched(uncertain_rounds=10, **LONG_SEARCHED), NotSeen("why"),
            again("uncertain", 1800, uncertain_rounds=11), [], id="eleven failed rounds and a day",
        ),
        pytest.param(
            OTHERS_PASS, searched(uncertain_rounds=11, **LONG_SEARCHED), NotSeen("why"),
            in_review("why") | {"uncertain_rounds": 12}, [], id="twelve failed rounds and a day",
        ),
        pytest.param(
            OTHERS_PASS, searched(uncertain_rounds=11, **NOT_SO_LONG), NotSeen("why"),
            again("uncertain", 1800, uncertain_rounds=12), [],
            id="twelve failed rounds and less than a day",
        ),
        pytest.param(
            NOW, IN_DOUBT, UnreadableHistory("why"), again("uncertain", 15, uncertain_rounds=3), [],
            id="nothing shows that we may read",
        ),
        pytest.param(
            NOW, searched(uncertain_rounds=10), UnreadableHistory("why"),
            again("uncertain", 1800, uncertain_rounds=11), [], id="eleven times, whoever passes",
        ),
        pytest.param(
            NOW, searched(uncertain_rounds=11), UnreadableHistory("why"),
            in_review("why") | {"uncertain_rounds": 12}, [], id="twelve times, whoever passes",
        ),
        pytest.param(
            NOW, IN_DOUBT, Blocked("why"), again("uncertain", 3600), [], id="searching is refused",
        ),
        pytest.param(NOW, IN_DOUBT, Unclear("why"), in_review("why"), [], id="for a person to decide"),
        pytest.param(
            NOW, searched(proven_absent=0), Absent(), {"uncertain_rounds": 0, "uncertain_since": T},
            [Send("POST")], id="proven absent",
        ),
        pytest.param(
            NOW, IN_DOUBT, Absent(after_server_error=True), {"uncertain_rounds": 0}, [Send("POST")],
            id="proven absent after an error of a service that fails everybody",
        ),
        pytest.param(
            OTHERS_PASS, IN_DOUBT, Absent(), {"uncertain_rounds": 0}, [Send("POST")],
            id="proven absent while others pass",
        ),
        pytest.param(
            OTHERS_PASS, searched(proven_absent=0), Absent(after_server_error=True),
            {"uncertain_rounds": 0, "proven_absent": 1}, [Send("POST")],
            id="proven absent after a server error while others pass",
        ),
        pytest.param(
            OTHERS_PASS, searched(proven_absent=3, **LONG_SEARCHED), Absent(after_server_error=True),
            {"uncertain_rounds": 0, "proven_absent": 4}, [Send("POST")], id="four times and a day",
        ),
        pytest.param(
            OTHERS_PASS, searched(proven_absent=4, **LONG_SEARCHED), Absent(after_server_error=True),
            in_review("5 server errors, none of them posted it, and others passed")
            | {"proven_absent": 5}, [], id="five times and a day",
        ),
        pytest.param(
            OTHERS_PASS, searched(proven_absent=4, **NOT_SO_LONG), Absent(after_server_error=True),
            {"uncertain_rounds": 0, "proven_absent": 5}, [Send("POST")],
            id="five times and less than a day",
        ),
    ],
)  # fmt: skip
def test_what_a_search_says_of_a_post_in_doubt(
    now: Moment, row: Row, event: Event, changes: dict[str, Any], effects: list[Effect]
) -> None:
    expect(row, event, changes, *effects, now=now)


# --- editing ---------------------------------------------------------------------------------------


def patched(**values: Any) -> Row:
    return replace(PATCHING, **values)


@pytest.mark.parametrize(
    ("now", "row", "verdict", "changes"),
    [
        pytest.param(
            NOW, PATCHING, Accepted("9", 3), RESTING | {"remote_rev": 3, "last_error": None},
            id="accepted",
        ),
        pytest.param(
            NOW, patched(desired_rev=4), Accepted("9", 3),
            again("delivered", 0, None, remote_rev=3, settle_until=None, edit_rounds=0),
            id="accepted, and the text has changed meanwhile",
        ),
        pytest.param(
            NOW, PATCHING, Accepted("9", 1),
            again(
                "delivered", 450, "the text stays at revision 1", remote_rev=1, settle_until=None,
                edit_rounds=6,
            ),
            id="accepted, and nothing has changed",
        ),
        pytest.param(
            NOW, PATCHING, Deleted("why"), RESTING | {"remote_deleted": True, "last_error": "why"},
            id="somebody deleted it",
        ),
        pytest.param(
            NOW, PATCHING, Refused("why"), RESTING | {"last_error": "why"}, id="the text is refused",
        ),
        pytest.param(
            NOW, patched(desired_rev=4), Refused("why"), RESTING | {"last_error": "why", "due_at": T},
            id="a text is refused that is no longer the newest",
        ),
        pytest.param(
            NOW, PATCHING, Blocked("why"), again("delivered", 3600, settle_until=None),
            id="edits are refused",
        ),
        pytest.param(
            NOW, PATCHING, NotSent("why", 7.0), again("delivered", 7, settle_until=None),
            id="asked to wait",
        ),
        pytest.param(
            NOW, PATCHING, NotSent("why"), again("delivered", 450, settle_until=None, edit_rounds=6),
            id="no connection",
        ),
        pytest.param(
            NOW, PATCHING, Uncertain("why"),
            again("delivered", 450, settle_until=1030.0, edit_rounds=6), id="no clear answer",
        ),
        pytest.param(
            NOW, patched(edit_rounds=0), Uncertain("why"),
            again("delivered", 30, settle_until=1030.0, edit_rounds=1),
            id="no clear answer, the first time: the settling time alone",
        ),
        pytest.param(
            NOW, patched(edit_rounds=1), Uncertain("why"),
            again("delivered", 30, settle_until=1030.0, edit_rounds=2),
            id="no clear answer, the second time: settling takes longer than the backoff",
        ),
        pytest.param(
            NOW, patched(edit_rounds=8), NotSent("why"),
            again("delivered", 1800, settle_until=None), id="an outage ends nothing",
        ),
        pytest.param(
            OTHERS_PASS, patched(edit_rounds=52), Uncertain("why"),
            again("delivered", 1800, settle_until=1030.0, edit_rounds=53), id="53 failed rounds",
        ),
        pytest.param(
            OTHERS_PASS, patched(edit_rounds=53), Uncertain("why"),
            RESTING | {"settle_until": 1030.0, "last_error": "why"},
            id="54 failed rounds: what is unanswered may yet land",
        ),
        pytest.param(
            OTHERS_PASS, patched(edit_rounds=53), NotSent("why"), RESTING | {"last_error": "why"},
            id="54 failed rounds, and nothing is under way",
        ),
    ],
)  # fmt: skip
def test_what_the_answer_to_an_edit_means(
    now: Moment, row: Row, verdict: PostVerdict, changes: dict[str, Any]
) -> None:
    expect(row, Answered(verdict), changes, now=now)


def test_after_a_first_unanswered_edit_only_its_settling_is_waited_for() -> None:
    """Most of these were made."""
    discord = replace(SEARCHED, settle=5.0)
    first, second = patched(edit_rounds=0), patched(edit_rounds=1)
    unanswered = Answered(Uncertain("why"))
    settles = {"settle_until": 1005.0}
    expect(first, unanswered, again("delivered", 5, **settles, edit_rounds=1), terms=discord)
    expect(second, unanswered, again("delivered", 15, **settles, edit_rounds=2), terms=discord)


@pytest.mark.parametrize(
    ("event", "changes", "effects"),
    [
        pytest.param(
            Seen(3), RESTING | {"remote_rev": 3, "last_error": None}, [], id="the edit was made"
        ),
        pytest.param(
            Seen(1), {"remote_rev": 1, "settle_until": None}, [Send("PATCH")], id="it was not"
        ),
        pytest.param(Unmarked(), {"settle_until": None}, [Send("PATCH")], id="our marker is gone"),
        pytest.param(
            Blocked("why"), {"settle_until": None}, [Send("PATCH")], id="reading is refused"
        ),
        pytest.param(
            Blocked("why", dead=True), again("delivered", 3600), [], id="the channel is gone"
        ),
        pytest.param(
            Deleted("why"), RESTING | {"remote_deleted": True, "last_error": "why"}, [],
            id="somebody deleted it",
        ),
        pytest.param(NotSeen("why", 7.0), again("delivered", 7), [], id="asked to wait"),
        pytest.param(
            NotSeen("why"), again("delivered", 450, edit_rounds=6), [], id="could not be read"
        ),
    ],
)  # fmt: skip
def test_what_reading_the_message_says_of_an_edit_in_doubt(
    event: Event, changes: dict[str, Any], effects: list[Effect]
) -> None:
    expect(LOOKING, event, changes, *effects)


# --- the operator's decisions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "decision", "changes"),
    [
        pytest.param(
            REVIEWED, MarkDelivered("9"),
            FOUND_OUT | {"remote_id": "9", "remote_rev": 2, "evidence": "operator", "due_at": T},
            id="delivered, as it was sent: an edit is due",
        ),
        pytest.param(
            replace(REVIEWED, sent_rev=None), MarkDelivered(None),
            FOUND_OUT | {"remote_rev": 3, "evidence": "operator"},
            id="delivered, whatever was sent",
        ),
        pytest.param(
            replace(DELIVERED, settle_until=1030.0), Drop(),
            {
                "due_at": None, "edit_rounds": 0, "given_up_rev": 3,
                "last_error": "given up by the operator",
            },
            id="an edit is given up, and an unanswered one may yet land",
        ),
        pytest.param(
            WAITING, Drop(),
            {"state": "dropped", "due_at": None, "last_error": "dropped by the operator"},
            id="dropped",
        ),
        pytest.param(
            REVIEWED, Resend(check_first=True),
            again("uncertain", 0, None, uncertain_since=T)
            | {"uncertain_rounds": 0, "proven_absent": 0, "scan_position": None, "scan_pages": 0},
            id="search, and post what is proven absent",
        ),
        pytest.param(
            REVIEWED, Resend(check_first=False),
            NEVER_SENT | again("pending", 0, None)
            | {"uncertain_rounds": 0, "proven_absent": 0, "scan_position": None, "scan_pages": 0},
            id="post, whatever was posted before",
        ),
        pytest.param(
            replace(NEW, state="needs_review", due_at=None), Resend(check_first=True),
            again("pending", 0, None), id="post what was never sent",
        ),
    ],
)  # fmt: skip
def test_what_a_decision_of_the_operator_changes(
    row: Row, decision: Event, changes: dict[str, Any]
) -> None:
    expect(row, decision, {"fence": 5} | changes)  # whoever still has a claim is fenced off


# --- changes from outside --------------------------------------------------------------------------

LATER = in_seconds(99)


def test_a_new_text_of_what_rests_is_due_and_of_nothing_else() -> None:
    for row in (NEW, POSTING, WAITING, REVIEWED, DELIVERED, PATCHING):
        expect(row, TextChanged(LATER), {"desired_rev": 4, "edit_rounds": 0})
    expect(AT_REST, TextChanged(LATER), {"desired_rev": 4, "due_at": LATER})
    expect(replace(AT_REST, remote_deleted=True), TextChanged(LATER), {"desired_rev": 4})


def test_a_new_text_over_one_of_the_lost_installations_is_counted_from_a_thousand_on() -> None:
    after = {"desired_rev": 1004, "due_at": LATER}
    expect(AT_REST, TextChanged(LATER, lost=True), after)


def test_what_is_left_standing_or_withdrawn_is_never_due_again() -> None:
    row = replace(DELIVERED, settle_until=1030.0)
    expect(row, LeftStanding(), RESTING | {"given_up_rev": 3})
    expect(row, Withdraw("why"), RESTING)
    for unsent in (NEW, WAITING, POSTING):
        expect(unsent, Withdraw("why"), {"state": "dropped", "due_at": None, "last_error": "why"})


def test_where_the_way_is_open_again_what_was_blocked_is_due() -> None:
    expect(replace(NEW, state="blocked"), Reopened(LATER), {"due_at": LATER})
    for row in (NEW, WAITING, REVIEWED, DELIVERED):
        expect(row, Reopened(LATER), {})


def test_what_a_probe_did_with_its_own_message_is_known() -> None:
    expect(AT_REST, ProbeEnded(edited=True, deleted=True), {
        "desired_rev": 4, "remote_rev": 4, "remote_deleted": True,
    })  # fmt: skip
    expect(AT_REST, ProbeEnded(edited=False, deleted=False), {})


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        pytest.param(AT_REST, {}, id="delivered"),
        pytest.param(replace(NEW, state="dropped", due_at=None), {}, id="dropped"),
        pytest.param(
            replace(NEW, state="needs_review", due_at=None),
            {"desired_rev": 1003, "sent_rev": 3, "sent_maybe": True}, id="in review, unsent",
        ),
        pytest.param(
            NEW,
            {
                "desired_rev": 1003, "sent_rev": 3, "sent_maybe": True, "state": "uncertain",
                "fence": 5, "due_at": LATER, "settle_until": 0.0, "uncertain_since": LATER,
                "last_error": "restored from a backup: it may have been delivered before",
            },
            id="new",
        ),
        pytest.param(
            POSTING_AGAIN,
            {
                "desired_rev": 1003, "state": "uncertain", "fence": 5, "due_at": LATER,
                "clock": None, "settle_until": 0.0, "first_sent_at": None,
                "uncertain_since": LATER, "uncertain_rounds": 0,
                "last_error": "restored from a backup: it may have been delivered before",
            },
            id="while it was posted",
        ),
        pytest.param(
            WAITING,
            {
                "desired_rev": 1003, "fence": 5, "due_at": LATER, "clock": None,
                "settle_until": 0.0, "first_sent_at": None, "scan_position": None,
                "scan_pages": 0, "uncertain_since": LATER, "uncertain_rounds": 0,
                "last_error": "restored from a backup: it may have been delivered before",
            },
            id="in doubt, as it was sent",
        ),
        pytest.param(
            PATCHING,
            {
                "desired_rev": 1003, "state": "delivered", "fence": 5, "due_at": LATER,
                "clock": None, "settle_until": 0.0,
            },
            id="while it was edited",
        ),
    ],
)  # fmt: skip
def test_after_a_restoration_whatever_was_not_delivered_may_have_been(
    row: Row, changes: dict[str, Any]
) -> None:
    expect(row, Restored(LATER), changes)


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        # Each at the last moment that can be right, and just after it.
        ({"due_at": in_seconds(60)}, {}),
        ({"due_at": in_seconds(61)}, {"due_at": T}),
        ({"due_at": None}, {}),
        ({"uncertain_since": T}, {}),
        ({"uncertain_since": in_seconds(1)}, {"uncertain_since": T}),
        ({"lease_until": 1060.0}, {}),
        ({"lease_until": 1060.5}, {"lease_until": 1060.0}),
        ({"settle_until": 1120.0}, {}),
        ({"settle_until": 1120.5}, {"settle_until": 1120.0}),
        ({"first_sent_at": 1000.0}, {}),
        ({"first_sent_at": 1000.5}, {"first_sent_at": LONG_AGO}),
        ({"clock": "another", "lease_until": 1e6, "settle_until": 1e6, "first_sent_at": 1e6}, {}),
    ],
)
def test_what_a_clock_that_was_ahead_has_written_is_put_right(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    event = ClockPutBack(limit=in_seconds(60), at=T, epoch="clock", seconds=1000.0)
    expect(replace(IN_DOUBT, **{"due_at": T, **values}), event, changes)


def test_a_row_that_knows_no_moments_needs_nothing_put_right() -> None:
    event = ClockPutBack(limit=in_seconds(60), at=T, epoch="clock", seconds=1000.0)
    assert change(replace(NEW, clock="clock"), event) == replace(NEW, clock="clock")


# --- what is asked about a row ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote_rev", "desired_rev", "is_lost"),
    [(None, 3, False), (2, 3, False), (999, 1000, True), (1000, 1000, False), (1999, 2000, True),
     (None, 1000, True), (1000, 1999, False)],
)  # fmt: skip
def test_revisions_count_by_the_thousand_from_one_restoration_to_the_next(
    remote_rev: int | None, desired_rev: int, is_lost: bool
) -> None:
    assert is_of_the_lost(remote_rev, desired_rev) is is_lost


@pytest.mark.parametrize(
    ("row", "is_again"),
    [
        (NEW, False),
        (replace(NEW, attempts=1), True),
        (replace(DELIVERED, edit_rounds=0), False),  # its POSTs were others' tries
        (replace(DELIVERED, attempts=0, edit_rounds=1), True),
    ],
)
def test_a_retry_repeats_a_call_of_its_kind(row: Row, is_again: bool) -> None:
    assert is_retry(row) is is_again


@pytest.mark.parametrize(
    ("row", "terms", "may_wait"),
    [
        (IN_DOUBT, NONCE_ALONE, False),  # first sent 50 s ago: the nonce holds for 10 s more
        (replace(IN_DOUBT, first_sent_at=900.0), NONCE_ALONE, True),
        (CLAIMED, NONCE_ALONE, True),
        (replace(EDITING, first_sent_at=990.0), NONCE_ALONE, True),
        (IN_DOUBT, SEARCHED_WITH_NONCE, True),
        (IN_DOUBT, replace(NONCE_ALONE, resend=True), True),
        (IN_DOUBT, NOTHING, True),
    ],
)
def test_only_a_post_that_the_nonce_alone_protects_cannot_wait(
    row: Row, terms: Terms, may_wait: bool
) -> None:
    assert can_wait(row, NOW, terms) is may_wait


@pytest.mark.parametrize(
    ("values", "event", "stays"),
    [
        ({"due_at": None}, Answered(Refused("why")), True),
        ({"due_at": None, "remote_rev": 3}, Answered(Accepted("9", 3)), False),
        ({"due_at": None, "state": "sending"}, Seen(2), False),
        ({}, Answered(Blocked("why")), True),
        ({}, Answered(NotSent("why", 600.0)), True),
        ({}, Answered(NotSent("why", 599.0)), False),
        ({}, Answered(NotSent("why")), False),
        ({}, Answered(Uncertain("why")), False),
        ({}, Blocked("why"), False),  # to a reading, after which the edit is tried
    ],
)
def test_a_text_stays_old_where_the_edit_is_over_or_put_off_for_long(
    values: dict[str, Any], event: Event, stays: bool
) -> None:
    assert keeps_its_text(replace(DELIVERED, **values), event) is stays


@pytest.mark.parametrize(
    ("row", "event", "stays"),
    [
        (WAITING, Blocked("why"), True),
        (replace(WAITING, sent_rev=3), Blocked("why"), False),
        (WAITING, NotSeen("why", 600.0), True),
        (WAITING, NotSeen("why", 599.0), False),
        (WAITING, NotSeen("why"), False),
        (WAITING, Answered(Blocked("why")), False),  # what refuses posts takes no other one either
        (WAITING, Answered(NotSent("why", 600.0)), False),
        (REVIEWED, Unclear("why"), True),
        (replace(REVIEWED, sent_maybe=False, sent_rev=None), Answered(Refused("why")), False),
        (replace(NEW, state="blocked"), Answered(Blocked("why")), False),
    ],
)
def test_what_joined_a_message_after_it_was_sent_does_not_wait_until_it_is_found(
    row: Row, event: Event, stays: bool
) -> None:
    """Revision 2 may stand there, 3 does not."""
    assert keeps_its_text(row, event) is stays


def test_what_was_never_sent_says_nothing_yet() -> None:
    assert [said(row) for row in (NEW, IN_DOUBT, DELIVERED, AT_REST)] == [0, 2, 2, 3]


@pytest.mark.parametrize(
    ("effect", "verdict", "event"),
    [
        (Post(3, True, 2), Uncertain("why"), Answered(Uncertain("why"), True, 2)),
        (Post(3, False, None), Accepted("9", 3), Answered(Accepted("9", 3), False, None)),
        (Patch("9", 3), Uncertain("why"), Answered(Uncertain("why"), False, None)),
        (Scan("70"), Absent(), Absent()),
        (Get("9"), Seen(3), Seen(3)),
        (Delete("10", Found("9", 3)), Refused("why"), Found("9", 3)),
    ],
)
def test_an_answer_counts_for_the_call_that_was_made(
    effect: Effect, verdict: Verdict, event: Event
) -> None:
    assert event_of(effect, verdict) == event


@pytest.mark.parametrize("state", ["sending", "pending"])
def test_what_a_deliverer_has_keeps_its_lease_when_its_channel_opens(state: str) -> None:
    """It was held back by quiet hours; whoever has it sees to it."""
    held = Row("m", created_at=T, desired_rev=1, state=state, due_at=T, last_error=QUIET)
    opened = change(held, Reopened(T + timedelta(hours=1)))
    assert opened.due_at == (T if state == "sending" else T + timedelta(hours=1))
