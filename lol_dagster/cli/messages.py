"""`lol-dagster message …`"""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import select

from lol_dagster.cli.house import open_house
from lol_dagster.cli.output import (
    as_json_option,
    print_either,
    print_fields,
    print_table,
    shown,
)
from lol_dagster.errors import UserError
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.text import plain_rows
from lol_dagster.storage.models import Attempt, Message
from lol_dagster.storage.models.delivery import MESSAGE_STATES


@click.group()
def message() -> None:
    """What is said, and how far its delivery has come."""


@message.command("list")
@click.option("--state", type=click.Choice(MESSAGE_STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json_option
def list_messages(state: str | None, limit: int, as_json: bool) -> None:
    """List the newest messages."""
    query = select(Message).order_by(Message.created_at.desc(), Message.id).limit(limit)
    if state is not None:
        query = query.where(Message.state == state)
    with open_house() as house, house.database.reading() as session:
        values = [_as_json(row) for row in session.scalars(query)]
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("MESSAGE", "CHANNEL", "STATE", "CREATED AT", "SAYS"),
            (
                (
                    value["id"],
                    value["channel"],
                    value["state"],
                    value["created_at"],
                    value["summary"],
                )
                for value in values
            ),
            empty="There is no such message." if state else "There is no message yet.",
        ),
    )


@message.command("show")
@click.argument("message_id")
@as_json_option
def show(message_id: str, as_json: bool) -> None:
    """Show a message and every call that was made to deliver it.

    The beginning of its id is enough.
    """
    with open_house() as house, house.database.reading() as session:
        found = session.scalars(
            select(Message).where(Message.id.startswith(message_id, autoescape=True)).limit(2)
        ).all()
        if len(found) != 1:
            count = "no message has" if not found else "several messages have"
            raise UserError(f"{count} an id that begins with {message_id!r}: see 'message list'")
        (row,) = found
        value = {
            **_as_json(row),
            "content": row.content,
            "attempts": [_attempt(each) for each in row.attempt_rows],
        }
    print_either(value, as_json, lambda: _print(value))


def _as_json(row: Message) -> dict[str, Any]:
    return {
        "id": row.id,
        "channel": row.channel.name,
        "subject": row.subject,
        "kind": row.kind,
        "state": row.state,
        "created_at": row.created_at,
        "due_at": row.due_at,
        "delivered_at": row.delivered_at,
        "evidence": row.evidence,
        "remote_id": row.remote_id,
        "revision": row.desired_rev,
        "posted_revision": row.remote_rev,
        "attempts_made": row.attempts,
        "last_error": row.last_error,
        "summary": row.content["summary"],
    }


def _attempt(row: Attempt) -> dict[str, Any]:
    return {
        "at": row.at,
        "op": row.op,
        "revision": row.rev,
        "outcome": row.outcome,
        "http_status": row.http_status,
        "code": row.code,
        "remote_id": row.remote_id,
        "elapsed_ms": row.elapsed_ms,
        "request_id": row.request_id,
        "detail": row.detail,
        "run_id": row.run_id,
    }


def _print(value: dict[str, Any]) -> None:
    names = ("id", "channel", "subject", "state", "created_at", "due_at", "delivered_at",
             "evidence", "remote_id", "revision", "posted_revision", "last_error")  # fmt: skip
    print_fields((name.replace("_", " "), value[name]) for name in names)
    click.echo()
    content = MessageContent.from_json(value["content"])
    click.echo(shown(content.title))
    for section in content.sections:
        if section.heading:
            click.echo(shown(section.heading))
        for line in section.lines:
            click.echo(f"  {shown(line.lead)} {shown(' | '.join(plain_rows(line)))}")
    click.echo()
    print_table(
        ("AT", "CALL", "REV", "CONCLUDED", "STATUS", "CODE", "REMOTE ID", "MS", "DETAIL"),
        (
            (
                each["at"],
                each["op"],
                each["revision"],
                each["outcome"] or "(died before the answer)",
                each["http_status"],
                each["code"],
                each["remote_id"],
                each["elapsed_ms"],
                each["detail"],
            )
            for each in value["attempts"]
        ),
        empty="Nothing has been sent yet.",
    )
