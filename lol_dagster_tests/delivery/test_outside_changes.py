"""What happens to messages from outside a claim, in the database: which rows change, and which do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery import message_rows
from lol_dagster.delivery.message_rows import add_message, terms_of
from lol_dagster.delivery.model import QUIET, Timing
from lol_dagster.delivery.scopes import Call, channel_scope
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.restored import Restoration, restoration
from lol_dagster.settings import Settings
from lol_dagster.storage.models import (
    Attempt,
    Breaker,
    Channel,
    ChannelProbe,
    Message,
    MessageText,
)
from lol_dagster_tests._support.message_rows import NOW, as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests.delivery.conftest import DeliverySetup

STATES = ("pending", "sending", "uncertain", "blocked", "delivered", "needs_review", "dropped")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TRANSPORTS = all_transports(Settings())


class Rows:
    """Messages of one channel."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.team = make_team(session)
        self.channel = make_channel(session, self.team)

    def add(self, name: str, state: str, *, of: Channel | None = None, **values: object) -> Message:
        message = add_message(
            self.session, name, channel_id=(of or self.channel).id, kind="game", subject=name,
            order_at=NOW, content=MessageContent("first", "first"), now=NOW,
        )  # fmt: skip
        values = {"due_at": None, **as_delivery_leaves_it(state, NOW), **values}
        for column, value in values.items():
            setattr(message, column, value)
        self.session.flush()
        return message


@pytest.fixture
def rows(database) -> Iterator[Rows]:
    with database.writing() as session:
        yield Rows(session)


# --- new messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("maybe_delivered", [False, True])
def test_a_new_message_is_due_at_once(rows: Rows, maybe_delivered: bool) -> None:
    content = MessageContent("Victory", "Victory")
    message = add_message(
        rows.session, "own", channel_id=rows.channel.id, kind="game", subject="NA1_1",
        order_at=NOW - HOUR, content=content, now=NOW, maybe_delivered=maybe_delivered,
    )  # fmt: skip
    rows.session.refresh(message)
    assert (message.created_at, message.due_at, message.order_at) == (NOW, NOW, NOW - HOUR)
    assert (message.subject, message.kind) == ("NA1_1", "game")
    assert (message.content, message.desired_hash) == (content.to_json(), content.content_hash())
    # An installation that was lost may have sent it: then it is looked for first.
    state = "uncertain" if maybe_delivered else "pending"
    assert (message.state, message.sent_maybe) == (state, maybe_delivered)


@pytest.mark.parametrize(
    ("state", "refused", "takes"),
    [
        ("delivered", "edit", False),
        ("delivered", "scan", True),  # it need not be looked for
        ("delivered", None, True),
        ("uncertain", "edit", False),
        ("uncertain", "scan", False),  # what may have been posted has to be found first
        ("uncertain", None, True),
        ("uncertain", "post", True),
    ],
)
def test_a_message_takes_edits_unless_its_channel_is_known_to_refuse_what_that_needs(
    rows: Rows, state: str, refused: Call | None, takes: bool
) -> None:
    message = rows.add("own", state)
    if refused is not None:
        scope = channel_scope(rows.channel.id, refused)
        values = {"failures": 0, "dead": False, "fingerprint": "any", "open_until": NOW + HOUR}
        rows.session.add(Breaker(scope=scope, **values))
        rows.session.flush()
    assert message_rows._takes_edits(rows.session, rows.channel, message, NOW) is takes


# --- giving up -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "values", "given_up", "even_if_sent"),
    [
        ("pending", {}, True, True),
        ("blocked", {}, True, True),
        ("sending", {}, True, True),  # claimed, and nothing is intended yet
        # It may be on its way, or there.
        ("sending", {"sent_maybe": True}, False, True),
        ("uncertain", {}, False, True),
        ("needs_review", {"sent_maybe": True}, False, True),
        ("pending", {"sent_maybe": True}, False, True),
        # What stands in the channel is not given up.
        ("delivered", {}, False, False),
        ("sending", {"evidence": "response"}, False, False),  # being edited
    ],
)
def test_what_may_have_been_sent_is_given_up_only_by_whoever_says_so(
    database, state: str, values: dict[str, object], given_up: bool, even_if_sent: bool
) -> None:
    says_so = {"even_if_sent": True}
    for how, expected in (({}, given_up), (says_so, even_if_sent)):
        with database.writing() as session:
            message = Rows(session).add(f"{how}", state, **values)
            assert message_rows.withdraw(session, message.id, "it is over", **how) is expected
            after = (message.state, message.due_at, message.last_error)
            before = (state, message.due_at, None)
            assert after == (("dropped", None, "it is over") if expected else before)


