"""What an answer closes or opens, one at a time (docs/delivery.md, "Blocked channels" and "Rate limits")."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.delivery import circuit_breaker
from lol_dagster.delivery.destinations import (
    FOREVER,
    Destination,
    all_destinations,
    is_refused,
    openings,
)
from lol_dagster.delivery.message_rows import add_message
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
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings
from lol_dagster.storage.models import Breaker, Channel, Message, SendBucket
from lol_dagster_tests._support.roster_rows import make_channel, make_team

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
BOT = Destination(
    channel_id=1, address="address", service="Discord", calls_per_second=50, token_scope="token", token="secret",
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
    circuit_breaker.note(
        session, destination, verdict, holds, lambda: [destination], NOW, effect=effect
    )
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
            circuit_breaker.note(
                session, BOT, Uncertain("why"), (), lambda: [BOT], now, effect=POSTING
            )
            row = session.get_one(Breaker, POST)
            assert (row.failures, row.since, row.reason) == (number, NOW + HOUR, "why")
            assert row.open_until == (now + timedelta(minutes=1) if number >= 5 else None)


def test_how_long_it_is_refused_counts_from_the_first_such_refusal(database) -> None:
    with database.writing() as session:
        for reason, hours, since in (("a", 0, 0), ("a", 1, 0), ("b", 2, 2)):
            circuit_breaker.note(
                session, BOT, Blocked(reason), (), lambda: [BOT], NOW + hours * HOUR, effect=POSTING
            )
            row = session.get_one(Breaker, POST)
            assert (row.since, row.reason) == (NOW + since * HOUR, reason)
            assert row.open_until == NOW + (hours + 1) * HOUR


def test_what_is_gone_is_so_since_that_was_said(database) -> None:
    with database.writing() as session:
        note(session, POSTING, Blocked("deleted", dead=True))
        row = session.get_one(Breaker, POST)
        assert (row.dead, row.since, row.open_until) == (True, NOW, None)


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
        session.get_one(Breaker, TOKEN).fingerprint = "earlier secret"
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


# --- what changes before anything is claimed -------------------------------------------------------

TRANSPORTS = all_transports(Settings(discord_bot_token="a", slack_bot_token="b"))
"""Of the tests' own tokens: what they are matters nowhere."""
ANOTHER_TOKEN = all_transports(Settings(discord_bot_token="c", slack_bot_token="b"))


def refused_message(session: Session, channel: Channel) -> Message:
    """A message that its channel has refused, to be tried again in an hour."""
    message = add_message(
        session, f"message {channel.id}", channel_id=channel.id, kind="game", subject="NA1_1",
        order_at=NOW, content=MessageContent("title", "title"), now=NOW,
    )  # fmt: skip
    message.state, message.due_at = "blocked", NOW + HOUR
    session.flush()
    return message


def refuses(session: Session, channel: Channel, effect: Effect, verdict: Verdict) -> str:
    """Have the channel answer so; the scope that it closes."""
    found = all_destinations(session, TRANSPORTS)
    before = set(session.scalars(select(Breaker.scope)))
    circuit_breaker.note(session, found[channel.id], verdict, (), found.values, NOW, effect=effect)
    session.flush()
    (scope,) = set(session.scalars(select(Breaker.scope))) - before
    return scope


def test_another_token_opens_what_the_former_one_had_closed(database) -> None:
    with database.writing() as session:
        team = make_team(session)
        of_discord, too = make_channel(session, team), make_channel(session, team)
        of_slack = make_channel(session, team, kind="slack-bot", address="C0123456789")
        waiting = [refused_message(session, each) for each in (of_discord, too, of_slack)]
        refusal = Blocked("revoked", scope="token")
        closed = {refuses(session, each, POSTING, refusal) for each in (of_discord, of_slack)}
        assert closed == {"discord-token", "slack-token"}

        circuit_breaker.refresh(session, TRANSPORTS, NOW)  # the same tokens
        assert set(session.scalars(select(Breaker.scope))) == closed
        circuit_breaker.refresh(session, ANOTHER_TOKEN, NOW)
        assert set(session.scalars(select(Breaker.scope))) == {"slack-token"}
        # All channels of the token try again what they had refused, at once.
        assert [each.due_at for each in waiting] == [NOW, NOW, NOW + HOUR]


def test_another_address_opens_what_was_closed_at_the_former_one(database) -> None:
    with database.writing() as session:
        team = make_team(session)
        moved, other = make_channel(session, team), make_channel(session, team)
        waiting = [refused_message(session, each) for each in (moved, other)]
        dead = [
            refuses(session, each, POSTING, Blocked("unknown webhook", dead=True))
            for each in (moved, other)
        ]
        for each in (moved, other):
            refuses(session, each, PATCHING, Blocked("no edits"))

        moved.address = "99"
        _, closed = circuit_breaker.refresh(session, TRANSPORTS, NOW)
        assert set(session.scalars(select(Breaker.scope))) == {dead[1], f"{dead[1]}:edit"}
        assert closed == {(other.id, call) for call in ("post", "edit", "scan")}
        assert [each.due_at for each in waiting] == [NOW, NOW + HOUR]


