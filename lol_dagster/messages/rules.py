"""In which channels a game is announced: one decision per channel, each with the rule behind it.

The rules in their order; the first that applies decides:

1. A game that is `empty` or `aborted` is not announced, nor are the practice tool and tutorials.
   Remakes are announced, as remakes.
2. A game counts for the teams that its players were in at the moment it ended, but for those who are left out.
3. Nothing is announced in a removed channel, nor in one that was added after the game had first been
   processed: processing an old game again is no reason to announce it.
4. A channel may be limited to some kinds of queue, modes or queues; to games in which at least so many of
   the team took part; to games that one of them has won, or that are worth a remark; and to some kinds of
   message.
5. What was processed before, and was not announced then, is not announced any more once it is stale: other rules or
   members, or a remark that nobody found then, are no reason to announce an old game.
6. What is written in a channel's quiet hours goes into one message, which is sent when they end, if that is
   their way. By the clock of the moment; if a backup was restored, of a game that may have been announced
   before that by the moment at which it ended, as nobody knows when it was processed then.
7. A game that had ended longer ago than LOL_STALE_AFTER when it was first processed goes into the
   channel's catch-up message; any other has a message of its own. After a backup was restored, what ended
   before counts as processed when the backup was taken (restored.py).

These rules decide about games that a channel has no message about. Once written, a message is there
to stay: see announcements.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Row, Select, select, union
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.messages.announced_games import is_announced, was_member
from lol_dagster.messages.language import time_zone
from lol_dagster.messages.quiet import is_of_quiet_hours, quiet_until
from lol_dagster.messages.restored import restoration
from lol_dagster.riot.modes import is_wanted, played_mode, shown_wanted
from lol_dagster.stats.history import remarks_of
from lol_dagster.stats.played import has_won, select_played
from lol_dagster.storage.models import (
    Account,
    Channel,
    Game,
    Match,
    Membership,
    Message,
    MessageGame,
    Participant,
    Player,
    PlayerStat,
    Team,
)

Kind = Literal["game", "catch_up"]
Rule = Literal[
    "empty",
    "aborted",
    "practice",
    "membership",
    "left_out",
    "no_channel",
    "removed",
    "added_later",
    "queues",
    "min_members",
    "only_if",
    "message_kinds",
    "processed_before",
    "quiet",
    "silent",
    "stale",
    "game",
]


@dataclass(frozen=True)
class AnnouncementDecision:
    """Whether a game is announced in a channel, and why (not)."""

    team: Team
    channel: Channel | None
    """None: the team has no channel."""
    kind: Kind | None
    """In which kind of message; None: not announced."""
    rule: Rule
    reason: str
    """The rule in words, with what it was applied to."""
    message_id: str | None
    """The message that announces it already, if there is one."""
    held_until: datetime | None = None
    """When the quiet hours end that it is held back for; None: for none."""

    @property
    def announced(self) -> bool:
        return self.kind is not None


_T = TypeVar("_T")
_Verdict = tuple[Kind | None, Rule, str]
"""Kind, rule and reason of an `AnnouncementDecision`."""


def decide(
    session: Session, match_id: str, *, stale_after: timedelta, now: datetime
) -> list[AnnouncementDecision]:
    """The decisions for a game, by team and channel.

    Empty if the game has not been processed, or if nobody who ever was in a team took part.

    Args:
        stale_after: LOL_STALE_AFTER.
        now: Taken for the moment of first processing if there was none yet.
    """
    game, match = session.get(Game, match_id), session.get(Match, match_id)
    if game is None or match is None:
        return []
    when = _When.of(session, game, match.processed_at or now, stale_after, now)
    already = {
        row.channel_id: row
        for row in session.execute(
            select(
                MessageGame.channel_id,
                MessageGame.message_id,
                Message.kind,
                Message.subject,
                Message.created_at,
            )
            .join(Message, Message.id == MessageGame.message_id)
            .where(MessageGame.match_id == match_id)
        )
    }
    decisions: list[AnnouncementDecision] = []
    for team in candidate_teams(session, match_id):
        seen = _SeenBy(session, game, team)
        channels = session.scalars(
            select(Channel).where(Channel.team_id == team.id).order_by(Channel.id)
        ).all()
        if not channels:
            verdict = _on_game(seen) or (None, "no_channel", "the team has no channel")
            decisions.append(AnnouncementDecision(team, None, *verdict, message_id=None))
        decisions += [
            _decision(seen, channel, when, already.get(channel.id)) for channel in channels
        ]
    return decisions


def decide_afresh(
    session: Session, match_id: str, channels: Sequence[Channel], *, stale_after: timedelta
) -> list[AnnouncementDecision]:
    """What would have been decided of a game in these channels when it was first processed, in their order, if
    nothing had been announced there yet.

    Empty if the game has not been processed.

    Args:
        channels: Of one team. They need not be in the database: those that are being changed are not.
        stale_after: LOL_STALE_AFTER.
    """
    game, match = session.get(Game, match_id), session.get(Match, match_id)
    if game is None or match is None or match.processed_at is None:
        return []
    at = match.processed_at
    when = _When.of(session, game, at, stale_after, at)
    seen = _SeenBy(session, game, session.get_one(Team, channels[0].team_id))
    return [_decision(seen, channel, when, None) for channel in channels]


def candidate_teams(session: Session, match_id: str) -> Sequence[Team]:
    """The teams that any tracked player of the game ever was in, by id.

    An empty game has no participants: there it is the player in whose list it was.
    """
    players = union(
        select(PlayerStat.player_id).where(PlayerStat.match_id == match_id),
        select(Account.player_id)
        .join(Match, Match.listed_by == Account.id)
        .join(Game, Game.match_id == Match.match_id)
        .where(Game.match_id == match_id, Game.result == "empty"),
    )
    teams = select(Membership.team_id).where(Membership.player_id.in_(players))
    return session.scalars(select(Team).where(Team.id.in_(teams)).order_by(Team.id)).all()


@dataclass(frozen=True)
class _When:
    """The moments on which it depends how a game is announced."""

    processed_at: datetime
    """When it was first processed."""
    is_stale: bool
    is_old: bool
    """It was processed before, and is stale by now."""
    heard_at: datetime
    """When its first message is written, or was."""

    @classmethod
    def of(
        cls,
        session: Session,
        game: Game,
        processed_at: datetime,
        stale_after: timedelta,
        now: datetime,
    ) -> _When:
        restored = restoration(session)
        first, heard_at = processed_at, now
        if restored is not None:
            first = restored.first_processed_at(game.ended_at, processed_at)
            if restored.may_have_been_delivered(game.ended_at):
                heard_at = game.ended_at
        is_old = processed_at < now and game.ended_at < now - stale_after
        return cls(processed_at, game.ended_at < first - stale_after, is_old, heard_at)


@dataclass
class _SeenBy:
    """A game as a team sees it; what is not asked for is not read."""

    session: Session
    game: Game
    team: Team

    @cached_property
    def members(self) -> frozenset[int]:
        """Ids of the players who took part, were in the team when the game ended, and are not left out."""
        return frozenset(
            self.session.scalars(self._of_the_team(PlayerStat.player_id, is_announced()))
        )

    def names(self, *which: ColumnElement[bool]) -> str:
        """Of all who took part and were in the team at any time."""
        names = self.session.scalars(self._of_the_team(Player.name, *which).order_by(Player.name))
        return ", ".join(dict.fromkeys(names))

    @property
    def is_won(self) -> bool:
        """By one of the members."""
        rows = self.session.execute(
            select_played(Participant.outcome, Participant.placement, PlayerStat.extra).where(
                PlayerStat.match_id == self.game.match_id, PlayerStat.player_id.in_(self.members)
            )
        )
        return any(has_won(*row) for row in rows)

    @property
    def is_remarkable(self) -> bool:
        return bool(remarks_of(self.session, self.game.match_id, self.members))

    def _of_the_team(
        self, column: InstrumentedAttribute[_T], *which: ColumnElement[bool]
    ) -> Select[_T]:
        return (
            select(column)
            .select_from(PlayerStat)
            .join(Player, Player.id == PlayerStat.player_id)
            .join(Game, Game.match_id == PlayerStat.match_id)
            .join(Membership, Membership.player_id == Player.id)
            .where(
                PlayerStat.match_id == self.game.match_id,
                Membership.team_id == self.team.id,
                *which,
            )
        )


def _decision(
    seen: _SeenBy, channel: Channel, when: _When, message: Row[*tuple[Any, ...]] | None
) -> AnnouncementDecision:
    """
    Args:
        channel: It need not be in the database.
        message: The one about the game that is there; None: there is none.
    """
    kind: Kind = "catch_up" if when.is_stale else "game"
    is_held, at = False, when.heard_at
    if message is not None:
        is_held, at = is_of_quiet_hours(message.subject), message.created_at
        kind = kind if is_held else message.kind
    until = quiet_until(channel.quiet_hours, seen.team.time_zone, at)
    if until is not None and message is None:
        is_held = channel.quiet_way == "hold"
    verdict = _on_game(seen) or _on_channel(channel, seen, kind, when.processed_at)
    if verdict[0] is not None and message is None and when.is_old:
        reason = "it was processed before, is old by now, and was not announced here then"
        verdict = None, "processed_before", reason
    if verdict[0] is not None and is_held:
        verdict = (
            "catch_up",
            "quiet",
            _during(until, seen.team, "in one message with all that came"),
        )
    elif verdict[0] == "game" and until is not None and channel.quiet_way == "silent":
        verdict = "game", "silent", _during(until, seen.team, "without a sound, as it came")
    return AnnouncementDecision(
        seen.team,
        channel,
        *verdict,
        message_id=message.message_id if message else None,
        held_until=until if verdict[1] == "quiet" else None,
    )


def _during(until: datetime | None, team: Team, how: str) -> str:
    if until is None:
        return f"{how} in the quiet hours"
    at = f"{until.astimezone(time_zone(team.time_zone)):%F %R}"
    return f"{how} in the quiet hours until {at} ({team.time_zone})"


def _on_game(seen: _SeenBy) -> _Verdict | None:
    """None: the game is one to be announced, and somebody of the team took part in it."""
    game = seen.game
    if game.result == "empty":
        return None, "empty", "Riot's answer has no game inside"
    if game.result == "aborted":
        return None, "aborted", "the game ended without a result"
    if not played_mode(game.queue_id, game_mode=game.game_mode, game_type=game.game_type).announced:
        return None, "practice", "the practice tool and tutorials are not announced"
    if seen.members:
        return None
    if left_out := seen.names(was_member()):
        return None, "left_out", f"left out of what is announced: {left_out}"
    return None, "membership", f"not in the team when the game ended: {seen.names()}"


def _on_channel(channel: Channel, seen: _SeenBy, kind: Kind, processed_at: datetime) -> _Verdict:
    game = seen.game
    if channel.removed_at is not None:
        return None, "removed", f"the channel was removed at {channel.removed_at:%F %R}"
    if channel.created_at > processed_at:
        return None, "added_later", "the channel was added after the game had been processed"
    if channel.queues is not None and not is_wanted(
        channel.queues,
        queue_id=game.queue_id,
        queue_name=game.queue_name,
        queue_kind=game.queue_kind,
        game_mode=game.game_mode,
    ):
        wanted = ", ".join(map(shown_wanted, channel.queues)) or "none"
        return (
            None,
            "queues",
            f"the channel does not want queue {game.queue_id} ({game.queue_name}), but {wanted}",
        )
    if len(seen.members) < channel.min_members:
        took_part = f"the channel wants at least {channel.min_members} of the team"
        return None, "min_members", f"{took_part} in a game, and {len(seen.members)} took part"
    if channel.only_if == "won" and not seen.is_won:
        return None, "only_if", "the channel wants only games that were won"
    if channel.only_if == "remarkable" and not seen.is_remarkable:
        return None, "only_if", "the channel wants only games that are worth a remark"
    if channel.message_kinds is not None and kind not in channel.message_kinds:
        return None, "message_kinds", f"the channel does not want {kind} messages"
    if kind == "catch_up":
        return kind, "stale", "it had ended long before it was first processed"
    return kind, "game", "it has a message of its own"
