"""What a person can decide about a message, by how it stands, and what is written down about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery import decisions
from lol_dagster.delivery.decisions import DecisionError, RemoteIdError
from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.model import QUIET
from lol_dagster.delivery.transports.base import fingerprint
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings
from lol_dagster.storage.models import Attempt, AuditEntry, ChannelProbe, Message
from lol_dagster_tests._support.fake_channels import HandClock
from lol_dagster_tests._support.message_rows import NOW, as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel, make_team

TRANSPORTS = all_transports(Settings())
CHOICES = ("resend", "mark_delivered", "drop", "give_up_edit")
STATES = ("pending", "sending", "uncertain", "blocked", "delivered", "needs_review", "dropped")
OUTDATED = {"desired_rev": 2, "remote_rev": 1}
WEBHOOKS = {
    "discord-webhook": "https://x/api/webhooks/1/secret",
    "slack-webhook": "https://hooks.slack.com/services/T1/B1/secret",
}


@dataclass
class Deciding:
    """One message, and a person who decides about it."""

    session: Session
    kind: str = "discord-bot"

    def __post_init__(self) -> None:
        address = {"address": WEBHOOKS[self.kind]} if self.kind in WEBHOOKS else {}
        channel = make_channel(self.session, make_team(self.session), kind=self.kind, **address)
        self.message = add_message(
            self.session, "12345678-of-the-test", channel_id=channel.id, kind="game",
            subject="NA1_1", order_at=NOW, content=MessageContent("title", "title"), now=NOW,
        )  # fmt: skip
        self.channel = channel

    def stands(self, as_: str, /, **values: object) -> Deciding:
        values = {"due_at": None, **as_delivery_leaves_it(as_, NOW), **values}
        for name, value in values.items():
            setattr(self.message, name, value)
        self.session.flush()
        return self

    def probed(self, **values: bool) -> Deciding:
        self.session.add(ChannelProbe(channel_id=self.channel.id, **values))
        self.session.flush()
        return self

    def tried(self, op: str, outcome: str | None, address: str | None = None) -> Deciding:
        self.session.add(
            Attempt(
                message_id=self.message.id, op=op, outcome=outcome, fence=1, at=NOW,
                address=address,
            )
        )  # fmt: skip
        self.session.flush()
        return self

    @property
    def choices(self) -> decisions.Choices:
        return decisions.choices(self.session, self.message, transports=TRANSPORTS)

    @property
    def can(self) -> set[str]:
        """What can be decided."""
        found = self.choices
        offered = {name for name in CHOICES if asdict(found)[name]}
        assert found.any == bool(offered)
        return offered

    def decide(self, choice: str, remote_id: str | None = None) -> Message:
        how = {"transports": TRANSPORTS, "clock": HandClock("boot:one", 70.0), "now": NOW}
        if choice == "mark_delivered":
            return decisions.mark_delivered(self.session, self.message.id, remote_id, **how)
        if choice == "resend":
            return decisions.resend(self.session, self.message.id, **how)
        return decisions.drop(self.session, self.message.id, **how)

    @property
    def entry(self) -> AuditEntry:
        """The one decision that was written down."""
        return self.session.scalars(select(AuditEntry).where(AuditEntry.table == "messages")).one()


@pytest.fixture
def deciding(database) -> Iterator[Deciding]:
    with database.writing(who="Ann") as session:
        yield Deciding(session)


# --- what is offered -------------------------------------------------------------------------------

OFFERED = {
    "pending": set(),  # it goes by itself
    "sending": set(),
    "uncertain": {"mark_delivered", "drop"},  # it is looked for by itself
    "blocked": {"mark_delivered", "drop"},  # it is sent by itself once its channel takes it
    "needs_review": {"resend", "mark_delivered", "drop"},
    "delivered": set(),
    "dropped": set(),
}


@pytest.mark.parametrize("state", STATES)
def test_only_what_does_not_go_on_by_itself_is_left_to_people(
    deciding: Deciding, state: str
) -> None:
    assert deciding.stands(state).can == OFFERED[state]


def test_what_quiet_hours_hold_back_can_be_dropped(deciding: Deciding) -> None:
    deciding.stands("pending", last_error=QUIET)
    assert deciding.can == {"drop"}
    deciding.decide("drop")
    assert (deciding.message.state, deciding.message.due_at) == ("dropped", None)
    assert deciding.entry.action == "dropped"


@pytest.mark.parametrize("state", STATES)
def test_into_a_removed_channel_nothing_is_sent_again(deciding: Deciding, state: str) -> None:
    deciding.channel.removed_at = NOW
    assert deciding.stands(state).can == OFFERED[state] - {"resend"}


@pytest.mark.parametrize(
    ("values", "offered"),
    [
        ({}, True),
        ({"remote_rev": 2}, False),  # the newest text stands there
        ({"given_up_rev": 1}, True),  # an earlier text was given up
        ({"given_up_rev": 2}, False),
        ({"remote_deleted": True}, False),  # nothing stands there to be edited
        ({"remote_id": None}, False),  # it cannot be edited at all
        ({"remote_rev": None}, False),
        # It is being edited just now.
        ({"state": "sending", "due_at": NOW, "lease_until": 0.0}, False),
    ],
)
def test_an_edit_can_be_given_up_as_long_as_one_is_lacking(
    deciding: Deciding, values: dict[str, object], offered: bool
) -> None:
    deciding.stands("delivered", **{**OUTDATED, **values})
    assert ("give_up_edit" in deciding.can) is offered


@pytest.mark.parametrize(
    ("kind", "probe", "checks_first", "has_ids"),
    [
        ("discord-bot", None, True, True),
        ("discord-bot", {"can_read_back": True}, True, True),
        ("discord-bot", {"can_read_back": False}, False, True),
        ("discord-bot", {"unreadable_history": True}, False, True),
        ("slack-bot", None, True, True),
        ("slack-webhook", None, False, False),  # it can only post
    ],
)
def test_it_is_said_whether_the_channel_is_searched_before_anything_is_posted_again(
    database, kind: str, probe: dict[str, bool] | None, checks_first: bool, has_ids: bool
) -> None:
    with database.writing() as session:
        deciding = Deciding(session, kind).stands("needs_review", sent_maybe=True)
        if probe is not None:
            deciding.probed(**probe)
        found = deciding.choices
        assert (found.checks_first, found.has_ids) == (checks_first, has_ids)
        # And that is what happens.
        deciding.decide("resend")
        searched_first = deciding.message.sent_maybe
        assert searched_first is checks_first


# --- what is refused -------------------------------------------------------------------------------

WHY_NOT = {
    "pending": "it waits to be sent and will be, by itself",
    "sending": "it is being sent right now: try again in a minute",
    "uncertain": "the channel's history is searched before anything is repeated, by itself",
    "blocked": "it is sent by itself as soon as its channel takes messages again",
    "delivered": "it is delivered",
    "dropped": "it is given up for good",
}
WORDS = {"resend": "resent", "mark_delivered": "marked delivered", "drop": "dropped"}


@pytest.mark.parametrize("choice", WORDS)
@pytest.mark.parametrize("state", STATES)
def test_what_is_not_offered_is_refused_with_its_reason_and_changes_nothing(
    deciding: Deciding, state: str, choice: str
) -> None:
    deciding.stands(state)
    if choice in deciding.can:
        deciding.decide(choice)
        assert deciding.entry.action == WORDS[choice]
        return
    with pytest.raises(DecisionError) as refusal:
        deciding.decide(choice)
    assert str(refusal.value) == (
        f"the message 12345678 is {state} and cannot be {WORDS[choice]}: {WHY_NOT[state]}"
    )
    assert (deciding.message.state, deciding.message.fence) == (state, 0)
    assert deciding.session.scalars(select(AuditEntry).filter_by(table="messages")).all() == []


def test_a_resend_into_a_removed_channel_is_refused_with_that_reason(deciding: Deciding) -> None:
    deciding.channel.removed_at = NOW
    with pytest.raises(DecisionError) as refusal:
        deciding.stands("needs_review").decide("resend")
    assert str(refusal.value) == (
        "the message 12345678 is needs_review and cannot be resent: its channel was removed"
    )


@pytest.mark.parametrize(
    ("kind", "remote_id", "said"),
    [
        ("slack-webhook", "1", "messages of a slack-webhook have no id: leave --remote-id out"),
        ("discord-bot", "née", "'n\\xe9e' is no id of a discord-bot's message: it is "),
        ("slack-bot", "12", "'12' is no id of a slack-bot's message: it is "),
    ],
)
def test_what_cannot_be_an_id_is_refused(database, kind: str, remote_id: str, said: str) -> None:
    with database.writing() as session:
        deciding = Deciding(session, kind).stands("needs_review")
        with pytest.raises(RemoteIdError) as refusal:
            deciding.decide("mark_delivered", remote_id)
        assert str(refusal.value).startswith(said)
        assert deciding.message.state == "needs_review"


def test_what_may_stand_elsewhere_is_refused_with_what_there_is_to_do(deciding: Deciding) -> None:
    deciding.tried("POST", "uncertain", fingerprint("of before"))
    with pytest.raises(DecisionError) as refusal:
        deciding.stands("needs_review", sent_maybe=True).decide("resend")
    assert str(refusal.value) == (
        "the message 12345678 may have been posted at the address that its channel had before, and "
        "is looked for only at the present one: see whether it is there, and if so, mark it "
        "delivered. If it is not, say so: in the web view, or with --former-address-checked"
    )


def test_an_id_that_another_message_has_is_refused_with_that_ones_name(deciding: Deciding) -> None:
    add_message(
        deciding.session, "87654321-of-another", channel_id=deciding.channel.id, kind="game",
        subject="NA1_77", order_at=NOW, content=MessageContent("title", "title"), now=NOW,
    ).remote_id = "700000000000000001"  # fmt: skip
    deciding.session.flush()
    with pytest.raises(RemoteIdError) as refusal:
        deciding.stands("needs_review").decide("mark_delivered", "700000000000000001")
    assert str(refusal.value) == (
        "700000000000000001 is the id of the message 87654321, which is about NA1_77: "
        "give this message's own"
    )


# --- what is written down --------------------------------------------------------------------------


def test_a_decision_is_kept_with_who_made_it_and_what_it_changed(deciding: Deciding) -> None:
    deciding.stands("needs_review", last_error="nobody knows")
    deciding.decide("mark_delivered", "700000000000000001")
    entry = deciding.entry
    assert (entry.who, entry.at, entry.row) == ("Ann", NOW, "12345678-of-the-test")
    before = {"remote_id": None, "evidence": None, "last_error": "nobody knows"}
    assert entry.before == {"state": "needs_review", **before}
    assert entry.after == {
        "state": "delivered",
        "remote_id": "700000000000000001",
        "evidence": "operator",
        "last_error": None,
    }
    assert deciding.message.remote_id == "700000000000000001"


def test_who_is_not_named_decides_as_the_system(database) -> None:
    with database.writing() as session:
        session.info.pop("who", None)
        deciding = Deciding(session).stands("needs_review")
        deciding.decide("drop")
        assert (deciding.entry.who, deciding.entry.action) == ("system", "dropped")
        assert deciding.message.state == "dropped"


def test_what_is_marked_delivered_has_the_time_at_which_somebody_saw_it(deciding: Deciding) -> None:
    deciding.stands("uncertain").decide("mark_delivered")
    assert (deciding.message.state, deciding.message.delivered_at) == ("delivered", NOW)


# --- where it may stand ----------------------------------------------------------------------------

HERE, THERE = "here", "there"


@pytest.mark.parametrize(
    ("calls", "moved"),
    [
        ([], False),
        ([("POST", "uncertain", THERE)], True),
        ([("POST", None, THERE)], True),  # its process died over it
        ([("POST", "uncertain", HERE)], False),
        ([("POST", "uncertain", THERE), ("POST", "uncertain", HERE)], True),
        ([("POST", "refused", THERE)], False),  # it stands nowhere
        ([("POST", "not_sent", THERE)], False),
        ([("POST", "uncertain", None)], False),  # of a version that noted none: the present one
        ([("PATCH", "uncertain", THERE)], False),  # an edit posts nothing
        ([("SCAN", None, THERE)], False),
    ],
)
def test_what_may_stand_at_an_address_that_the_channel_had_before_is_said(
    deciding: Deciding, calls: list[tuple[str, str | None, str | None]], moved: bool
) -> None:
    addresses = {HERE: fingerprint(deciding.channel.address), THERE: fingerprint("of before")}
    for op, outcome, where in calls:
        deciding.tried(op, outcome, addresses.get(where or ""))
    other = add_message(
        deciding.session, "another", channel_id=deciding.channel.id, kind="game", subject="NA1_2",
        order_at=NOW, content=MessageContent("title", "title"), now=NOW,
    )  # fmt: skip
    other.sent_maybe = True
    deciding.session.flush()
    deciding.stands("needs_review", sent_maybe=True)
    assert deciding.choices.moved is moved
    # Of another message nothing follows from these calls.
    assert not decisions.choices(deciding.session, other, transports=TRANSPORTS).moved
    # What was certainly never sent stands nowhere, whatever was tried before.
    assert not deciding.stands("needs_review", sent_maybe=False).choices.moved
