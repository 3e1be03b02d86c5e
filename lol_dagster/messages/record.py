"""The stage `messages`: what is to be said of a game, written down for delivery.

Runs in the caller's transaction, right after the game's rows were worked out. Written again for the
same game it changes nothing unless the words have changed; then the message's revision grows, and
delivery edits what it has posted.

A message that was written stays. If working the game out again says that a channel should not have
been told (a membership was edited, a filter set, the game turned out to be void), the message keeps
its text and its fate: taking it back would make "told once" depend on when the edit happened.
The operator can drop one that has not been sent.

Catch-up messages: stale games of a channel share one. It is open for `CATCH_UP_OPEN`, and as long
as text added to it is still going to be read: until it is sent where nothing can be edited.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.messages.announced_games import load_announced_games
from lol_dagster.messages.compose import compose_catch_up, compose_game
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import installation_salt
from lol_dagster.messages.pending import pending_message
from lol_dagster.messages.restored import maybe_told, message_id, restoration
from lol_dagster.messages.rules import Decision, candidate_teams, decide
from lol_dagster.storage.models import Attempt, Channel, Game, Message, MessageGame, MessageText

MESSAGES_CODE_VERSION = "1"
CATCH_UP_OPEN = timedelta(hours=6)
Change = Literal["created", "changed", "unchanged"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WrittenMessage:
    """A message that tells of the game, as it now stands in the database."""

    message_id: str
    team: str
    channel: str
    channel_id: int
    kind: str
    subject: str
    change: Change
    content: MessageContent


def write_messages(
    session: Session,
    match_id: str,
    *,
    stale_after: timedelta,
    can_edit: Callable[[str], bool],
    now: datetime,
) -> list[WrittenMessage]:
    """Write what is to be said of a game, to every channel that is to be told.

    Args:
        session: The writing transaction in which the game's rows were written.
        stale_after: LOL_STALE_AFTER.
        can_edit: Whether a posted message can be changed, by `Channel.kind`.
    """
    _lock_channels(session, match_id)
    decisions = decide(session, match_id, stale_after=stale_after, now=now)
    return [
        _write(session, match_id, decision, decision.channel, can_edit, now)
        for decision in decisions
        if decision.told and decision.channel is not None
    ]


def _lock_channels(session: Session, match_id: str) -> None:
    """Let nobody else write messages for these channels until this transaction ends: on
    PostgreSQL two writers could otherwise both open a catch-up message. SQLite has one writer.
    """
    teams = [team.id for team in candidate_teams(session, match_id)]
    session.execute(
        select(Channel.id)
        .where(Channel.team_id.in_(teams))
        .order_by(Channel.id)  # always in one order, or two writers could wait for each other
        .with_for_update(key_share=True)
    )


def _write(
    session: Session,
    match_id: str,
    decision: Decision,
    channel: Channel,
    can_edit: Callable[[str], bool],
    now: datetime,
) -> WrittenMessage:
    message = _message_to_tell_it_in(session, match_id, decision, channel, can_edit, now)
    told = _matches_of(session, message) if message is not None else set()
    games = load_announced_games(session, channel.team_id, {*told, match_id})
    content = compose_catch_up(games) if decision.kind == "catch_up" else compose_game(games[0])
    change: Change
    if message is None:
        message = _new_message(session, match_id, decision, channel, content, now)
        change = "created"
    else:
        change = "changed" if _say(session, message, content, now) else "unchanged"
    if match_id not in told:
        session.add(MessageGame(channel_id=channel.id, match_id=match_id, message_id=message.id))
    session.flush()
    log.info(
        "Message %s for channel %s: %s",
        message.id,
        channel.name,
        change,
        extra={"match_id": match_id, "message_id": message.id, "channel": channel.name},
    )
    return WrittenMessage(
        message_id=message.id,
        team=decision.team.name,
        channel=channel.name,
        channel_id=channel.id,
        kind=message.kind,
        subject=message.subject,
        change=change,
        content=content,
    )


def _message_to_tell_it_in(
    session: Session,
    match_id: str,
    decision: Decision,
    channel: Channel,
    can_edit: Callable[[str], bool],
    now: datetime,
) -> Message | None:
    """The message that tells of the game already, or the catch-up message it joins. Locked: a
    deliverer that claims it meanwhile waits, and reads the new text.
    """
    if decision.message_id is not None:
        return session.get(
            Message, decision.message_id, with_for_update=True, populate_existing=True
        )
    if decision.kind != "catch_up":
        return None
    if restored := restoration(session):
        # Before the backup was restored it may have joined the one that was open then.
        ended_at = session.get_one(Game, match_id).ended_at
        now = restored.first_processed_at(ended_at, now)
    latest = session.scalars(
        select(Message)
        .where(
            Message.channel_id == channel.id,
            Message.kind == "catch_up",
            Message.created_at > now - CATCH_UP_OPEN,
        )
        .order_by(Message.created_at.desc())
        .limit(1)
        .with_for_update()
    ).first()
    return latest if latest is not None and _is_open(latest, can_edit(channel.kind)) else None


def _is_open(message: Message, can_be_edited: bool) -> bool:
    """Whether text that is added to the catch-up message will still be read."""
    if message.state in {"needs_review", "dropped"} or message.remote_deleted:
        return False
    if not can_be_edited:
        return message.state in {"pending", "blocked"} and not message.sent_maybe
    return True


def _matches_of(session: Session, message: Message) -> set[str]:
    return set(
        session.scalars(select(MessageGame.match_id).where(MessageGame.message_id == message.id))
    )


def _new_message(
    session: Session,
    match_id: str,
    decision: Decision,
    channel: Channel,
    content: MessageContent,
    now: datetime,
) -> Message:
    game = session.get_one(Game, match_id)
    salt = installation_salt(session)
    new_id = message_id(
        salt, channel.id, str(decision.kind), _which(session, match_id, decision, channel)
    )
    message = pending_message(
        salt,
        new_id,
        channel_id=channel.id,
        kind=str(decision.kind),
        subject=match_id if decision.kind == "game" else f"catch-up:{match_id}",
        order_at=game.ended_at,
        content=content,
        now=now,
    )
    restored = restoration(session)
    if restored is not None and restored.may_have_been_told(game.ended_at):
        for name, value in maybe_told(now).items():
            setattr(message, name, value)
    session.add(message)
    session.flush()
    return message


def _which(session: Session, match_id: str, decision: Decision, channel: Channel) -> str:
    """Which of its kind the channel's new message is: the game's, or the n-th catch-up message. By
    the first of its games it would not be known again, as another may come first then.
    """
    if decision.kind == "game":
        return match_id
    of_channel = select(func.count(Message.id)).where(
        Message.channel_id == channel.id, Message.kind == decision.kind
    )
    return str(session.scalar(of_channel))


def _say(session: Session, message: Message, content: MessageContent, now: datetime) -> bool:
    """Have the message say `content`; False if it does already.

    State and lease belong to the deliverer that may hold the row. It is only woken where it would
    otherwise never come back: a delivered message becomes due for an edit.
    """
    if message.desired_hash == content.content_hash():
        return False
    _keep_what_was_sent(session, message)
    message.content = content.to_json()
    message.desired_hash = content.content_hash()
    message.desired_rev += 1
    if message.state == "delivered" and message.due_at is None and not message.remote_deleted:
        message.due_at = now
    return True


def _keep_what_was_sent(session: Session, message: Message) -> None:
    """Before its text changes: what the channel was given has to be known later."""
    rev = message.desired_rev
    sent = select(Attempt.id).where(Attempt.message_id == message.id, Attempt.rev == rev).limit(1)
    if session.scalar(sent) is not None:
        session.add(MessageText(message_id=message.id, rev=rev, content=message.content))
