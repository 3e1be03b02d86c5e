"""Everything that is known of one game, from Riot's list to the messages about it.

For `lol-dagster game show` and the admin's page of a game. Reads only; what it finds are the rows
themselves, and in `stages` the short answer to how far the game has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from lol_dagster.errors import UserError
from lol_dagster.messages.rules import Decision, decide
from lol_dagster.stats.played import select_played
from lol_dagster.storage.models import (
    Account,
    Channel,
    Game,
    Match,
    Message,
    MessageGame,
    Participant,
    Payload,
    Player,
    PlayerStat,
    Quarantine,
)

StageState = Literal["done", "waiting", "failed", "given up"]


class UnknownGameError(UserError):
    """No such match id is on record."""


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
class KnownGame:
    """Rows about one game; None and empty: it has not come so far."""

    match: Match
    listed_by: Account | None
    payload: Payload | None
    game: Game | None
    played: Sequence[Played]
    decisions: Sequence[Decision]
    """Who was considered for being told, and which rule decided."""
    messages: Sequence[Message]
    """With their channels."""
    set_aside: Sequence[Quarantine]
    """Every time a stage failed on it, the latest last."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The five stages in their order."""
        return (
            self._listed(),
            self._fetched(),
            self._worked_out("player_stats", self._stats_detail()),
            self._worked_out("messages", _number(len(self.messages), "message")),
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

    def _worked_out(self, name: str, detail: str) -> Stage:
        if failed := self._failed(name):
            return failed
        if self.match.state == "processed":
            return Stage(name, "done", self.match.processed_at, detail)
        return self._waiting(name)

    def _delivered(self) -> Stage:
        untold = [each for each in self.messages if each.delivered_at is None]
        if untold:
            states = ", ".join(sorted({each.state.replace("_", " ") for each in untold}))
            detail = f"{len(untold)} of {_number(len(self.messages), 'message')}: {states}"
            if all(each.state in {"needs_review", "dropped"} for each in untold):
                return Stage("deliveries", "given up", None, detail)
            due = min((each.due_at for each in untold if each.due_at), default=None)
            return Stage("deliveries", "waiting", due, detail)
        if self.messages:
            last = max(each.delivered_at for each in self.messages if each.delivered_at)
            channels = ", ".join(each.channel.name for each in self.messages)
            return Stage("deliveries", "done", last, f"told in {channels}")
        if self.match.state == "processed":
            return Stage("deliveries", "done", None, "nobody is to be told")
        return self._waiting("deliveries")

    def _failed(self, name: str) -> Stage | None:
        for row in self.set_aside:
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


def read_game(
    session: Session, match_id: str, *, stale_after: timedelta, now: datetime
) -> KnownGame:
    """Everything about one game.

    Args:
        stale_after: LOL_STALE_AFTER, on which it depends how a game is told.

    Raises:
        UnknownGameError: nobody's list has shown it.
    """
    match = session.get(Match, match_id)
    if match is None:
        raise UnknownGameError(
            f"no game {match_id} is known: Riot has not listed it for anyone who is watched "
            "(a match id looks like NA1_5012345678)"
        )
    return KnownGame(
        match=match,
        listed_by=session.get(Account, match.listed_by) if match.listed_by else None,
        payload=session.get(Payload, match_id),
        game=session.get(Game, match_id),
        played=_played(session, match_id),
        decisions=decide(session, match_id, stale_after=stale_after, now=now),
        messages=_messages(session, match_id),
        set_aside=session.scalars(
            select(Quarantine).where(Quarantine.match_id == match_id).order_by(Quarantine.id)
        ).all(),
    )


def _played(session: Session, match_id: str) -> list[Played]:
    rows = session.execute(
        select_played(Player, Account, Participant, PlayerStat)
        .join(Account, Account.id == PlayerStat.account_id)
        .join(Player, Player.id == PlayerStat.player_id)
        .where(PlayerStat.match_id == match_id)
        .order_by(PlayerStat.participant_id)
    )
    return [Played(*row) for row in rows]


def _messages(session: Session, match_id: str) -> Sequence[Message]:
    return session.scalars(
        select(Message)
        .join(MessageGame, MessageGame.message_id == Message.id)
        .where(MessageGame.match_id == match_id)
        .options(joinedload(Message.channel).joinedload(Channel.team))
        .order_by(Message.created_at, Message.id)
    ).all()


def _number(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
