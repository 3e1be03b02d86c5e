"""The stage `messages`: what is to be said of a game, to which channels. Plain values; the rows are
written by `delivery.message_rows`, in the same transaction.

A message that was written stays. If processing the game again says that a channel should not have
heard of it (a membership was edited, a filter set, the game turned out to be void), the message keeps
its text and its fate: taking it back would make "exactly once" depend on when the edit happened. The
operator can drop one that has not been sent.

Catch-up messages: stale games of a channel share one. It is open for `CATCH_UP_OPEN`, and as long
as text added to it is still going to be read: until it is sent where nothing can be edited, as a rule or
for now. Where it
turns out that a posted one is gone, or takes no edit, what had joined it is announced in another one.

What comes in a channel's quiet hours shares one, too, fresh or stale. Delivery sends it when they end (outbox.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lol_dagster.messages.announced_games import load_announced_games, load_card, load_course
from lol_dagster.messages.compose import AnnouncedGame, compose_catch_up, compose_game
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.failed_templates import failed_template
from lol_dagster.messages.identity import installation_salt
from lol_dagster.messages.language import language, time_zone
from lol_dagster.messages.quiet import QUIET_SUBJECTS, is_of_quiet_hours, quiet_subject
from lol_dagster.messages.restored import message_id, restoration
from lol_dagster.messages.rules import AnnouncementDecision, Kind, candidate_teams, decide
from lol_dagster.messages.story import story
from lol_dagster.messages.templates import TemplateError, filled
from lol_dagster.storage.models import Channel, Fact, Game, Message, MessageGame, Team

logger = logging.getLogger(__name__)

MESSAGES_CODE_VERSION = "4"
CATCH_UP_OPEN = timedelta(hours=6)
_LONGEST_QUIET = timedelta(days=1)
APART = "catch-up apart:"
"""How the subject of a catch-up message begins that tells of what another one does not."""


@dataclass(frozen=True)
class AnnouncedApart:
    """Games of a catch-up message that are to be announced in one of their own."""

    match_ids: list[str]
    message_id: str
    subject: str
    order_at: datetime
    """When the first of them ended."""
    content: MessageContent
    kept: MessageContent
    """What the message that they had joined is to say without them."""
    maybe_delivered: bool
    """As in `Announcement`."""


@dataclass(frozen=True)
class Announcement:
    """What is to be said of a game in one channel, and in which message."""

    match_id: str
    team: str
    channel: str
    channel_id: int
    kind: str
    content: MessageContent
    message_id: str
    """Computed, not random: a restored backup writes the same message under the same id."""
    exists: bool
    """The message is there already, and is to say `content` from now on."""
    subject: str
    order_at: datetime
    """When the game ended."""
    maybe_delivered: bool
    """A backup was restored, and before that the message may have been delivered."""


def announcements(
    session: Session,
    match_id: str,
    *,
    stale_after: timedelta,
    takes_edits: Callable[[Channel, Message], bool],
    now: datetime,
) -> list[Announcement]:
    """What is to be said of a game, one for each channel that is to hear of it.

    Locks those channels and the messages that exist until the transaction ends.

    Args:
        session: The writing transaction in which the game's rows were written.
        stale_after: LOL_STALE_AFTER.
        takes_edits: Whether a channel lets a message be changed that was posted there, or may have been,
            as far as is known.
    """
    _lock_channels(session, match_id)
    decisions = decide(session, match_id, stale_after=stale_after, now=now)
    return [
        _announcement(
            session, match_id, decision, decision.channel, decision.kind, takes_edits, now
        )
        for decision in decisions
        if decision.kind is not None and decision.channel is not None
    ]


def announce_apart(
    session: Session, message: Message, match_ids: list[str]
) -> AnnouncedApart | None:
    """Games that joined a catch-up message too late, as a catch-up message of their own; None: in none of them
    anybody is left whom it may name.

    Args:
        match_ids: Some of the message's games.
    """
    channel, restored = session.get_one(Channel, message.channel_id), restoration(session)
    team = channel.team
    games = load_announced_games(session, team.id, match_ids)
    if not games:
        return None
    others = session.scalars(
        select(MessageGame.match_id).where(
            MessageGame.message_id == message.id, MessageGame.match_id.not_in(match_ids)
        )
    ).all()
    kept = load_announced_games(session, team.id, others)
    ended = session.scalars(select(Game.ended_at).where(Game.match_id.in_(match_ids))).all()
    return AnnouncedApart(
        match_ids=match_ids,
        # By its game, as no lock keeps others from taking the channel's next number.
        message_id=message_id(
            installation_salt(session), channel.id, "catch_up", f"apart:{match_ids[0]}"
        ),
        subject=f"{APART}{match_ids[0]}",
        order_at=min(ended),
        content=_catch_up(team, games, f"{APART}{match_ids[0]}"),
        kept=_catch_up(team, kept, message.subject) if kept else no_longer_shown(session, message),
        maybe_delivered=restored is not None and restored.may_have_been_delivered(min(ended)),
    )


def compose_again(session: Session, message: Message) -> MessageContent | None:
    """What a message about games is to say as things are now; None: in none of them anybody is left whom it may
    name.
    """
    channel = session.get_one(Channel, message.channel_id)
    team = channel.team
    match_ids = session.scalars(
        select(MessageGame.match_id).where(MessageGame.message_id == message.id)
    ).all()
    is_one = message.kind == "game"
    games = load_announced_games(session, team.id, match_ids, with_remarks=is_one)
    if not games:
        return None
    if is_one:
        return _one(session, channel, games[0])
    return _catch_up(team, games, message.subject)


def no_longer_shown(session: Session, message: Message) -> MessageContent:
    """What a posted message says of which nothing is left."""
    team = session.get_one(Channel, message.channel_id).team
    words = language(team.language).say("This is no longer shown")
    return MessageContent(title=words, summary=words)


def _one(session: Session, channel: Channel, game: AnnouncedGame) -> MessageContent:
    team = channel.team
    content = _by_templates(session, channel, game)
    if channel.story:
        content = _with_story(session, team, game, content)
    if channel.pictures == "card":
        content = _with_card(session, team, game.match_id, content)
    return content


def _catch_up(team: Team, games: Sequence[AnnouncedGame], subject: str) -> MessageContent:
    zone, is_quiet = time_zone(team.time_zone), is_of_quiet_hours(subject)
    return compose_catch_up(games, language(team.language), zone, quiet=is_quiet)


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


def _announcement(
    session: Session,
    match_id: str,
    decision: AnnouncementDecision,
    channel: Channel,
    kind: Kind,
    takes_edits: Callable[[Channel, Message], bool],
    now: datetime,
) -> Announcement:
    game = session.get_one(Game, match_id)
    restored = restoration(session)
    message = _existing(session, match_id, decision, channel, takes_edits, now)
    match_ids = {match_id}
    if message is not None:
        match_ids |= set(
            session.scalars(
                select(MessageGame.match_id).where(MessageGame.message_id == message.id)
            )
        )
    games = load_announced_games(session, channel.team_id, match_ids, with_remarks=kind == "game")
    subject = message.subject if message else _new_subject(session, match_id, decision, channel)
    is_one = kind == "game"
    return Announcement(
        match_id=match_id,
        team=decision.team.name,
        channel=channel.name,
        channel_id=channel.id,
        kind=kind if message is None else message.kind,
        content=_one(session, channel, games[0])
        if is_one
        else _catch_up(decision.team, games, subject),
        message_id=message.id if message else _new_id(session, subject, kind, channel),
        exists=message is not None,
        subject=subject,
        order_at=game.ended_at,
        maybe_delivered=restored is not None and restored.may_have_been_delivered(game.ended_at),
    )


def _by_templates(session: Session, channel: Channel, game: AnnouncedGame) -> MessageContent:
    """The message with the lines that the channel wants; where a template fails with a game's figures, the
    lines are as without it, and a check says so until one has worked again.
    """
    compose = partial(
        compose_game, game, language(channel.team.language), icons=channel.pictures == "icons"
    )
    if not channel.templates:
        return compose()
    known = session.get(Fact, failed_template(channel.id))
    try:
        content = compose(partial(filled, channel.templates))
    except TemplateError as error:
        value = {"match_id": game.match_id, "error": str(error)[:300]}
        if known is None:
            session.add(Fact(name=failed_template(channel.id), value=value))
        else:
            known.value = value
        logger.warning("A template fails: %s", error, extra={"match_id": game.match_id})
        return compose()
    if known is not None:
        session.delete(known)
    return content


def _with_story(
    session: Session, team: Team, game: AnnouncedGame, content: MessageContent
) -> MessageContent:
    """The content with how the game went, once its timeline is there; without it if there is anything wrong
    with that.
    """
    try:
        found = load_course(session, game.match_id)
        section = found and story(game, *found, language(team.language))
    except SQLAlchemyError:
        raise
    except Exception:
        logger.exception("no story", extra={"match_id": game.match_id, "team": team.name})
        return content
    return replace(content, sections=(*content.sections, section)) if section else content


def _with_card(
    session: Session, team: Team, match_id: str, content: MessageContent
) -> MessageContent:
    """The content with its card; without one if there is anything wrong with it."""
    try:
        card = load_card(session, team.id, match_id)
    except SQLAlchemyError:
        raise
    except Exception:
        logger.exception("no card", extra={"match_id": match_id, "team": team.name})
        return content
    return content if card is None else replace(content, card=card.to_json())


def _existing(
    session: Session,
    match_id: str,
    decision: AnnouncementDecision,
    channel: Channel,
    takes_edits: Callable[[Channel, Message], bool],
    now: datetime,
) -> Message | None:
    """The message that is about the game already, or the catch-up message it joins. Locked: a
    deliverer that claims it meanwhile waits, and reads the new text.
    """
    if decision.message_id is not None:
        return _locked(session, match_id, decision.message_id, channel)
    if decision.kind != "catch_up":
        return None
    if decision.held_until is not None:
        held = _held(session, channel, decision.held_until, now)
        return held if held is not None and _is_open(held, takes_edits(channel, held)) else None
    if restored := restoration(session):
        # Before the backup was restored it may have joined the one that was open then.
        ended_at = session.get_one(Game, match_id).ended_at
        now = restored.first_processed_at(ended_at, now)
    latest = session.scalars(
        select(Message)
        .where(
            Message.channel_id == channel.id,
            Message.kind == "catch_up",
            Message.subject.not_like(QUIET_SUBJECTS),
            Message.created_at > now - CATCH_UP_OPEN,
        )
        .order_by(Message.created_at.desc())
        .limit(1)
        .with_for_update()
    ).first()
    return latest if latest is not None and _is_open(latest, takes_edits(channel, latest)) else None


def _locked(
    session: Session, match_id: str, message_id: str | None, channel: Channel
) -> Message | None:
    """The message that is about the game, locked: another one than was asked for, if a deliverer has
    announced the game apart while it was waited for.
    """
    announced_in = select(MessageGame.message_id).where(
        MessageGame.channel_id == channel.id, MessageGame.match_id == match_id
    )
    while message_id is not None:
        message = session.get(Message, message_id, with_for_update=True, populate_existing=True)
        message_id, locked = session.scalar(announced_in), message_id
        if message_id == locked:
            return message
    return None


def _is_open(message: Message, can_be_edited: bool) -> bool:
    """Whether text that is added to the catch-up message will still be read."""
    if message.state in {"needs_review", "dropped"} or message.remote_deleted:
        return False
    if message.state == "delivered" and message.remote_id is None:
        return False  # without its id it is never edited
    if not can_be_edited:
        return message.state in {"pending", "blocked"} and not message.sent_maybe
    return True


def _held(session: Session, channel: Channel, until: datetime, now: datetime) -> Message | None:
    """The message that waits for the end of the channel's quiet hours, locked: also if they end at another
    time since somebody changed them. One about these hours that was sent is edited.
    """
    of_channel = select(Message).where(Message.channel_id == channel.id, Message.kind == "catch_up")
    waits = of_channel.where(
        Message.subject.like(QUIET_SUBJECTS),
        Message.created_at > now - _LONGEST_QUIET,
        Message.state.in_(("pending", "blocked")),
        Message.sent_maybe.is_(False),
    )
    waits = waits.order_by(Message.created_at.desc()).limit(1)
    # Hours that are over are those of a lost installation, which may have announced it, in their own message.
    held = session.scalars(waits.with_for_update()).first() if until > now else None
    about_these = of_channel.where(Message.subject == quiet_subject(until))
    return held or session.scalar(about_these.with_for_update())


def _new_subject(
    session: Session, match_id: str, decision: AnnouncementDecision, channel: Channel
) -> str:
    if decision.kind == "game":
        return match_id
    if decision.held_until is None:
        return f"catch-up:{match_id}"
    subject = quiet_subject(decision.held_until)
    taken = select(Message.id).where(
        Message.channel_id == channel.id, Message.kind == "catch_up", Message.subject == subject
    )
    is_taken = session.scalar(taken) is not None
    return quiet_subject(decision.held_until, match_id) if is_taken else subject


def _new_id(session: Session, subject: str, kind: Kind, channel: Channel) -> str:
    """By the game, by the quiet hours, or by the number of the channel's catch-up message. By the first of
    its games that one would not be known again after a restoration, as another may come first then.
    """
    which = subject
    if kind == "catch_up" and not is_of_quiet_hours(subject):
        of_channel = select(func.count(Message.id)).where(
            Message.channel_id == channel.id,
            Message.kind == kind,
            Message.subject.not_like(f"{APART}%"),
            Message.subject.not_like(QUIET_SUBJECTS),
        )
        which = str(session.scalar(of_channel))
    return message_id(installation_salt(session), channel.id, kind, which)
