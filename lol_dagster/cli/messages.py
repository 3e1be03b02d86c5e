"""`lol-dagster message …`"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import (
    as_json_option,
    columns_of,
    print_either,
    print_fields,
    print_section,
    print_table,
    shown,
)
from lol_dagster.delivery import decisions
from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.errors import UserError
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.text import MAX_TEXT, more_line, plain, plain_rows
from lol_dagster.roster.channels import get_channel
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import Channel, Message, MessageAudit, MessageText
from lol_dagster.storage.models.delivery import MESSAGE_STATES

_MESSAGE = ("id", "subject", "kind", "state", "created_at", "due_at", "delivered_at", "evidence",
            "remote_id", "remote_deleted", "last_error")  # fmt: skip
_LISTED = ("channel", "state", "created_at", "delivered_at", "summary")
_ATTEMPT = ("at", "op", "outcome", "http_status", "code", "remote_id", "elapsed_ms", "request_id",
            "detail", "run_id", "body_sha256", "retry")  # fmt: skip


@click.group()
def message() -> None:
    """What is said, and how far its delivery has come."""


@message.command("list")
@click.option("--state", type=click.Choice(MESSAGE_STATES), help="Only those in this state.")
@click.option("--channel", metavar="NAME", help="Only those of this channel.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json_option
def list_messages(state: str | None, channel: str | None, limit: int, as_json: bool) -> None:
    """List the newest messages."""
    with command_context() as app, app.database.reading() as session:
        newest = select(Message).order_by(Message.created_at.desc(), Message.id).limit(limit)
        if state is not None:
            newest = newest.where(Message.state == state)
        if channel is not None:
            newest = newest.where(Message.channel_id == get_channel(session, channel).id)
        loaded = newest.options(joinedload(Message.channel).joinedload(Channel.team))
        values = [_as_json(row) for row in session.scalars(loaded)]
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("MESSAGE", "CHANNEL", "STATE", "CREATED", "DELIVERED", "SAYS"),
            ((value["id"][:8], *(value[name] for name in _LISTED)) for value in values),
            empty="There is no such message." if state or channel else "There is no message yet.",
        ),
    )


@message.command("show")
@click.argument("message_id")
@as_json_option
def show(message_id: str, as_json: bool) -> None:
    """Show a message and every call that was made to deliver it: what was sent, answered, concluded.

    The beginning of its id is enough. SENT is the beginning of the sha256 of the request's body;
    what it said stands above, by revision.
    """
    with command_context() as app, app.database.reading() as session:
        row = _find(session, message_id)
        audited = session.get(MessageAudit, row.id)
        former = session.scalars(
            select(MessageText).where(MessageText.message_id == row.id).order_by(MessageText.rev)
        )
        value = {
            **_as_json(row),
            "match_ids": sorted(each.match_id for each in row.games),
            "content": row.content,
            # In revisions that may have been sent and are not the newest.
            "former_texts": [{"revision": each.rev, "content": each.content} for each in former],
            "attempts": [
                {"revision": each.rev, **columns_of(each, _ATTEMPT)} for each in row.attempt_rows
            ],
            "audit": audited and columns_of(audited, ("at", "finding", "detail")),
            "decisions": _decisions(session, row),
        }
    print_either(value, as_json, lambda: _print(value))


@message.command("audit")
@as_json_option
@click.pass_context
def audit(context: click.Context, as_json: bool) -> None:
    """Read a sample of the delivered messages back from their channels; nothing is sent or changed.

    Happens daily by itself. Exits with 1 if one is not there exactly once, as it was delivered.
    """
    from lol_dagster.delivery.audit import audit_messages

    with command_context() as app:
        found = audit_messages(app.database, all_transports(app.settings), now=app.now)
    value = {"findings": dict(found.findings), "unseen": list(found.unseen)}
    rows = [*found.findings.items(), *((each, "not visible") for each in found.unseen)]
    print_either(
        value,
        as_json,
        lambda: print_table(
            ("MESSAGE", "FOUND"),
            ((message_id[:8], finding.replace("_", " ")) for message_id, finding in rows),
            empty="There is nothing to read back.",
        ),
    )
    context.exit(1 if found.wrong else 0)


@message.command("resend")
@click.argument("message_id")
@click.option(
    "--former-address-checked",
    is_flag=True,
    help="It is not where the channel was before: you have looked.",
)
@as_json_option
def resend(message_id: str, former_address_checked: bool, as_json: bool) -> None:
    """Send a message that needs review.

    Where the channel cannot be read it may then appear twice: check the channel first.
    """
    done = "It goes out with the next delivery run, unless it is found in the channel."
    sending = partial(decisions.resend, former_address_checked=former_address_checked)
    _decide(message_id, as_json, sending, done)


@message.command("mark-delivered")
@click.argument("message_id")
@click.option("--remote-id", help="Its id in the channel, without which it is never edited.")
@as_json_option
def mark_delivered(message_id: str, remote_id: str | None, as_json: bool) -> None:
    """Note that a message stands in its channel, as you have seen."""
    marking = partial(decisions.mark_delivered, remote_id=remote_id)
    _decide(message_id, as_json, marking, "Noted as delivered.")


@message.command("drop")
@click.argument("message_id")
@as_json_option
def drop(message_id: str, as_json: bool) -> None:
    """Give a message up: it is never sent again.

    Of a delivered message the edit that is due, or was refused, is given up: the text that stands in
    the channel stays.
    """
    done = {"dropped": "Dropped.", "delivered": "Its edit is given up: the text there stays."}
    _decide(message_id, as_json, decisions.drop, done)


def _decide(
    message_id: str, as_json: bool, decide: Callable[..., Message], done: str | dict[str, str]
) -> None:
    """`done` is what to say then, perhaps by the message's state."""
    with command_context() as app:
        transports, clock = all_transports(app.settings), clock_for(app.database)
        with app.writing() as session:
            found = _find(session, message_id).id
            row = decide(session, found, transports=transports, clock=clock, now=app.now)
            value = {**_as_json(row), "decisions": _decisions(session, row)}
    words = done if isinstance(done, str) else done[value["state"]]
    print_either(value, as_json, f"{value['id'][:8]}: {words}")