@pytest.mark.parametrize(
    ("label", "stands"),
    [("after_claim", []), ("before_call", ["This is no longer shown"])],
)
def test_who_is_forgotten_while_a_message_is_claimed_is_in_none_in_the_end(
    delivery: DeliverySetup, label: str, stands: list[str]
) -> None:
    """Before its intent it is given up; what may be on its way is edited."""
    channel = delivery.channel()
    message = delivery.message(channel)

    def forget() -> None:
        """As if nobody were left in its game."""
        with delivery.database.writing() as session:
            message_rows.write_again(session, [message], delivery.now)

    delivery.crashes.at[label] = forget
    delivery.run()
    delivery.run()
    assert delivery.titles(channel) == stands
    assert delivery.row(message).due_at is None


def test_what_is_not_there_cannot_be_given_up(rows: Rows) -> None:
    assert not message_rows.withdraw(rows.session, "of nobody", "it is over", even_if_sent=True)


# --- a backup was restored -------------------------------------------------------------------------


def test_after_a_restoration_only_what_is_settled_is_as_it_was(rows: Rows) -> None:
    messages = {state: rows.add(state, state) for state in STATES}
    restored = Restoration(NOW - HOUR, NOW + HOUR)
    # Those that are looked for: all that nobody has settled and no person has to.
    assert message_rows.note_restoration(rows.session, restored) == 4
    assert restoration(rows.session) == restored
    now = {name: (each.state, each.sent_maybe, each.due_at) for name, each in messages.items()}
    looked_for = ("uncertain", True, NOW + HOUR)
    assert now == {
        **dict.fromkeys(("pending", "sending", "uncertain", "blocked"), looked_for),
        "needs_review": ("needs_review", True, None),
        "delivered": ("delivered", False, None),
        "dropped": ("dropped", False, None),
    }


@pytest.mark.parametrize(
    ("delivered_at", "edited", "revision"),
    [
        # 1 in the backup. What an installation that was lost has counted since then nobody knows.
        (NOW - HOUR, [], 1002),
        (NOW, [], 1002),
        (NOW + SECOND, [], 2),  # delivered from here
        # An edit from here shows that the revision is ours; one in the backup, or another call, does not.
        (NOW - HOUR, [("PATCH", NOW + SECOND)], 2),
        (NOW - HOUR, [("PATCH", NOW)], 1002),
        (NOW - HOUR, [("GET", NOW + SECOND)], 1002),
    ],
)
def test_a_text_that_the_lost_installation_may_have_edited_is_left_far_behind(
    rows: Rows, delivered_at: object, edited: list[tuple[str, object]], revision: int
) -> None:
    message = rows.add("own", "delivered", delivered_at=delivered_at)
    message_rows.note_restoration(rows.session, Restoration(NOW - HOUR, NOW))
    other = rows.add("another", "delivered")
    rows.session.add(Attempt(message_id=other.id, op="PATCH", fence=1, at=NOW + HOUR))
    for op, at in edited:
        rows.session.add(Attempt(message_id=message.id, op=op, fence=1, at=at))
    rows.session.flush()
    changed = MessageContent("second", "second")
    assert message_rows._change_text(rows.session, message, changed, NOW + HOUR)
    assert (message.desired_rev, message.due_at) == (revision, NOW + HOUR)
    # The same words again change nothing.
    assert not message_rows._change_text(rows.session, message, changed, NOW + HOUR)
    assert message.desired_rev == revision


def test_without_a_restoration_a_text_has_the_next_revision(rows: Rows) -> None:
    message = rows.add("own", "delivered", delivered_at=NOW - HOUR)
    message_rows._change_text(rows.session, message, MessageContent("second", "second"), NOW)
    assert message.desired_rev == 2


# --- a channel takes messages again ----------------------------------------------------------------


def test_only_what_these_channels_had_refused_is_tried_again_at_once(rows: Rows) -> None:
    other, third = (make_channel(rows.session, rows.team) for _ in range(2))
    refused = [
        rows.add(f"{each.id}", "blocked", of=each, due_at=NOW + HOUR)
        for each in (rows.channel, other, third)
    ]
    waiting = rows.add("waiting", "pending", due_at=NOW + HOUR)
    message_rows.reopen(rows.session, [rows.channel.id, third.id], NOW)
    assert [each.due_at for each in refused] == [NOW, NOW + HOUR, NOW]
    assert waiting.due_at == NOW + HOUR


def test_only_what_these_channels_quiet_hours_hold_back_is_checked_again(rows: Rows) -> None:
    other = make_channel(rows.session, rows.team)
    later = NOW + HOUR
    held = rows.add("held", "pending", due_at=later, last_error=QUIET)
    untouched = [
        rows.add("refused", "blocked", due_at=later),
        rows.add("elsewhere", "pending", of=other, due_at=later, last_error=QUIET),
        rows.add("a person's", "needs_review", due_at=None, last_error=QUIET),
    ]
    message_rows.end_quiet(rows.session, [rows.channel.id], NOW)
    assert held.due_at == NOW
    assert [each.due_at for each in untouched] == [later, later, None]


