"""What is known of a game, and why it was announced or not, in words.

For `lol-dagster game show`, `lol-dagster why MATCH_ID` and a game's page. `load_game` reads the rows;
`explain_game` says what they mean: how far the game has come, which teams and channels were
considered, which rule let it pass or stopped it, and what happened to each message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from lol_dagster.delivery.scopes import Call, channel_scope
from lol_dagster.delivery.transports.registry import transport_type
from lol_dagster.errors import UserError
from lol_dagster.messages.rules import AnnouncementDecision, decide
from lol_dagster.pipeline.run_requests import Progress, latest_progress
from lol_dagster.stats.played import select_played
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import (
    Account,
    Attempt,
    Breaker,
    Channel,
    Game,
    Match,
    Membership,
    Message,
    MessageGame,
    Participant,
    Payload,
    Player,
    PlayerStat,
    Quarantine,
    Team,
    Timeline,
)

StageState = Literal["done", "waiting", "failed", "given up"]

# None: the process died before it could say.
_MAY_STAND = ("accepted", "uncertain", None)


class UnknownGameError(UserError):
    """No such match id is known."""


@dataclass(frozen=True)
class Stage:
    """How far the game has come in one of the five stages."""

    name: str
    """The asset's: match_lists, games, player_stats, messages, deliveries."""
    state: StageState
    at: datetime | None
    """When it was done or failed; for one that waits, when it is due."""
    detail: str


@dataclass(frozen=True)
class Played:
    """How a tracked account took part."""

    player: Player
    account: Account
    participant: Participant
    stat: PlayerStat


@dataclass(frozen=True)
class GameRows:
    """Rows about one game; None and empty: it has not come so far."""

    match: Match
    listed_by: Account | None
    payload: Payload | None
    game: Game | None
    played: Sequence[Played]
    decisions: Sequence[AnnouncementDecision]
    """Which channels were considered, and which rule decided."""
    messages: Sequence[Message]
    """With their channels."""
    quarantines: Sequence[Quarantine]
    """Every time a stage failed on it, latest last."""
    timeline: Timeline | None
    """None: nobody wants it."""

    @property
    def timeline_in_words(self) -> str | None:
        """How far asking for the timeline has come; None: nobody wants it."""
        row = self.timeline
        if row is None:
            return None
        if row.fetched_at is not None:
            return f"{row.size} bytes, fetched at {moment(row.fetched_at)}"
        tries = f"{row.tries} {'try' if row.tries == 1 else 'tries'}"
        failed = f"not had in {tries}: {row.last_error}" if row.tries else ""
        if row.next_try_at is None:
            return f"given up, {failed}"
        return "; ".join(filter(None, [f"asked for at {moment(row.next_try_at)}", failed]))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The five stages in their order."""
        return (
            self._listed(),
            self._fetched(),
            self._processed("player_stats", self._stats_detail()),
            self._processed("messages", _number(len(self.messages), "message")),
            self._delivered(),
        )

    def _listed(self) -> Stage:
        by = f"in the list of {self.listed_by.riot_id}" if self.listed_by else "asked for by its id"
        return Stage("match_lists", "done", self.match.listed_at, by)

    def _fetched(self) -> Stage:
        if self.payload is not None:
            return Stage(
                "games", "done", self.payload.fetched_at, f"{self.payload.size} bytes archived"
            )
        if self.match.state in {"not_found", "ignored"}:
            why = self.match.last_error or f"the game is {self.match.state}"
            return Stage("games", "given up", None, why)
        return self._failed("games") or self._waiting("games")

    def _processed(self, name: str, detail: str) -> Stage:
        if failed := self._failed(name):
            return failed
        if self.match.state == "processed":
            return Stage(name, "done", self.match.processed_at, detail)
        return self._waiting(name)

    def _delivered(self) -> Stage:
        undelivered = [each for each in self.messages if each.delivered_at is None]
        if undelivered:
            states = ", ".join(sorted({each.state.replace("_", " ") for each in undelivered}))
            detail = f"{len(undelivered)} of {_number(len(self.messages), 'message')}: {states}"
            if all(each.state in {"needs_review", "dropped"} for each in undelivered):
                return Stage("deliveries", "given up", None, detail)
            due = min((each.due_at for each in undelivered if each.due_at), default=None)
            return Stage("deliveries", "waiting", due, detail)
        if self.messages:
            last = max(each.delivered_at for each in self.messages if each.delivered_at)
            channels = ", ".join(each.channel.name for each in self.messages)
            return Stage("deliveries", "done", last, f"delivered to {channels}")
        if self.match.state == "processed":
            return Stage("deliveries", "done", None, "no channel is to announce it")
        return self._waiting("deliveries")

    def _failed(self, name: str) -> Stage | None:
        for row in self.quarantines:
            if row.closed_at is None and row.stage == name:
                return Stage(name, "failed", row.quarantined_at, row.error)
        return None

    def _waiting(self, name: str) -> Stage:
        if self.match.state in {"quarantined", "not_found", "ignored"}:
            return Stage(name, "waiting", None, f"the game is {self.match.state.replace('_', ' ')}")
        return Stage(name, "waiting", self.match.next_try_at, self.match.last_error or "")

    def _stats_detail(self) -> str:
        if self.game is None:
            return ""
        return f"{self.game.queue_name}, {self.game.result}, {len(self.played)} tracked"


def load_game(
    session: Session, match_id: str, *, stale_after: timedelta, now: datetime
) -> GameRows:
    """Everything about one game.

    Args:
        stale_after: LOL_STALE_AFTER, on which it depends how a game is announced.

    Raises:
        UnknownGameError: nobody's list has shown it.
    """
    match = session.get(Match, match_id)
    if match is None:
        raise UnknownGameError(
            f"no game {match_id} is known: Riot has not listed it for anyone who is watched "
            "(a match id looks like NA1_5012345678)"
        )
    played = (
        select_played(Player, Account, Participant, PlayerStat)
        .join(Account, Account.id == PlayerStat.account_id)
        .join(Player, Player.id == PlayerStat.player_id)
        .where(PlayerStat.match_id == match_id)
        .order_by(PlayerStat.participant_id)
    )
    messages = (
        select(Message)
        .join(MessageGame, MessageGame.message_id == Message.id)
        .where(MessageGame.match_id == match_id)
        .options(joinedload(Message.channel).joinedload(Channel.team))
        .order_by(Message.created_at, Message.id)
    )
    return GameRows(
        match=match,
        listed_by=session.get(Account, match.listed_by) if match.listed_by else None,
        payload=session.get(Payload, match_id),
        game=session.get(Game, match_id),
        played=[Played(*row) for row in session.execute(played)],
        decisions=decide(session, match_id, stale_after=stale_after, now=now),
        messages=session.scalars(messages).all(),
        quarantines=session.scalars(
            select(Quarantine).where(Quarantine.match_id == match_id).order_by(Quarantine.id)
        ).all(),
        timeline=session.get(Timeline, match_id),
    )


def _number(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Member:
    """A player of the game who is or was in a team, and whether they were when the game ended."""

    player: str
    since: datetime
    until: datetime | None
    """None: still."""
    counts: bool
    left_out: bool
    """Of what is announced."""


@dataclass(frozen=True)
class MessageStory:
    """A message that announces the game."""

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
    """What happened to it, in a sentence."""
    command: str | None
    """What to type to decide about it; None: there is nothing to decide."""


@dataclass(frozen=True)
class ChannelStory:
    """What happened to the game in one channel, or in a team that has none."""

    team: str
    channel: str | None
    members: tuple[Member, ...]
    """Who of the team's people of any time took part."""
    rule: str
    """Which rule of messages/rules.py decided; `written`: none does any more, the message stays."""
    reason: str
    """The rule in words, with what it was applied to."""
    message: MessageStory | None

    @property
    def words(self) -> str:
        """What happened to it, in a sentence."""
        return self.message.words if self.message else f"not announced: {self.reason}"