def _decisions(session: Session, row: Message) -> list[dict[str, Any]]:
    """What people have decided about it, oldest first."""
    about = entries_about(session, Message, row.id)
    return [columns_of(each, ("at", "who", "action")) for each in about]


def _find(session: Session, beginning: str) -> Message:
    found = session.scalars(
        select(Message).where(Message.id.startswith(beginning, autoescape=True)).limit(2)
    ).all()
    if not found or not beginning:
        raise UserError(
            f"no message's id begins with {beginning!a}: 'lol-dagster message list' shows the ids"
        )
    if len(found) > 1:
        raise UserError(f"several messages' ids begin with {beginning!a}: give more of it")
    return found[0]


def _as_json(row: Message) -> dict[str, Any]:
    return {
        **columns_of(row, _MESSAGE),
        "team": row.channel.team.name,
        "channel": row.channel.name,
        "revision": row.desired_rev,
        "remote_revision": row.remote_rev,
        "attempts_made": row.attempts,
        "summary": row.content["summary"],
    }


def _print(value: dict[str, Any]) -> None:
    names = ("id", "team", "channel", "subject", "state", "created_at", "due_at", "delivered_at",
             "evidence", "remote_id", "revision", "remote_revision", "last_error")  # fmt: skip
    print_fields((name.replace("_", " "), value[name]) for name in names)
    click.echo()
    for former in value["former_texts"]:
        click.echo(f"It said, as revision {former['revision']}:")
        _print_content(former["content"])
    if value["former_texts"]:
        click.echo(f"It says now, as revision {value['revision']}:")
    _print_content(value["content"])
    print_table(
        ("AT", "CALL", "REV", "SENT", "CONCLUDED", "STATUS", "CODE", "REQUEST", "REMOTE ID", "MS",
         "DETAIL"),
        (
            (each["at"], each["op"], each["revision"], (each["body_sha256"] or "")[:8] or None,
             each["outcome"] or "(died before the answer)",
             *(each[name] for name in ("http_status", "code", "request_id", "remote_id",
                                       "elapsed_ms", "detail")))
            for each in value["attempts"]
        ),
        empty="Nothing has been sent yet.",
    )  # fmt: skip
    if audited := value["audit"]:
        words = audited["finding"].replace("_", " ")
        why = f" ({shown(audited['detail'])})" if audited["detail"] else ""
        click.echo(f"\nLast audited {shown(audited['at'])}: {words}{why}")
    decided = map(itemgetter("at", "action", "who"), value["decisions"])
    print_section(("AT", "DECISION", "BY"), decided)


def _print_content(json: dict[str, Any]) -> None:
    content = MessageContent.from_json(json)
    click.echo(plain(content.title, MAX_TEXT))
    for section in content.sections:
        if section.heading:
            click.echo(plain(section.heading, MAX_TEXT))
        for line in section.lines:
            heads = (line.lead, line.when.text if line.when else "")
            click.echo("  " + " · ".join(plain(each, MAX_TEXT) for each in heads if each))
            for row in plain_rows(line):
                click.echo(f"    {row}")
    if content.more:
        click.echo(more_line(content.more, content.language))
    if content.footer:
        click.echo(plain(content.footer, MAX_TEXT))
    if content.url:
        click.echo(content.url)
    click.echo()
