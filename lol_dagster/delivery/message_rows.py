"""The one writer of messages' rows: new messages, new texts, and whatever the protocol decides.

Nothing else in the product makes a `Message` or sets a column of one: a row changes by an event of
the protocol (`apply`, `change_row`), or begins as the protocol says that it begins. A test reads all
modules and holds them to it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session, defer, object_session

from lol_dagster.delivery import pictures, protocol
from lol_dagster.delivery.destinations import is_refused
from lol_dagster.delivery.model import (
    LONGEST_SETTLING,
    QUIET,
    Change,
    ClockPutBack,
    Drop,
    Event,
    LeftStanding,
    Moment,
    ProbeEnded,
    Reopened,
    Restored,
    Row,
    Terms,
    TextChanged,
    Timing,
    Withdraw,
)
from lol_dagster.delivery.scopes import Call
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.transports.registry import can_edit
from lol_dagster.messages.announcements import (
    Announcement,
    announce_apart,
    announcements,
    compose_again,
    no_longer_shown,
)
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import delivery_nonce, installation_salt
from lol_dagster.messages.restored import Restoration, keep_restoration, restoration
from lol_dagster.storage.models import (
    Attempt,
    Channel,
    ChannelProbe,
    Message,
    MessageGame,
    MessageText,
)

logger = logging.getLogger(__name__)

_ROW = [each.name for each in fields(Row)]
_NEVER_CHANGED = {"id", "created_at"}
_UNSYNCHRONIZED = {"synchronize_session": False}
_UNSETTLED = ("pending", "sending", "uncertain", "blocked")


# --- the protocol's row --------------------------------------------------------------------------


def row_of(message: Message) -> Row:
    """The part of a message that the protocol knows."""
    return Row(**{name: getattr(message, name) for name in _ROW})


def apply(message: Message, event: Event, now: Moment, terms: Terms) -> protocol.Step:
    """Take one step with a row that the session has locked, and write the row."""
    was_delivered = row_of(message).delivered
    row, effects = protocol.step(row_of(message), event, now, terms)
    _write(message, row)
    session = object_session(message)
    is_new = row.delivered and not was_delivered
    if is_new and session and pictures.begins_with(row, message.content, terms):
        change_row(message, TextChanged(now.wall))
        row = row_of(message)
        pictures.note(session, message.id, message.content, rev=row.desired_rev)
    if message.kind == "catch_up" and session and protocol.keeps_its_text(row, event):
        _announce_apart(session, message, now.wall, given_up=isinstance(event, Drop))
        row = row_of(message)
    return row, effects


def go_without_picture(
    session: Session, message: Message, rev: int, why: str, now: datetime
) -> Row:
    """What follows from an edit that was refused with its picture: it is made without it, or left out if it had
    nothing else to say.

    Args:
        rev: The revision that was refused.
    """
    picture = pictures.note(session, message.id, message.content, failed=why)
    if message.desired_rev == rev:
        change_row(message, LeftStanding() if picture.rev == rev else TextChanged(now))
    logger.warning(
        "Message %s stays without its picture: %s",
        message.id,
        why,
        extra={"message_id": message.id},
    )
    return row_of(message)


def change_row(message: Message, event: Change) -> None:
    """The same for an event that needs neither the delivery clock nor the channel's terms."""
    _write(message, protocol.change(row_of(message), event))


def terms_of(
    session: Session, channel: Channel, transports: Mapping[str, Transport], timing: Timing
) -> Terms:
    """What the protocol may count on in a channel."""
    transport = transports[channel.kind]
    can = transport.capabilities
    probe = session.get(ChannelProbe, channel.id)
    return Terms(
        settle=can.settle,
        nonce=can.identity == "nonce",
        read_back=can.read_back and (probe is None or probe.can_read_back is not False),
        edit=transport.can_edit,
        resend=channel.uncertain == "resend",
        pictures=transport.takes_pictures,
        timing=timing,
    )


def _write(message: Message, row: Row) -> None:
    for name in _ROW:
        if name not in _NEVER_CHANGED:
            setattr(message, name, getattr(row, name))


# --- new messages, and new texts -----------------------------------------------------------------


@dataclass(frozen=True)
class WrittenMessage:
    """A message about a game, as it now stands in the database."""

    message_id: str
    team: str
    channel: str
    channel_id: int
    kind: str
    subject: str
    change: Literal["created", "changed", "unchanged"]
    content: MessageContent