# --- a clock was ahead -----------------------------------------------------------------------------

LIMIT = NOW + HOUR


@pytest.mark.parametrize(
    ("state", "values", "after"),
    [
        ("pending", {"due_at": LIMIT}, None),  # so long it may wait
        ("pending", {"due_at": LIMIT + SECOND}, {"due_at": NOW}),
        ("uncertain", {"uncertain_since": NOW}, None),
        ("uncertain", {"uncertain_since": NOW + SECOND}, {"uncertain_since": NOW}),
        # A lease takes a minute and settling two, from 1,000 s of the delivery clock on.
        ("sending", {"clock": "boot:1", "lease_until": 1060.0}, None),
        # Whatever ends before a settling would is not worth a write.
        ("sending", {"clock": "boot:1", "lease_until": 1120.0}, None),
        ("sending", {"clock": "boot:1", "lease_until": 1121.0}, {"lease_until": 1060.0}),
        ("uncertain", {"clock": "boot:1", "settle_until": 1120.0}, None),
        ("uncertain", {"clock": "boot:1", "settle_until": 1121.0}, {"settle_until": 1120.0}),
        # Of another clock nothing can be compared.
        ("sending", {"clock": "boot:0", "lease_until": 9000.0}, None),
        ("uncertain", {"clock": "boot:0", "settle_until": 9000.0}, None),
        # What is at rest waits for nothing.
        ("needs_review", {"uncertain_since": NOW + HOUR}, None),
        ("delivered", {"clock": "boot:1", "settle_until": 9000.0}, None),
    ],
)
def test_nothing_waits_for_what_only_a_clock_that_was_ahead_has_written(
    rows: Rows, state: str, values: dict[str, object], after: dict[str, object] | None
) -> None:
    message = rows.add("own", state, **values)
    columns = ("due_at", "uncertain_since", "lease_until", "settle_until")
    before = {name: getattr(message, name) for name in columns}
    changed = message_rows.put_clock_back(rows.session, LIMIT, NOW, epoch="boot:1", at=1000.0)
    assert changed == (0 if after is None else 1)
    assert {name: getattr(message, name) for name in columns} == {**before, **(after or {})}


# --- a channel was tried out -----------------------------------------------------------------------


@pytest.mark.parametrize("edited", [True, False])
@pytest.mark.parametrize("deleted", [True, False])
def test_the_test_message_says_afterwards_what_was_done_with_it(
    rows: Rows, edited: bool, deleted: bool
) -> None:
    message = rows.add("test", "delivered")
    rows.session.add(Attempt(message_id=message.id, op="POST", rev=1, fence=1, at=NOW))
    rows.session.flush()
    second = MessageContent("second", "second")
    message_rows.end_probe(rows.session, "test", second if edited else None, deleted=deleted)
    rows.session.flush()
    rev = 2 if edited else 1
    assert (message.desired_rev, message.remote_rev) == (rev, rev)
    assert (message.remote_deleted, message.state, message.due_at) == (deleted, "delivered", None)
    assert message.content["title"] == ("second" if edited else "first")
    # What was posted first can still be read.
    former = {each.rev: each.content["title"] for each in rows.session.scalars(select(MessageText))}
    assert former == ({1: "first"} if edited else {})


# --- what the protocol may count on ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "uncertain", "probe", "expected"),
    [
        # Discord drops a second POST of the same nonce, for minutes; Slack has none.
        ("discord-bot", "review", None, (True, True, True, False)),
        ("discord-bot", "resend", None, (True, True, True, True)),
        ("discord-bot", "review", {"can_read_back": False}, (True, False, True, False)),
        ("discord-bot", "review", {"can_read_back": True}, (True, True, True, False)),
        ("discord-bot", "review", {"can_read_back": None}, (True, True, True, False)),
        ("slack-bot", "review", None, (False, True, True, False)),
        ("slack-webhook", "resend", None, (False, False, False, True)),  # it can only post
        ("slack-webhook", "review", {"can_read_back": True}, (False, False, False, False)),
    ],
)
def test_what_a_channel_can_do_is_what_its_kind_can_and_a_test_has_not_disproved(
    rows: Rows,
    kind: str,
    uncertain: str,
    probe: dict[str, bool | None] | None,
    expected: tuple[bool, bool, bool, bool],
) -> None:
    channel = make_channel(rows.session, rows.team, kind=kind, uncertain=uncertain)
    if probe is not None:
        rows.session.add(ChannelProbe(channel_id=channel.id, **probe))
        rows.session.flush()
    terms = terms_of(rows.session, channel, TRANSPORTS, Timing(lease=70.0))
    assert (terms.nonce, terms.read_back, terms.edit, terms.resend) == expected
    assert terms.timing == Timing(lease=70.0)
    assert terms.settle == TRANSPORTS[kind].capabilities.settle
