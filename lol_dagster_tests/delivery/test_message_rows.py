"""Columns of a message are written in one place, by events of the protocol."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import select

import lol_dagster
from lol_dagster.delivery import message_rows, protocol
from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.model import Reopened, Restored, Row, TextChanged, Withdraw
from lol_dagster.messages.content import MessageContent
from lol_dagster.storage.models import Attempt, Message, MessageText
from lol_dagster_tests._support.message_rows import NOW
from lol_dagster_tests._support.roster_rows import make_channel, make_team

PRODUCT = Path(lol_dagster.__file__).parent
THE_WRITER = PRODUCT / "delivery" / "message_rows.py"
COLUMNS = {column.key for column in Message.__table__.columns}
OF_MESSAGES_ALONE = {
    "fence", "sent_maybe", "sent_rev", "desired_rev", "desired_hash", "remote_rev",
    "remote_deleted", "uncertain_rounds", "proven_absent", "edit_rounds", "lease_until",
    "settle_until", "first_sent_at", "given_up_rev",
}  # fmt: skip
"""Names of columns that no other table has: whoever sets one sets it on a message."""


def back_doors(source: str) -> list[str]:
    """Where a module writes columns of messages."""
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt | ast.expr) and _writes(node)
    ]


def _writes(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=targets):
            return any(map(_is_column, targets))
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return _is_column(target)
        case ast.Call(func=ast.Name("setattr"), args=[first, *_]):
            return _is_a_message(first)
        case ast.Call(func=ast.Name("Message") | ast.Attribute(attr="Message")):
            return True
        case ast.Call(
            func=ast.Name("update" | "insert") | ast.Attribute(attr="update" | "insert"),
            args=[ast.Name("Message") | ast.Attribute(attr="Message"), *_],
        ):
            return True
        case ast.Constant(str(text)):
            return "update messages set" in " ".join(text.lower().split())
    return False


def _is_column(target: ast.expr) -> bool:
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return any(map(_is_column, elements))
        case ast.Attribute(value=of, attr=name):
            return name in OF_MESSAGES_ALONE or (name in COLUMNS and _is_a_message(of))
    return False


def _is_a_message(value: ast.expr) -> bool:
    return isinstance(value, ast.Name | ast.Attribute) and "message" in ast.unparse(value).lower()


def test_no_module_but_one_writes_messages() -> None:
    found = {
        str(module.relative_to(PRODUCT)): doors
        for module in PRODUCT.rglob("*.py")
        # Migrations know tables, not models; the simulator's messages are those of the services.
        if module != THE_WRITER
        and not {"migrations", "simulator"} & set(module.parts)
        and (doors := back_doors(module.read_text()))
    }
    assert found == {}
    assert back_doors(THE_WRITER.read_text())


@pytest.mark.parametrize(
    "door",
    [
        "message.state = 'dropped'",
        "message.state, message.due_at = 'dropped', None",
        "message.fence += 1",
        "found.sent_maybe = True",
        "attempt.message.due_at = now",
        "setattr(message, name, value)",
        "session.add(Message(id='1'))",
        "session.add(models.Message(id='1'))",
        "session.execute(update(Message).values(due_at=now))",
        "session.execute(sa.update(Message).values({'fence': 1}))",
        "session.execute(insert(Message).values(rows))",
        "connection.execute(text('UPDATE messages\\n SET state = 1'))",
    ],
)
def test_a_back_door_would_be_seen(door: str) -> None:
    assert back_doors(door)


@pytest.mark.parametrize(
    "harmless",
    [
        "match.state = 'processed'",
        "state = message.state",
        "session.execute(update(Match).values(state='processed'))",
        "session.execute(delete(Message))",
        "messages = list(found)",
    ],
)
def test_reading_is_no_back_door(harmless: str) -> None:
    assert back_doors(harmless) == []


# --- changes from outside a claim ----------------------------------------------------------------


def row(state: str, **values: object) -> Row:
    return Row("m", created_at=NOW, desired_rev=1, state=state, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "due"),
    [
        (row("delivered", evidence="scan"), NOW),
        (row("delivered", evidence="scan", remote_deleted=True), None),
        (row("needs_review"), None),
        (row("dropped"), None),
    ],
)
def test_a_new_text_wakes_only_what_stands_in_its_channel(before: Row, due: object) -> None:
    after = protocol.change(before, TextChanged(NOW))
    assert (after.desired_rev, after.due_at, after.state) == (2, due, before.state)


def test_an_open_channel_is_tried_again_by_what_it_had_refused_and_by_nothing_else() -> None:
    assert protocol.change(row("blocked"), Reopened(NOW)).due_at == NOW
    for state in ("pending", "sending", "uncertain", "delivered", "needs_review", "dropped"):
        assert protocol.change(row(state), Reopened(NOW)) == row(state)


@pytest.mark.parametrize("state", ["pending", "sending", "uncertain", "blocked"])
def test_after_a_restoration_whatever_is_not_settled_may_have_been_sent(state: str) -> None:
    before = row(state, fence=3, clock="boot:1", first_sent_at=5.0, uncertain_rounds=2)
    after = protocol.change(before, Restored(NOW))
    assert (after.state, after.due_at, after.sent_maybe, after.fence) == ("uncertain", NOW, True, 4)
    assert (after.clock, after.settle_until, after.first_sent_at) == (None, 0.0, None)
    assert (after.uncertain_since, after.uncertain_rounds) == (NOW, 0)


def test_after_a_restoration_what_was_being_edited_is_still_delivered_and_due_to_be_edited() -> (
    None
):
    before = row("sending", evidence="response", sent_maybe=True, fence=3, clock="boot:1")
    after = protocol.change(before, Restored(NOW))
    assert (after.state, after.due_at, after.fence) == ("delivered", NOW, 4)
    assert (after.evidence, after.clock, after.settle_until) == ("response", None, 0.0)


def test_after_a_restoration_a_review_stays_one_and_what_is_settled_stays_as_it_is() -> None:
    review = protocol.change(row("needs_review"), Restored(NOW))
    assert (review.state, review.sent_maybe, review.due_at) == ("needs_review", True, None)
    for settled in (row("delivered", evidence="response"), row("dropped")):
        assert protocol.change(settled, Restored(NOW)) == settled


def test_what_is_withdrawn_is_given_up_unless_it_was_delivered() -> None:
    given_up = protocol.change(row("pending", due_at=NOW), Withdraw("over"))
    assert (given_up.state, given_up.due_at, given_up.last_error) == ("dropped", None, "over")
    kept = protocol.change(row("sending", due_at=NOW, evidence="scan"), Withdraw("over"))
    assert (kept.state, kept.due_at) == ("delivered", None)


def test_only_what_the_message_itself_has_said_is_kept_when_its_text_changes(database) -> None:
    """That is what its channel was given; another message's calls say nothing of it."""
    newer = MessageContent("newer", "newer")
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        messages = [
            add_message(
                session, name, channel_id=channel.id, kind="game", subject=name, order_at=NOW,
                content=MessageContent(name, name), now=NOW,
            )
            for name in ("sent", "unsent")
        ]  # fmt: skip
        session.add(Attempt(message_id="sent", op="POST", rev=1, fence=1, at=NOW))
        session.flush()
        for message in messages:
            message_rows._change_text(session, message, newer, NOW)
        session.flush()
        kept = session.scalars(select(MessageText)).all()
        assert [(each.message_id, each.rev, each.content["title"]) for each in kept] == [
            ("sent", 1, "sent")
        ]
        assert [each.content["title"] for each in messages] == ["newer", "newer"]