def write_messages(
    session: Session, match_id: str, *, stale_after: timedelta, now: datetime
) -> list[WrittenMessage]:
    """Write what is to be said of a game, for every channel that is to hear of it.

    Written again for the same game it changes nothing unless the words have changed; then the
    message's revision grows, and delivery edits what it has posted.

    Args:
        session: The writing transaction in which the game's rows were written.
        stale_after: LOL_STALE_AFTER.
    """
    found = announcements(
        session,
        match_id,
        stale_after=stale_after,
        takes_edits=lambda channel, message: _takes_edits(session, channel, message, now),
        now=now,
    )
    return [_write_announcement(session, each, now) for each in found]


def _takes_edits(session: Session, channel: Channel, message: Message, now: datetime) -> bool:
    """Whether the message can be changed once it is posted, and the channel is not known to refuse that
    now. What may have been posted has to be found first.
    """
    calls: tuple[Call, ...] = ("edit",) if message.evidence is not None else ("edit", "scan")
    return can_edit(channel.kind) and not any(
        is_refused(session, channel.id, call, now) for call in calls
    )


def _write_announcement(session: Session, said: Announcement, now: datetime) -> WrittenMessage:
    change: Literal["created", "changed", "unchanged"]
    # Where none exists about the game one of this id may have been before the game was forgotten.
    lock = None if said.exists else {"of": Message}  # one that exists is locked, as it was read
    message = session.get(Message, said.message_id, with_for_update=lock)
    if message is not None:
        change = "changed" if _change_text(session, message, said.content, now) else "unchanged"
    else:
        message = add_message(
            session,
            said.message_id,
            channel_id=said.channel_id,
            kind=said.kind,
            subject=said.subject,
            order_at=said.order_at,
            content=said.content,
            now=now,
            maybe_delivered=said.maybe_delivered,
        )
        change = "created"
    if session.get(MessageGame, (said.channel_id, said.match_id)) is None:
        session.add(
            MessageGame(
                channel_id=said.channel_id,
                match_id=said.match_id,
                message_id=said.message_id,
                since_rev=message.desired_rev,
            )
        )
    session.flush()
    logger.info(
        "Message %s for channel %s: %s",
        said.message_id,
        said.channel,
        change,
        extra={
            "match_id": said.match_id,
            "message_id": said.message_id,
            "channel": said.channel,
        },
    )
    return WrittenMessage(
        message_id=said.message_id,
        team=said.team,
        channel=said.channel,
        channel_id=said.channel_id,
        kind=said.kind,
        subject=said.subject,
        change=change,
        content=said.content,
    )


def add_message(
    session: Session,
    message_id: str,
    *,
    channel_id: int,
    kind: str,
    subject: str,
    order_at: datetime,
    content: MessageContent,
    now: datetime,
    maybe_delivered: bool = False,
) -> Message:
    """Add a message that is due at once.

    Args:
        subject: As `Message.subject`.
        order_at: As `Message.order_at`.
        maybe_delivered: It may have been delivered before a backup was restored: it is looked for
            in the channel before it is posted.
    """
    message = Message(
        id=message_id,
        channel_id=channel_id,
        kind=kind,
        subject=subject,
        order_at=order_at,
        created_at=now,
        content=content.to_json(),
        desired_hash=content.content_hash(),
        nonce=delivery_nonce(installation_salt(session), message_id),
    )
    _write(message, Row(message_id, created_at=now, desired_rev=1, due_at=now))
    if maybe_delivered:
        change_row(message, Restored(now))
    session.add(message)
    session.flush()
    return message


def _change_text(
    session: Session, message: Message, content: MessageContent, now: datetime
) -> bool:
    """Have the message say `content`; False if it does already."""
    if message.desired_hash == content.content_hash():
        return False
    _set_text(session, message, content)
    change_row(message, TextChanged(now, lost=_may_be_of_the_lost(session, message)))
    return True


def _may_be_of_the_lost(session: Session, message: Message) -> bool:
    """Whether what stands in the channel may have been edited by an installation that was lost: nothing has
    been edited since its backup was restored.
    """
    restored = restoration(session)
    if restored is None or not message.delivered_at or message.delivered_at > restored.restored_at:
        return False
    edits = select(Attempt.id).where(
        Attempt.message_id == message.id, Attempt.op == "PATCH", Attempt.at > restored.restored_at
    )
    return session.scalars(edits.limit(1)).first() is None