def test_edits_that_are_taken_again_send_no_refused_news(database) -> None:
    """A refused message is a POST that waits: that edits pass says nothing of it."""
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        waiting = refused_message(session, channel)
        refuses(session, channel, PATCHING, Blocked("no edits"))
        found = all_destinations(session, TRANSPORTS)
        circuit_breaker.note(
            session, found[channel.id], Accepted("9", 2), (), found.values, NOW, effect=PATCHING
        )
        assert session.scalars(select(Breaker)).all() == []
        assert waiting.due_at == NOW + HOUR


@pytest.mark.parametrize(
    ("call", "hours", "stays"),
    [
        (PATCHING, 2, True),  # it was to be tried after an hour, and may be tried for another
        (PATCHING, 2.001, False),
        (SCANNING, 2, True),
        (SCANNING, 2.001, False),
        (POSTING, 100, True),  # the next news will show
    ],
)
def test_a_refusal_of_edits_or_searches_is_forgotten_if_none_waits_for_it(
    database, call: Effect, hours: float, stays: bool
) -> None:
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        scope = refuses(session, channel, call, Blocked("why"))
        token = Breaker(
            scope="discord-token", failures=5, dead=False, open_until=NOW - HOUR, reason="why"
        )
        session.add(token)
        session.flush()
        circuit_breaker.refresh(session, TRANSPORTS, NOW + hours * HOUR)
        found = set(session.scalars(select(Breaker.scope)))
        assert found == {"discord-token", *([scope] if stays else [])}


@pytest.mark.parametrize(
    ("values", "due", "closed"),
    [
        ({"kind": "discord-webhook", "address": "no address"}, NOW, True),
        ({"kind": "discord-webhook", "address": "no address"}, NOW + SECOND, False),  # not yet
        ({"kind": "discord-webhook", "address": "no address"}, None, False),  # nothing to send
        ({"kind": "discord-webhook", "address": "no address", "removed_at": NOW}, NOW, False),
        ({}, NOW, False),
    ],
)
def test_a_channel_to_which_no_call_can_be_made_is_closed_once_something_is_to_be_sent(
    database, values: dict[str, object], due: datetime | None, closed: bool
) -> None:
    with database.writing() as session:
        channel = make_channel(session, make_team(session), **values)
        refused_message(session, channel).due_at = due
        session.flush()
        found, now_closed = circuit_breaker.refresh(session, TRANSPORTS, NOW)
        assert set(found) == {channel.id}
        # To everything, until the operator has changed it.
        calls = ("post", "edit", "scan") if closed else ()
        assert now_closed == {(channel.id, call) for call in calls}
        breakers = session.scalars(select(Breaker)).all()
        assert [(row.scope, row.dead) for row in breakers] == (
            [(f"channel:{channel.id}", True)] if closed else []
        )
        assert all(row.reason for row in breakers)
        assert all(row.since == NOW for row in breakers)


def test_a_missing_token_closes_what_depends_on_it_and_names_it(database) -> None:
    with database.writing() as session:
        team = make_team(session)
        bots = [make_channel(session, team) for _ in range(2)]
        refused_message(session, bots[0]).due_at = NOW
        session.flush()
        _, closed = circuit_breaker.refresh(session, all_transports(Settings()), NOW)
        assert closed == {(each.id, call) for each in bots for call in ("post", "edit", "scan")}
        (row,) = session.scalars(select(Breaker))
        assert (row.scope, row.dead) == ("discord-token", True)
        assert "LOL_DISCORD_BOT_TOKEN" in (row.reason or "")


# --- whose turn it is ------------------------------------------------------------------------------

LEASE = timedelta(seconds=60)


