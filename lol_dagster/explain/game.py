"""Why a game was told, or what stopped it: everything known of it, put into words.

For `lol-dagster why MATCH_ID` and the admin's page of a game. The rows are known_game.py's; here it
is said what they mean: how far the game has come, which teams and channels were considered, which
rule let it pass or stopped it, and what became of each message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports.registry import transport_type
from lol_dagster.explain.known_game import KnownGame, Stage, read_game
from lol_dagster.pipeline.run_requests import Progress, latest_progress
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import (
    Attempt,
    Breaker,
    Channel,
    Match,
    Membership,
    Message,
    Player,
    PlayerStat,
)

# None: the process died before it could say.
_MAY_STAND = ("accepted", "uncertain", None)


@dataclass(frozen=True)
class Member:
    """A player of the game who is or was in a team, and whether he was when the game ended."""

    player: str
    since: datetime
    until: datetime | None
    """None: still."""
    counts: bool


@dataclass(frozen=True)
class ToldMessage:
    """A message that tells of the game."""

    message_id: str
    kind: str
    state: str
    created_at: datetime
    sent_at: tuple[datetime, ...]
    """When a call began that may have posted it: one, unless a call failed."""
    delivered_at: datetime | None
    remote_id: str | None
    edited_at: tuple[datetime, ...]
    due_at: datetime | None
    words: str
    """What became of it, in a sentence."""
    command: str | None
    """What to type to decide about it; None: there is nothing to decide."""


@dataclass(frozen=True)
class ChannelStory:
    """What became of the game in one channel, or in a team that has none."""

    team: str
    channel: str | None
    members: tuple[Member, ...]
    """Who of the team's people of any time took part."""
    rule: str
    """Which rule of messages/rules.py decided; `written`: none does any more, the message stays."""
    reason: str
    """The rule in words, with what it was applied to."""
    message: ToldMessage | None

    @property
    def words(self) -> str:
        """What became of it, in a sentence."""
        return self.message.words if self.message else f"not told: {self.reason}"


@dataclass(frozen=True)
class GameStory:
    """The whole way of a game."""

    known: KnownGame
    """The rows themselves."""
    answer: str
    """What has become of it and what stopped it, in a sentence."""
    stages: tuple[Stage, ...]
    channels: tuple[ChannelStory, ...]
    request: Progress | None
    """How far the last request to process it again has come; None: nobody has asked."""

    @property
    def match_id(self) -> str:
        return self.known.match.match_id


def explain_game(
    session: Session, match_id: str, *, stale_after: timedelta, now: datetime
) -> GameStory:
    """The whole way of a game.

    Args:
        stale_after: LOL_STALE_AFTER, on which it depends how a game is told.

    Raises:
        UnknownGameError: nobody's list has shown it, and nobody has asked for it.
    """
    known = read_game(session, match_id, stale_after=stale_after, now=now)
    channels = _channels(session, known)
    return GameStory(
        known=known,
        answer=_answer(session, known, channels),
        stages=known.stages,
        channels=channels,
        request=latest_progress(session, match_id),
    )