def _set_text(session: Session, message: Message, content: MessageContent) -> None:
    rev = session.scalar(
        select(func.max(Attempt.rev)).where(
            Attempt.message_id == message.id, Attempt.rev <= message.desired_rev
        )
    )
    if rev is not None and session.get(MessageText, (message.id, rev)) is None:
        # What the channel was given has to be known later.
        session.add(MessageText(message_id=message.id, rev=rev, content=message.content))
    message.content = content.to_json()
    message.desired_hash = content.content_hash()


# --- games and people that are forgotten ---------------------------------------------------------


def forget_games(session: Session, match_ids: Collection[str]) -> None:
    """Let no message be known to be about these games; what they say is another matter: `write_again`."""
    about = MessageGame.match_id.in_(match_ids)
    messages = session.scalars(
        select(Message).where(Message.id.in_(select(MessageGame.message_id).where(about)))
    ).all()
    for message in messages:
        if any(each in message.subject for each in match_ids):
            message.subject = f"forgotten:{message.id}"
    session.flush()
    session.execute(delete(MessageGame).where(about), execution_options=_UNSYNCHRONIZED)


def write_again(session: Session, message_ids: Collection[str], now: datetime) -> None:
    """Let messages about games say what is to be said of these now, and keep nothing of what they have said.
    What has nobody left whom it may name, and was not sent, is not sent.
    """
    _write_again(session, Message.id.in_(message_ids), now)
    said = MessageText.message_id.in_(message_ids)
    session.execute(delete(MessageText).where(said), execution_options=_UNSYNCHRONIZED)


def write_undelivered_again(session: Session, team_id: int, now: datetime) -> None:
    """The same for what is not known to be posted in a team's channels: somebody is to be left out."""
    channels = select(Channel.id).where(Channel.team_id == team_id)
    undelivered = (
        Message.channel_id.in_(channels)
        & Message.kind.in_(("game", "catch_up"))
        & Message.state.in_((*_UNSETTLED, "needs_review"))
        & Message.evidence.is_(None)
    )
    _write_again(session, undelivered, now)


def _write_again(session: Session, which: ColumnElement[bool], now: datetime) -> None:
    for message in session.scalars(
        select(Message)
        .where(which)
        .order_by(Message.id)  # always in one order, or two could wait for each other
        .with_for_update(of=Message)
    ):
        content = compose_again(session, message)
        _change_text(session, message, content or no_longer_shown(session, message), now)
        if content is None:
            withdraw(session, message.id, "nobody is left whom it may name")
        session.flush()


# --- games that joined a message too late --------------------------------------------------------


def _announce_apart(session: Session, message: Message, now: datetime, *, given_up: bool) -> None:
    """Give what joined a posted catch-up message, and will not stand there, a message of its own.

    Args:
        given_up: By the operator: no edit of it is tried any more, not even without these games.
    """
    said = protocol.said(row_of(message))
    unsaid = session.scalars(
        select(MessageGame)
        .where(MessageGame.message_id == message.id, MessageGame.since_rev > said)
        .order_by(MessageGame.match_id)
    ).all()
    removed = session.get_one(Channel, message.channel_id).removed_at is not None
    if (
        not unsaid
        or removed
        or _may_stand(session, message, min(each.since_rev for each in unsaid))
    ):
        return
    apart = announce_apart(session, message, [each.match_id for each in unsaid])
    if apart is None:
        return
    add_message(
        session,
        apart.message_id,
        channel_id=message.channel_id,
        kind="catch_up",
        subject=apart.subject,
        order_at=apart.order_at,
        content=apart.content,
        now=now,
        maybe_delivered=apart.maybe_delivered,
    )
    for each in unsaid:
        each.message_id, each.since_rev = apart.message_id, 1
    _change_text(session, message, apart.kept, now)
    standing = session.get(MessageText, (message.id, said))
    is_said = standing is not None and standing.content == message.content
    if message.state == "delivered" and (given_up or is_said):
        change_row(message, LeftStanding())
    session.flush()
    logger.warning(
        "Message %s takes no edit (%s): what had joined it is announced in %s",
        message.id,
        message.last_error,
        apart.message_id,
        extra={"message_id": message.id, "match_ids": apart.match_ids},
    )


