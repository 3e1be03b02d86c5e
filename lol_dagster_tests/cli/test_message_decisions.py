"""`lol-dagster message resend`, `mark-delivered` and `drop`."""

from __future__ import annotations

import getpass
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, AuditEntry, Message
from lol_dagster_tests._support.commands import as_json, refused, said
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests.cli.test_messages import CREATED, FIRST, add

REMOTE = "1122334455667788990"


def message(database: Database, kind: str = "discord-bot", **values: Any) -> None:
    with database.writing() as session:
        channel = make_channel(session, make_team(session, "Barons"), "main", kind=kind)
        add(session, channel, FIRST, 1, **values)


def row(database: Database) -> Message:
    with database.reading() as session:
        return session.get_one(Message, FIRST)


def test_what_was_decided_is_shown_with_who_and_when(database: Database) -> None:
    message(database, state="needs_review", last_error="nobody knows")
    decided = as_json("message", "drop", "aaaa")
    assert (decided["state"], row(database).state) == ("dropped", "dropped")
    (decision,) = as_json("message", "show", "aaaa")["decisions"]
    assert (decision["action"], decision["who"]) == (
        "dropped",
        f"{getpass.getuser()} (command line)",
    )
    assert "dropped" in said("message", "show", "aaaa").splitlines()[-1]
    with database.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.table == "messages")).one()
        assert entry.before is not None
        assert (entry.row, entry.before["last_error"]) == (FIRST, "nobody knows")


def test_an_operator_can_mark_a_message_as_delivered(
    database: Database,
) -> None:
    message(database, state="uncertain", sent_maybe=True, sent_rev=1, desired_rev=2)
    said("message", "mark-delivered", "aaaa", "--remote-id", REMOTE)
    marked = row(database)
    assert (marked.state, marked.evidence, marked.remote_id) == ("delivered", "operator", REMOTE)
    # The first text was posted and the second is wanted: an edit is due.
    assert (marked.remote_rev, marked.due_at is None) == (1, False)
    assert marked.fence == 1


def test_what_may_stand_at_the_channels_former_address_is_resent_only_by_who_has_looked_there(
    database: Database,
) -> None:
    message(database, state="needs_review", sent_maybe=True)
    with database.writing() as session:
        session.add(
            Attempt(
                message_id=FIRST, fence=1, op="POST", at=CREATED, outcome="uncertain",
                address="another address",
            )
        )  # fmt: skip
    assert "--former-address-checked" in refused("message", "resend", "aaaa")
    assert row(database).state == "needs_review"
    said("message", "resend", "aaaa", "--former-address-checked")
    assert row(database).state == "uncertain"


@pytest.mark.parametrize("command", ["resend", "mark-delivered", "drop"])
@pytest.mark.parametrize("state", ["pending", "sending", "delivered", "dropped"])
def test_a_decision_about_a_message_that_needs_none_is_refused(
    database: Database, command: str, state: str
) -> None:
    message(database, state=state)
    assert f"is {state} and cannot be" in refused("message", command, "aaaa")
    assert row(database).fence == 0
    with database.reading() as session:
        assert not session.scalars(select(AuditEntry).where(AuditEntry.table == "messages")).all()


@pytest.mark.parametrize("state", ["uncertain", "blocked"])
def test_what_is_retried_by_itself_is_not_resent(database: Database, state: str) -> None:
    message(database, state=state)
    assert "by itself" in refused("message", "resend", "aaaa")


def test_an_id_that_no_message_can_have_is_refused(database: Database) -> None:
    message(database, state="needs_review")
    assert "'1722542400.000100' is no id of a discord-bot's message" in refused(
        "message", "mark-delivered", "aaaa", "--remote-id", "1722542400.000100"
    )
    assert row(database).state == "needs_review"


def test_the_edit_of_a_delivered_message_can_be_given_up(database: Database) -> None:
    message(
        database, state="delivered", evidence="response", remote_id=REMOTE, remote_rev=1,
        desired_rev=2, due_at=CREATED,
    )  # fmt: skip
    assert "Its edit is given up" in said("message", "drop", "aaaa")
    given_up = row(database)
    assert (given_up.state, given_up.due_at, given_up.given_up_rev) == ("delivered", None, 2)
    assert "is delivered and cannot be dropped" in refused("message", "drop", "aaaa")


def test_an_unknown_message_is_refused(database: Database) -> None:
    assert refused("message", "resend", "cccc").startswith("no message's id begins with")