def moment(at: datetime) -> str:
    """An instant as it stands in a sentence."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _answer(session: Session, known: KnownGame, channels: Sequence[ChannelStory]) -> str:
    told = [each for each in channels if each.message is not None]
    words = "; ".join(f"{each.channel}: {each.words}" for each in told)
    if known.match.state == "ignored":
        stopped: str | None = _ignored(session, known.match.match_id)
    else:
        stopped = next((each for each in map(_stopped_at, known.stages[:-1]) if each), None)
    if stopped:
        return f"{stopped}; before that, {words}" if words else stopped
    if words:
        return words
    if not channels:
        return "not told: nobody in it was ever in a team"
    reasons = "; ".join(f"{each.channel or each.team}: {each.reason}" for each in channels)
    return f"not told: {reasons}"


def _ignored(session: Session, match_id: str) -> str:
    """Who said so, and why."""
    entries = entries_about(session, Match, match_id, "ignored", latest=1)
    if not entries:
        return "ignored"
    entry = entries[0]
    reason = (entry.after or {}).get("reason")
    return f"ignored by {entry.who} at {moment(entry.at)}" + (f": {reason}" if reason else "")


def _stopped_at(stage: Stage) -> str | None:
    if stage.state == "done":
        return None
    if stage.state == "failed":
        return f"quarantined: {stage.name} failed: {stage.detail}"
    if stage.state == "given up":
        return f"given up: {stage.detail}"
    when = f", next try at {moment(stage.at)}" if stage.at else ""
    why = f": {stage.detail}" if stage.detail else ""
    return f"waiting for {stage.name}{when}{why}"


def _channels(session: Session, known: KnownGame) -> tuple[ChannelStory, ...]:
    by_channel = {message.channel_id: message for message in known.messages}
    told = {message.channel_id: explain_message(session, message) for message in known.messages}
    members = _members(session, known)
    stories = [
        ChannelStory(
            team=decision.team.name,
            channel=decision.channel.name if decision.channel else None,
            members=members.get(decision.team.id, ()),
            rule=decision.rule,
            reason=decision.reason,
            message=told.pop(decision.channel.id, None) if decision.channel else None,
        )
        for decision in known.decisions
    ]
    # A message that was written stays, also when its team would not be considered any more.
    for channel_id, message in told.items():
        channel = by_channel[channel_id].channel
        stories.append(
            ChannelStory(
                team=channel.team.name,
                channel=channel.name,
                members=members.get(channel.team_id, ()),
                rule="written",
                reason="it was written when its team was considered; it is not any more",
                message=message,
            )
        )
    return tuple(stories)


def _members(session: Session, known: KnownGame) -> dict[int, tuple[Member, ...]]:
    """By team, the memberships of those who took part."""
    if known.game is None:
        return {}
    players = select(PlayerStat.player_id).where(PlayerStat.match_id == known.game.match_id)
    rows = session.execute(
        select(Membership, Player.name)
        .join(Player, Player.id == Membership.player_id)
        .where(Membership.player_id.in_(players))
        .order_by(Membership.team_id, Player.name, Membership.since)
    )
    ended_at = known.game.ended_at
    found: dict[int, tuple[Member, ...]] = {}
    for membership, name in rows:
        since, until = membership.since, membership.until
        counts = since <= ended_at and (until is None or until > ended_at)
        member = Member(name, since, until, counts)
        found[membership.team_id] = (*found.get(membership.team_id, ()), member)
    return found


def explain_message(session: Session, message: Message) -> ToldMessage:
    """How far a message has come, and what that means."""
    attempts = session.scalars(
        select(Attempt).where(Attempt.message_id == message.id).order_by(Attempt.id)
    ).all()
    sent = [each.at for each in attempts if each.op == "POST" and each.outcome in _MAY_STAND]
    edited = [each.at for each in attempts if each.op == "PATCH" and each.outcome == "accepted"]
    return ToldMessage(
        message_id=message.id,
        kind=message.kind,
        state=message.state,
        created_at=message.created_at,
        sent_at=tuple(sent),
        delivered_at=message.delivered_at,
        remote_id=message.remote_id,
        edited_at=tuple(edited),
        due_at=message.due_at,
        words=_what_became_of(session, message, edited),
        command=(
            f"lol-dagster message resend|mark-delivered|drop {message.id[:8]}"
            if message.state == "needs_review"
            else None
        ),
    )


def _what_became_of(session: Session, message: Message, edited: Sequence[datetime]) -> str:
    why = f": {message.last_error}" if message.last_error else ""
    if message.state == "delivered":
        return _delivered(message, edited)
    if message.state == "needs_review":
        return f"parked{why}; look into the channel and decide"
    if message.state == "dropped":
        return f"given up{why or ': somebody dropped it'}"
    if message.state == "uncertain":
        return f"sent, and it is not known yet whether it arrived{why}; this is looked into"
    closed = _closed(session, message.channel)
    if closed is not None or message.state == "blocked":
        return f"waits until the channel takes messages again{closed or why}"
    if message.state == "sending":
        return "is being sent"
    due = f", not before {moment(message.due_at)}" if message.due_at else ""
    return f"waits to be sent{due}{why}"


def _delivered(message: Message, edited: Sequence[datetime]) -> str:
    at = f" at {moment(message.delivered_at)}" if message.delivered_at else ""
    under = f" under the id {message.remote_id}" if message.remote_id else ""
    shared = " in a catch-up message" if message.kind == "catch_up" else ""
    words = f"told{shared}{at}{under}"
    if edited:
        words += f", edited at {moment(edited[-1])}"
    if message.remote_deleted:
        return f"{words}, and deleted there since"
    if message.due_at is not None:
        words += f", to be edited at {moment(message.due_at)}"
    return words


def _closed(session: Session, channel: Channel) -> str | None:
    """`: why` the channel or its token is not called now; None if it is."""
    scopes = [f"channel:{channel.id}", transport_type(channel.kind).token_scope]
    for breaker in session.scalars(select(Breaker).where(Breaker.scope.in_(scopes))):
        if breaker.dead or breaker.open_until is not None:
            return f": {breaker.reason}" if breaker.reason else ""
    return None