@dataclass(frozen=True)
class GameStory:
    """The whole way of a game."""

    rows: GameRows
    answer: str
    """What happened to it and what stopped it, in a sentence."""
    stages: tuple[Stage, ...]
    channels: tuple[ChannelStory, ...]
    request: Progress | None
    """How far the last request to process it again has come; None: nobody has asked."""

    @property
    def match_id(self) -> str:
        return self.rows.match.match_id


def explain_game(
    session: Session, match_id: str, *, stale_after: timedelta, now: datetime
) -> GameStory:
    """The whole way of a game.

    Raises:
        UnknownGameError: nobody's list has shown it, and nobody has asked for it.
    """
    game = load_game(session, match_id, stale_after=stale_after, now=now)
    channels = _channels(session, game)
    return GameStory(
        rows=game,
        answer=_answer(session, game, channels),
        stages=game.stages,
        channels=channels,
        request=latest_progress(session, match_id),
    )


def gold_at_15(stat: PlayerStat) -> str | None:
    """`6,412 (+812)`: the gold after 15 minutes and the lead over the lane opponent; None: not known."""
    if stat.gold_at_15 is None:
        return None
    lead = "" if stat.gold_lead_at_15 is None else f" ({stat.gold_lead_at_15:+,})"
    return f"{stat.gold_at_15:,}{lead}"


