"""`lol-dagster message list` and `message show`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Attempt,
    Channel,
    Match,
    Message,
    MessageAudit,
    MessageGame,
    MessageText,
)
from lol_dagster_tests._support.commands import as_json, refused, run, said
from lol_dagster_tests._support.roster_rows import make_channel, make_team

CREATED = datetime.fromisoformat("2026-08-01T20:00:00+00:00")
CONTENT = MessageContent(
    title="Victory · Ranked Solo",
    summary="Faker (Jinx 10/2/8): Victory",
    sections=(
        Section(
            heading="Blue side",
            lines=(Line("Faker", ("Jinx", "10/2/8"), ("KDA 9.0",), ("Penta kill",)),),
        ),
    ),
    url="https://example.org/match/1",
    footer="NA1_1",
    more=3,
)
FIRST, SECOND = "aaaa1111-0000-4000-8000-000000000000", "aaaa2222-0000-4000-8000-000000000000"


def add(session: Session, channel: Channel, message_id: str, number: int, **values: Any) -> Message:
    row = Message(
        **{
            "id": message_id,
            "channel_id": channel.id,
            "subject": f"NA1_{number}",
            "kind": "game",
            "order_at": CREATED,
            "created_at": CREATED + timedelta(minutes=number),
            "content": CONTENT.to_json(),
            "desired_hash": CONTENT.content_hash(),
            "nonce": f"nonce-{number}",
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def channel(database: Database) -> Channel:
    """A channel with two messages: an older one that is delivered and a newer one that is not."""
    with database.writing() as session:
        channel = make_channel(session, make_team(session, "Barons"), "main")
        add(session, channel, FIRST, 1, state="delivered", delivered_at=CREATED, remote_id="77")
        add(session, channel, SECOND, 2)
    return channel


def ids(*options: str) -> list[str]:
    return [each["id"] for each in as_json("message", "list", *options)]


def test_without_messages_the_list_says_so(database: Database) -> None:
    assert said("message", "list") == "There is no message yet.\n"
    assert as_json("message", "list") == []


def test_the_newest_message_comes_first(channel: Channel) -> None:
    assert ids() == [SECOND, FIRST]
    assert ids("--limit", "1") == [SECOND]
    heading, newest, oldest = said("message", "list").splitlines()
    assert heading.split() == ["MESSAGE", "CHANNEL", "STATE", "CREATED", "DELIVERED", "SAYS"]
    assert newest.startswith("aaaa2222  main     pending")
    assert oldest.endswith("Faker (Jinx 10/2/8): Victory")


def test_the_list_can_be_filtered_by_state_and_channel(
    database: Database, channel: Channel
) -> None:
    third = "bbbb3333-0000-4000-8000-000000000000"
    with database.writing() as session:
        other = make_channel(session, make_team(session, "Others"), "Other")
        add(session, other, third, 3)
    assert ids("--state", "pending") == [third, SECOND]
    assert ids("--channel", "OTHER") == [third]
    assert ids("--state", "delivered", "--channel", "main") == [FIRST]
    assert said("message", "list", "--state", "needs_review") == "There is no such message.\n"


def test_an_unknown_channel_or_state_is_refused(channel: Channel) -> None:
    assert "'mian'" in refused("message", "list", "--channel", "mian")
    result = run("message", "list", "--state", "lost")
    assert result.exit_code == 2
    assert "'needs_review'" in result.stderr  # the states that there are


def test_a_message_is_found_by_the_beginning_of_its_id(channel: Channel) -> None:
    assert as_json("message", "show", "aaaa1")["id"] == FIRST
    assert as_json("message", "show", SECOND)["id"] == SECOND
    assert refused("message", "show", "aaaa") == (
        "several messages' ids begin with 'aaaa': give more of it"
    )
    for nothing in ("cccc", "%", "____", ""):
        assert refused("message", "show", nothing).startswith("no message's id begins with")


def test_a_message_is_shown_as_text_with_every_call_that_was_made(
    database: Database, channel: Channel
) -> None:
    with database.writing() as session:
        for outcome, status in ((None, None), ("accepted", 200)):
            session.add(
                Attempt(
                    message_id=FIRST, fence=1, op="POST", rev=1, at=CREATED, outcome=outcome,
                    http_status=status, remote_id="77" if status else None, elapsed_ms=8,
                    body_sha256="abcdef01" + "2" * 56,
                )
            )  # fmt: skip
        session.add(Match(match_id="NA1_1", listed_at=CREATED))
        session.flush()
        session.add(MessageGame(channel_id=channel.id, match_id="NA1_1", message_id=FIRST))
        session.add(
            MessageText(message_id=FIRST, rev=1, content={**CONTENT.to_json(), "title": "Remake"})
        )
        session.get_one(Message, FIRST).desired_rev = 2
        session.add(
            MessageAudit(
                message_id=FIRST, at=CREATED, finding="duplicate", detail="also there as 78"
            )
        )
    text = said("message", "show", "aaaa1")
    assert "It said, as revision 1:\nRemake\n" in text
    assert "It says now, as revision 2:\nVictory · Ranked Solo\n" in text
    assert "abcdef01  accepted" in text
    assert "Last audited 2026-08-01 20:00:00 UTC: duplicate (also there as 78)" in text
    assert (
        "Victory · Ranked Solo\n"
        "Blue side\n"
        "  Faker\n"
        "    Jinx · 10/2/8\n"
        "    KDA 9.0\n"
        "    ⭐ Penta kill\n"
        "… and 3 more\n"
        "NA1_1\n"
        "https://example.org/match/1\n"
    ) in text
    assert "(died before the answer)" in text
    value = as_json("message", "show", "aaaa1")
    assert value["match_ids"] == ["NA1_1"]
    assert (value["team"], value["channel"], value["remote_id"]) == ("Barons", "main", "77")
    assert value["content"] == CONTENT.to_json()
    assert [each["outcome"] for each in value["attempts"]] == [None, "accepted"]
    assert value["attempts"][1]["at"] == "2026-08-01T20:00:00+00:00"


def test_a_message_that_was_never_sent_says_so(channel: Channel) -> None:
    assert said("message", "show", SECOND).endswith("Nothing has been sent yet.\n")


def test_hostile_text_cannot_command_the_terminal(database: Database, channel: Channel) -> None:
    hostile = MessageContent(
        title="\x1b[2J\u202eevil", summary="\x1b]0;x\x07", sections=(Section((Line("\x9b31m"),)),)
    )
    with database.writing() as session:
        session.get_one(Message, FIRST).content = hostile.to_json()
    shown = said("message", "show", FIRST) + said("message", "list")
    assert not set(shown) & set("\x1b\x07\x9b\u202e")