def _may_stand(session: Session, message: Message, rev: int) -> bool:
    """Whether what this revision, or a later one, says may stand in the channel: by an unanswered edit,
    or in the words of the installation that was lost.
    """
    if message.remote_deleted:
        return False
    if protocol.is_of_the_lost(message.remote_rev, message.desired_rev):
        return True
    calls = session.execute(
        select(Attempt.op, Attempt.rev, Attempt.outcome)
        .where(Attempt.message_id == message.id, Attempt.op.in_(("PATCH", "GET")))
        .order_by(Attempt.id.desc())
    )
    for op, of, outcome in calls:
        if op == "GET" and outcome == "seen":
            return False
        if op == "PATCH" and (of or 0) >= rev and outcome in (None, "uncertain"):
            return True
    return False


# --- changes from outside ------------------------------------------------------------------------


def withdraw(session: Session, message_id: str, reason: str, *, even_if_sent: bool = False) -> bool:
    """Give a message up: nothing of it is sent any more.

    Args:
        even_if_sent: Also if it may have been sent; never if it was delivered. Who has claimed it and intends
            nothing yet finds it given up, and sends nothing.

    Returns:
        Whether it is given up.
    """
    message = session.get(
        Message, message_id, with_for_update={"of": Message}, populate_existing=True
    )
    if message is None:
        return False
    is_news = message.state in ("pending", "sending", "blocked") and message.evidence is None
    unsent = is_news and not message.sent_maybe
    if not unsent and (not even_if_sent or row_of(message).delivered):
        return False
    change_row(message, Withdraw(reason))
    session.flush()
    return True


def reopen(session: Session, channel_ids: Collection[int], now: datetime) -> None:
    """Let the messages that these channels had refused be tried again at once."""
    # One that is being claimed is tried now; who claims it may wait for the breaker that is open now.
    _change_all(
        session,
        Reopened(now),
        Message.channel_id.in_(channel_ids) & (Message.state == "blocked"),
        skip_locked=True,
    )


def end_quiet(session: Session, channel_ids: Collection[int], now: datetime) -> None:
    """Let what these channels' quiet hours hold back be checked again: they are others now."""
    held = Message.channel_id.in_(channel_ids) & (Message.last_error == QUIET)
    _change_all(session, Reopened(now), held & Message.due_at.is_not(None))


def note_restoration(session: Session, restored: Restoration) -> int:
    """Let the database know that it was restored, before anything is sent from it.

    Returns:
        How many messages may have been delivered since its backup was taken, and are looked for.
    """
    keep_restoration(session, restored)
    event = Restored(restored.restored_at)
    _change_all(session, event, Message.state == "needs_review")
    return _change_all(session, event, Message.state.in_(_UNSETTLED))


def put_clock_back(
    session: Session, limit: datetime, now: datetime, *, epoch: str, at: float
) -> int:
    """Let no message wait for a moment that only a clock which was ahead has written.

    Args:
        limit: Nothing is to wait for a moment after this one.
        epoch: The delivery clock's name.
        at: Seconds on it.

    Returns:
        How many did.
    """
    ends = at + LONGEST_SETTLING
    of_this_clock = (Message.clock == epoch) & Message.due_at.is_not(None)
    ahead = (
        (Message.due_at > limit)
        | (Message.uncertain_since > now)
        | of_this_clock & ((Message.lease_until > ends) | (Message.settle_until > ends))
    )
    event = ClockPutBack(limit, now, epoch, at)
    return _change_all(session, event, ahead & Message.due_at.is_not(None))


def end_probe(
    session: Session, message_id: str, edited: MessageContent | None, *, deleted: bool
) -> None:
    """Note what the test of a channel has done with its own message.

    Args:
        edited: What it said in the end; None: what it said at first.
    """
    message = session.get_one(
        Message, message_id, with_for_update={"of": Message}, populate_existing=True
    )
    if edited is not None:
        _set_text(session, message, edited)
    change_row(message, ProbeEnded(edited is not None, deleted))


def _change_all(
    session: Session, event: Change, which: ColumnElement[bool], *, skip_locked: bool = False
) -> int:
    messages = session.scalars(
        select(Message)
        .where(which)
        .order_by(Message.id)  # always in one order, or two could wait for each other
        .options(defer(Message.content))
        .with_for_update(of=Message, skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    ).all()
    for message in messages:
        change_row(message, event)
    session.flush()
    return len(messages)