def moment(at: datetime) -> str:
    """An instant as it stands in a sentence."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _answer(session: Session, game: GameRows, channels: Sequence[ChannelStory]) -> str:
    announced = [each for each in channels if each.message is not None]
    words = "; ".join(f"{each.channel}: {each.words}" for each in announced)
    if game.match.state == "ignored":
        stopped: str | None = _ignored(session, game.match.match_id)
    else:
        stopped = next((each for each in map(_stopped_at, game.stages[:-1]) if each), None)
    if stopped:
        return f"{stopped}; before that, {words}" if words else stopped
    if words:
        return words
    if not channels:
        return "not announced: nobody in it was ever in a team"
    reasons = "; ".join(f"{each.channel or each.team}: {each.reason}" for each in channels)
    return f"not announced: {reasons}"


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


def _channels(session: Session, game: GameRows) -> tuple[ChannelStory, ...]:
    messages = {message.channel_id: message for message in game.messages}
    members = _members(session, game)

    def story(team: Team, channel: Channel | None, rule: str, reason: str) -> ChannelStory:
        message = messages.pop(channel.id, None) if channel else None
        return ChannelStory(
            team=team.name,
            channel=channel.name if channel else None,
            members=members.get(team.id, ()),
            rule=rule,
            reason=reason,
            message=explain_message(session, message) if message else None,
        )

    stories = [story(each.team, each.channel, each.rule, each.reason) for each in game.decisions]
    # A message that was written stays, also when its team would not be considered any more.
    reason = "it was written when its team was considered; it is not any more"
    rest = [message.channel for message in messages.values()]
    return (*stories, *(story(each.team, each, "written", reason) for each in rest))


def _members(session: Session, game: GameRows) -> dict[int, tuple[Member, ...]]:
    """By team, the memberships of those who took part."""
    if game.game is None:
        return {}
    players = select(PlayerStat.player_id).where(PlayerStat.match_id == game.game.match_id)
    rows = session.execute(
        select(Membership, Player.name)
        .join(Player, Player.id == Membership.player_id)
        .where(Membership.player_id.in_(players))
        .order_by(Membership.team_id, Player.name, Membership.since)
    )
    ended_at = game.game.ended_at
    found: dict[int, tuple[Member, ...]] = {}
    for membership, name in rows:
        since, until = membership.since, membership.until
        counts = since <= ended_at and (until is None or until > ended_at)
        member = Member(name, since, until, counts, membership.left_out)
        found[membership.team_id] = (*found.get(membership.team_id, ()), member)
    return found


def explain_message(session: Session, message: Message) -> MessageStory:
    """How far a message has come, and what that means."""
    attempts = session.scalars(
        select(Attempt).where(Attempt.message_id == message.id).order_by(Attempt.id)
    ).all()
    sent = [each.at for each in attempts if each.op == "POST" and each.outcome in _MAY_STAND]
    edited = [each.at for each in attempts if each.op == "PATCH" and each.outcome == "accepted"]
    return MessageStory(
        message_id=message.id,
        kind=message.kind,
        state=message.state,
        created_at=message.created_at,
        sent_at=tuple(sent),
        delivered_at=message.delivered_at,
        remote_id=message.remote_id,
        edited_at=tuple(edited),
        due_at=message.due_at,
        words=_what_happened(session, message, edited),
        command=(
            f"lol-dagster message resend|mark-delivered|drop {message.id[:8]}"
            if message.state == "needs_review"
            else None
        ),
    )


def _what_happened(session: Session, message: Message, edited: Sequence[datetime]) -> str:
    why = f": {message.last_error}" if message.last_error else ""
    if message.state == "delivered":
        return _delivered(session, message, edited)
    if message.state == "needs_review":
        known = "check the channel and" if message.sent_maybe else "nothing was posted:"
        return f"needs review{why}; {known} decide"
    if message.state == "dropped":
        return f"given up{why or ': somebody dropped it'}"
    if message.state == "uncertain":
        closed = _closed(session, message.channel, "scan")
        checked = "this is being checked" if closed is None else "its channel cannot be searched"
        return f"sent, and it is not known yet whether it arrived{why}; {checked}{closed or ''}"
    closed = _closed(session, message.channel, "post")
    if closed is not None or message.state == "blocked":
        return f"waits until the channel takes messages again{closed or why}"
    if message.state == "sending":
        return "is being sent"
    due = f", not before {moment(message.due_at)}" if message.due_at else ""
    return f"waits to be sent{due}{why}"


def _delivered(session: Session, message: Message, edited: Sequence[datetime]) -> str:
    at = f" at {moment(message.delivered_at)}" if message.delivered_at else ""
    under = f" under the id {message.remote_id}" if message.remote_id else ""
    shared = " in a catch-up message" if message.kind == "catch_up" else ""
    words = f"delivered{shared}{at}{under}"
    if edited:
        words += f", edited at {moment(edited[-1])}"
    if message.remote_deleted:
        return f"{words}, and deleted there since"
    if message.due_at is not None:
        closed = _closed(session, message.channel, "edit")
        at = f"at {moment(message.due_at)}" if closed is None else "when its channel allows that"
        words += f", to be edited {at}{closed or ''}"
    elif message.remote_rev and message.desired_rev not in (
        message.remote_rev,
        message.given_up_rev,
    ):
        why = f": {message.last_error}" if message.last_error else ""
        words += f", and not edited since its text has changed{why}"
    return words


def _closed(session: Session, channel: Channel, call: Call) -> str | None:
    """`: why` the channel or its token gets no such call now; None if it does."""
    posts = channel_scope(channel.id)
    scopes = [channel_scope(channel.id, call), posts, transport_type(channel.kind).token_scope]
    for breaker in session.scalars(select(Breaker).where(Breaker.scope.in_(scopes))):
        # What refuses posts may well allow edits, unless it is gone.
        counts = call != "edit" or breaker.scope != posts
        if breaker.dead or (breaker.open_until is not None and counts):
            return f": {breaker.reason}" if breaker.reason else ""
    return None
