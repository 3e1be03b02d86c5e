"""What an answer closes or opens, one at a time (docs/delivery.md, "Blocked channels" and "Rate limits")."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery import circuit_breaker
from lol_dagster.delivery.destinations import FOREVER, Destination, is_refused, openings
from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Blocked,
    Delete,
    Deleted,
    Effect,
    Found,
    Get,
    More,
    NotSeen,
    NotSent,
    Patch,
    Post,
    Refused,
    Scan,
    Seen,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
)
from lol_dagster.delivery.scopes import Call
from lol_dagster.delivery.transports.base import Hold
from lol_dagster.storage.models import Breaker, SendBucket

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
BOT = Destination(
    channel_id=1, address="address", service="Discord", token_scope="token", token="secret",
    read_back=True, removed=False,
)  # fmt: skip
WEBHOOK = replace(BOT, token_scope=None, token=None)
POST, EDIT, SCAN, TOKEN = "channel:1", "channel:1:edit", "channel:1:scan", "token"

POSTING, PATCHING = Post(1, maybe_before=False), Patch("9", 1)
GETTING, SCANNING, DELETING = Get("9"), Scan("70"), Delete("9")


def failed_once(session: Session, **values: object) -> None:
    """Every breaker has counted one failure, and is open to no call less for it."""
    for scope in (POST, EDIT, SCAN, TOKEN):
        row = {"scope": scope, "failures": 1, "dead": False, "reason": "before", **values}
        session.add(Breaker(**row))
    session.flush()


def note(
    session: Session,
    effect: Effect,
    verdict: Verdict,
    *holds: Hold,
    destination: Destination = BOT,
) -> None:
    circuit_breaker.note(session, destination, verdict, holds, [destination], NOW, effect=effect)
    session.flush()


def shown(session: Session) -> dict[str, str]:
    """Each breaker in a word; one that is not there works."""
    session.expire_all()
    rows = {row.scope: row for row in session.scalars(select(Breaker))}
    return {
        scope: _in_a_word(rows[scope]) if scope in rows else "works"
        for scope in (POST, EDIT, SCAN, TOKEN)
    }


def _in_a_word(row: Breaker) -> str:
    if row.dead:
        assert (row.open_until, row.failures) == (None, 0)
        return f"dead for {row.fingerprint}"
    if row.fingerprint is not None:
        assert (row.open_until, row.failures) == (NOW + HOUR, 0)
        return f"closed for {row.fingerprint}"
    assert row.open_until is None
    return f"failed {row.failures}"


WORK, ONE_MORE = "works", "failed 2"


@pytest.mark.parametrize(
    ("effect", "verdict", "changes"),
    [
        (POSTING, Accepted("9", 1), {POST: WORK, TOKEN: WORK}),
        (POSTING, Refused("why"), {POST: WORK, TOKEN: WORK}),
        (POSTING, Deleted("why"), {POST: WORK, TOKEN: WORK}),
        (POSTING, Uncertain("why"), {POST: ONE_MORE}),
        (POSTING, NotSent("why"), {POST: ONE_MORE}),
        (POSTING, NotSent("why", 0.0), {}),  # a rate limit is no failure, and shows nothing
        (POSTING, Blocked("why"), {POST: "closed for address"}),
        (POSTING, Blocked("why", scope="token"), {TOKEN: "closed for secret"}),
        (POSTING, Blocked("why", dead=True), {POST: "dead for address"}),
        (PATCHING, Accepted("9", 1), {EDIT: WORK, TOKEN: WORK}),
        (PATCHING, Uncertain("why"), {EDIT: ONE_MORE}),
        (PATCHING, Blocked("why"), {EDIT: "closed for address"}),
        (PATCHING, Blocked("why", scope="token"), {TOKEN: "closed for secret"}),
        (PATCHING, Blocked("why", dead=True), {POST: "dead for address"}),  # and so to all calls
        (DELETING, Deleted("why"), {EDIT: WORK, TOKEN: WORK}),
        (GETTING, Seen(1), {EDIT: WORK, TOKEN: WORK}),
        (GETTING, Unmarked(), {EDIT: WORK, TOKEN: WORK}),
        (GETTING, Deleted("why"), {EDIT: WORK, TOKEN: WORK}),
        (GETTING, NotSeen("why"), {EDIT: ONE_MORE}),
        (GETTING, NotSeen("why", 0.0), {}),
        (GETTING, Blocked("why"), {}),  # what may not be read may well be edited
        (GETTING, Blocked("why", scope="token"), {TOKEN: "closed for secret"}),
        (GETTING, Blocked("why", dead=True), {POST: "dead for address"}),
        (SCANNING, Found("9", 1), {SCAN: WORK, TOKEN: WORK}),
        # Whether the token may send is another question.
        (SCANNING, Absent(), {SCAN: WORK}),
        (SCANNING, More("page 2"), {SCAN: WORK}),
        (SCANNING, Unclear("why"), {SCAN: WORK}),
        (SCANNING, UnreadableHistory("why"), {SCAN: WORK}),
        (SCANNING, NotSeen("why"), {SCAN: ONE_MORE}),
        (SCANNING, NotSeen("why", 0.0), {}),
        (SCANNING, Blocked("why"), {SCAN: "closed for address"}),
    ],
)
def test_what_an_answer_closes_and_opens(
    database, effect: Effect, verdict: Verdict, changes: dict[str, str]
) -> None:
    with database.writing() as session:
        failed_once(session)
        before = shown(session)
        note(session, effect, verdict)
        assert shown(session) == {**before, **changes}
        reasons = {row.reason for row in session.scalars(select(Breaker))}
        assert ("why" in reasons) == any(each != WORK for each in changes.values())


def test_what_may_be_read_need_not_be_editable(database) -> None:
    with database.writing() as session:
        failed_once(session)
        note(session, PATCHING, Blocked("edits are refused"))
        for seen in (Seen(1), Unmarked()):
            note(session, GETTING, seen)
            assert shown(session)[EDIT] == "closed for address"
        assert shown(session)[TOKEN] == WORK
        note(session, PATCHING, Accepted("9", 1))
        assert shown(session)[EDIT] == WORK


def test_without_a_token_a_refusal_of_it_concerns_the_call(database) -> None:
    with database.writing() as session:
        note(session, PATCHING, Blocked("why", scope="token"), destination=WEBHOOK)
        assert shown(session) == {POST: WORK, EDIT: "closed for address", SCAN: WORK, TOKEN: WORK}


def test_five_failures_in_a_row_close_for_a_minute_and_each_further_one_again(database) -> None:
    with database.writing() as session:
        for number in range(1, 8):
            now = NOW + number * HOUR
            circuit_breaker.note(session, BOT, Uncertain("why"), (), [BOT], now, effect=POSTING)
            row = session.get_one(Breaker, POST)
            assert (row.failures, row.since, row.reason) == (number, NOW + HOUR, "why")
            assert row.open_until == (now + timedelta(minutes=1) if number >= 5 else None)


def test_how_long_it_is_refused_counts_from_the_first_such_refusal(database) -> None:
    with database.writing() as session:
        for reason, hours, since in (("a", 0, 0), ("a", 1, 0), ("b", 2, 2)):
            circuit_breaker.note(
                session, BOT, Blocked(reason), (), [BOT], NOW + hours * HOUR, effect=POSTING
            )
            row = session.get_one(Breaker, POST)
            assert (row.since, row.reason) == (NOW + since * HOUR, reason)
            assert row.open_until == NOW + (hours + 1) * HOUR


@pytest.mark.parametrize(
    ("destination", "effect", "hold", "held"),
    [
        (BOT, POSTING, Hold(5.0), POST),
        (BOT, PATCHING, Hold(5.0), EDIT),
        (BOT, GETTING, Hold(5.0), EDIT),
        (BOT, SCANNING, Hold(5.0), SCAN),
        (BOT, POSTING, Hold(5.0, "token"), TOKEN),
        (BOT, POSTING, Hold(5.0, "service"), "service:Discord"),
        (WEBHOOK, POSTING, Hold(5.0, "token"), "service:Discord"),
    ],
)
def test_a_rate_limit_holds_what_it_is_about_and_never_less_than_before(
    database, destination: Destination, effect: Effect, hold: Hold, held: str
) -> None:
    with database.writing() as session:
        for seconds in (5.0, 3.0, 9.0):
            limit = replace(hold, seconds=seconds)
            note(session, effect, NotSent("why", seconds), limit, destination=destination)
            (row,) = session.scalars(select(SendBucket))
            assert (row.scope, row.not_before) == (held, NOW + max(5.0, seconds) * SECOND)


# --- when it opens again ---------------------------------------------------------------------------


def test_a_call_waits_for_all_that_it_depends_on(database) -> None:
    later = [NOW + hours * HOUR for hours in range(9)]
    with database.writing() as session:
        for scope, until in ((POST, later[1]), (EDIT, later[2]), (SCAN, None)):
            session.add(Breaker(scope=scope, failures=5, dead=False, open_until=until))
        session.add(SendBucket(scope="service:Discord", not_before=NOW))
        session.flush()
        expected = {"post": later[1], "edit": later[2], "scan": later[1]}  # a scan leads to a post
        assert openings(session, [BOT]) == {(1, call): at for call, at in expected.items()}
        # A breaker that does not count: its call waits for the rest.
        assert openings(session, [BOT], but=[EDIT])[1, "edit"] == NOW

        session.add(Breaker(scope=TOKEN, failures=0, dead=False, open_until=later[3]))
        session.add(SendBucket(scope=SCAN, not_before=later[4]))
        expected = {"post": later[3], "edit": later[3], "scan": later[4]}
        assert openings(session, [BOT]) == {(1, call): at for call, at in expected.items()}
        # Another token than that which was refused; another channel; none any more.
        session.get_one(Breaker, TOKEN).fingerprint = "an earlier secret"
        assert openings(session, [BOT])[1, "edit"] == later[2]
        assert openings(session, [replace(BOT, channel_id=2)]) == dict.fromkeys(
            ((2, call) for call in ("post", "edit", "scan")), NOW
        )
        assert openings(session, [replace(BOT, removed=True)]) == {}

        session.get_one(Breaker, POST).dead = True
        assert set(openings(session, [BOT]).values()) == {FOREVER}


def test_what_was_never_closed_has_no_time(database) -> None:
    with database.reading() as session:
        assert openings(session, [BOT, WEBHOOK]) == {}


@pytest.mark.parametrize(
    ("breaker", "limit", "refused"),
    [
        ({}, None, False),
        ({"fingerprint": "address", "open_until": NOW + SECOND}, None, True),
        ({"fingerprint": "address", "open_until": NOW}, None, False),  # to be tried now
        ({"fingerprint": "address", "open_until": None}, None, False),
        ({"open_until": NOW + SECOND, "failures": 5}, None, False),  # it does not answer
        (None, 600, True),  # put off for as long as news would not wait
        (None, 599, False),
        (None, None, False),
    ],
)
def test_a_call_is_known_to_be_refused_or_put_off_for_long(
    database, breaker: dict[str, object] | None, limit: float | None, refused: bool
) -> None:
    call: Call = "edit"
    with database.writing() as session:
        if breaker is not None:
            session.add(Breaker(**{"scope": EDIT, "failures": 0, "dead": False, **breaker}))
        if limit is not None:
            session.add(SendBucket(scope=EDIT, not_before=NOW + limit * SECOND))
        session.flush()
        assert is_refused(session, 1, call, NOW) is refused
        assert not is_refused(session, 1, "scan", NOW)
        assert not is_refused(session, 2, call, NOW)