@pytest.mark.parametrize(
    ("breakers", "call", "turns"),
    [
        ({}, "post", set()),
        ({POST: None}, "post", set()),  # it has failed, and is not closed
        ({POST: NOW}, "post", {POST}),
        ({POST: NOW - HOUR}, "post", {POST}),
        ({POST: NOW + SECOND}, "post", set()),  # closed
        ({POST: NOW, TOKEN: NOW - SECOND}, "post", {POST, TOKEN}),
        ({EDIT: NOW}, "post", set()),
        ({EDIT: NOW}, "edit", {EDIT}),
        ({SCAN: NOW, POST: NOW}, "scan", {SCAN, POST}),  # what is not found is posted
    ],
)
def test_what_may_be_tried_again_is_tried_by_one(
    database, breakers: dict[str, datetime | None], call: Call, turns: set[str]
) -> None:
    with database.writing() as session:
        for scope, until in breakers.items():
            session.add(Breaker(scope=scope, failures=5, dead=False, open_until=until))
        session.flush()
        assert circuit_breaker.begin_probe(session, BOT, call, NOW, LEASE) == turns
        # For as long as its claim is good, nobody else does.
        assert circuit_breaker.begin_probe(session, BOT, call, NOW, LEASE) == frozenset()
        after = {row.scope: row.open_until for row in session.scalars(select(Breaker))}
        assert after == {**breakers, **dict.fromkeys(turns, NOW + LEASE)}


def test_a_turn_that_somebody_else_has_taken_meanwhile_is_not_taken(database) -> None:
    with database.writing() as session:
        seen = Breaker(scope=POST, failures=5, dead=False, open_until=NOW)
        session.add(seen)
        session.flush()
        session.execute(
            update(Breaker)
            .values(open_until=NOW + HOUR)
            .execution_options(synchronize_session=False)
        )
        assert seen.open_until == NOW  # as this deliverer has read it
        assert circuit_breaker.begin_probe(session, BOT, "post", NOW, LEASE) is None
        assert session.get_one(Breaker, POST).open_until == NOW + HOUR


def test_a_turn_that_is_given_back_is_anybodys(database) -> None:
    ends = NOW + LEASE
    with database.writing() as session:
        for scope, until in ((POST, ends), (SCAN, ends), (EDIT, ends), (TOKEN, ends + SECOND)):
            session.add(Breaker(scope=scope, failures=5, dead=False, open_until=until))
        session.flush()
        circuit_breaker.give_turn_back(session, {POST, SCAN, TOKEN}, ends, NOW)
        session.expire_all()
        after = {row.scope: row.open_until for row in session.scalars(select(Breaker))}
        # One has been closed anew, by somebody else; and one was nobody's turn.
        assert after == {POST: NOW, SCAN: NOW, EDIT: ends, TOKEN: ends + SECOND}


@pytest.mark.parametrize(
    ("scope", "doubtful"),
    [
        (POST, {"post"}),
        (EDIT, {"edit"}),
        (SCAN, {"scan"}),
        (TOKEN, {"post", "edit", "scan"}),
        ("channel:2", set()),
    ],
)
def test_a_call_is_doubtful_after_one_that_failed(
    database, scope: str, doubtful: set[Call]
) -> None:
    with database.writing() as session:
        session.add(Breaker(scope=scope, failures=1, dead=False))
        session.flush()
        assert circuit_breaker.doubtful(session, [BOT]) == {(1, call) for call in doubtful}


# --- what is said ----------------------------------------------------------------------------------


def test_the_log_says_once_what_was_closed_and_opened_again(database, caplog) -> None:
    caplog.set_level("INFO", "lol_dagster.delivery.circuit_breaker")
    with database.writing() as session:
        for _ in range(2):  # the second says nothing new
            note(session, POSTING, Blocked("no permission"))
        note(session, POSTING, Accepted("9", 1))
        for _ in range(7):
            note(session, PATCHING, Uncertain("no answer"))
        note(session, PATCHING, Accepted("9", 2))
        note(session, SCANNING, NotSeen("no answer"))
        note(session, SCANNING, Found("9", 1))  # it was not closed yet
    said = [(each.levelname, each.getMessage(), each.scope) for each in caplog.records]  # type: ignore[attr-defined]
    assert said == [
        ("WARNING", "blocked: no permission", POST),
        ("INFO", f"open again: {POST}", POST),
        ("WARNING", f"{EDIT} does not answer: no answer", EDIT),
        ("INFO", f"open again: {EDIT}", EDIT),
    ]
    assert caplog.records[0].channel_id == 1  # type: ignore[attr-defined]


def test_a_limit_of_uploads_is_the_tokens_and_holds_until_then(database) -> None:
    with database.writing() as session:
        assert circuit_breaker.uploads_held(session, BOT, NOW) is None
        circuit_breaker.hold_uploads(session, BOT, NOW + 5 * SECOND)
        circuit_breaker.hold_uploads(session, BOT, NOW + 3 * SECOND)
        for destination in (BOT, replace(BOT, channel_id=2)):
            held = circuit_breaker.uploads_held(session, destination, NOW + 4 * SECOND)
            assert held == NOW + 5 * SECOND
        assert circuit_breaker.uploads_held(session, BOT, NOW + 5 * SECOND) is None
        another = replace(BOT, token_scope="another")
        assert circuit_breaker.uploads_held(session, another, NOW) is None
        # Nothing else is held.
        assert openings(session, [BOT]) == {}
