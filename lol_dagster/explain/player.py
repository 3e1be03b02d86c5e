"""Why a player's games were announced or not: their accounts, and their last games with what stopped each.

For `lol-dagster why RIOT_ID` and the admin's page of a player.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from lol_dagster.errors import UserError
from lol_dagster.explain.game import explain_game, moment
from lol_dagster.roster.accounts import get_account
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.memberships import is_tracked
from lol_dagster.roster.players import get_player
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Game,
    Match,
    Membership,
    Player,
    PlayerStat,
)

_UNPROCESSED = ("listed", "fetched", "quarantined", "ignored", "not_found")
_EMPTY_SINCE = timedelta(days=30)


@dataclass(frozen=True)
class AccountStory:
    """How an account is polled."""

    riot_id: str
    platform: str
    last_read_at: datetime | None
    """When Riot last gave its match list."""
    next_at: datetime | None
    failures: int
    """Polls that failed in a row."""
    words: str
    """How it stands, in a sentence."""


@dataclass(frozen=True)
class MembershipStory:
    team: str
    since: datetime
    until: datetime | None
    """None: still."""


@dataclass(frozen=True)
class GameLine:
    """One of the player's games, and what happened to it."""

    match_id: str
    state: str
    at: datetime
    """When it ended; when it was listed, where that is not known."""
    answer: str


@dataclass(frozen=True)
class PlayerStory:
    player: str
    memberships: tuple[MembershipStory, ...]
    accounts: tuple[AccountStory, ...]
    games: tuple[GameLine, ...]
    """The newest first."""
    answer: str
    """Where there are no games: why."""


def find_player(session: Session, name_or_riot_id: str) -> Player:
    """By a Riot ID `Name#TAG` of theirs, or by their name.

    Raises:
        UserError: no player is called so.
    """
    try:
        if "#" in name_or_riot_id:
            return get_account(session, name_or_riot_id).player
        return get_player(session, name_or_riot_id)
    except RosterError as error:
        raise UserError(
            f"{name_or_riot_id!a} is no match id (such as NA1_5012345678), no Riot ID (such as "
            f"'Name#TAG') of a player, and no player's name: {error}"
        ) from None


def explain_player(
    session: Session, player: Player, *, last: int, stale_after: timedelta, now: datetime
) -> PlayerStory:
    """How a player's accounts are polled, and what happened to their last games, `last` at most."""
    accounts = session.scalars(
        select(Account)
        .where(Account.player_id == player.id)
        .options(joinedload(Account.poll))
        .order_by(Account.id)
    ).all()
    memberships = session.scalars(
        select(Membership)
        .where(Membership.player_id == player.id)
        .options(joinedload(Membership.team))
        .order_by(Membership.since, Membership.id)
    ).all()
    watched = select(Account.id).where(Account.player_id == player.id, is_tracked(now))
    is_watched = session.scalar(watched.limit(1)) is not None
    games = [
        GameLine(*game, explain_game(session, game[0], stale_after=stale_after, now=now).answer)
        for game in _last_games(session, player, accounts, last, now)
    ]
    return PlayerStory(
        player=player.name,
        memberships=tuple(
            MembershipStory(each.team.name, each.since, each.until) for each in memberships
        ),
        accounts=tuple(_account(each, is_watched, now) for each in accounts),
        games=tuple(games),
        answer=_answer(player, accounts, memberships, bool(games), is_watched),
    )


def _last_games(
    session: Session, player: Player, accounts: Sequence[Account], last: int, now: datetime
) -> list[tuple[str, str, datetime]]:
    """Match id, state and moment of the newest games.

    Of a game that is not processed it is only known in whose list it was; so is that of one
    without anybody inside.
    """
    ids = [each.id for each in accounts]
    questions = (
        select(PlayerStat.match_id, Match.state, PlayerStat.ended_at)
        .join(Match, Match.match_id == PlayerStat.match_id)
        .where(PlayerStat.player_id == player.id)
        .order_by(PlayerStat.ended_at.desc()),
        select(Match.match_id, Match.state, func.coalesce(Game.ended_at, Match.listed_at))
        .outerjoin(Game, Game.match_id == Match.match_id)
        .where(Match.state.in_(_UNPROCESSED), Match.listed_by.in_(ids))
        .order_by(Match.listed_at.desc()),
        select(Match.match_id, Match.state, Game.ended_at)
        .join(Game, Game.match_id == Match.match_id)
        .where(Game.ended_at > now - _EMPTY_SINCE, Game.result == "empty", Match.listed_by.in_(ids))
        .order_by(Game.ended_at.desc()),
    )
    found = {
        match_id: (match_id, state, at)
        for question in questions
        for match_id, state, at in session.execute(question.limit(last))
    }
    return sorted(found.values(), key=lambda each: each[2], reverse=True)[:last]


def _account(account: Account, is_watched: bool, now: datetime) -> AccountStory:
    poll = account.poll
    return AccountStory(
        riot_id=account.riot_id,
        platform=account.platform,
        last_read_at=poll.last_good_poll_at if poll else None,
        next_at=poll.next_poll_at if poll and is_watched else None,
        failures=poll.failures if poll else 0,
        words=_how_it_stands(poll, is_watched, now),
    )


def _how_it_stands(poll: AccountPoll | None, is_watched: bool, now: datetime) -> str:
    if poll is None or poll.last_good_poll_at is None:
        words = "its match list has never been read"
    else:
        words = f"its match list was last read at {moment(poll.last_good_poll_at)}"
    if poll is not None and poll.failures:
        times = "once" if poll.failures == 1 else f"{poll.failures} times in a row"
        words += f"; polling it failed {times}: {poll.last_error}"
    if poll is not None and poll.missing_games_since is not None:
        words += f"; Riot counts a game of which it has listed nothing (seen {moment(poll.missing_games_since)})"
    if not is_watched:
        return f"{words}; it is not polled, as its player is in no team"
    due = "now" if poll is None or poll.next_poll_at <= now else f"at {moment(poll.next_poll_at)}"
    return f"{words}; the next poll is due {due}"


def _answer(
    player: Player,
    accounts: Sequence[Account],
    memberships: Sequence[Membership],
    has_games: bool,
    is_watched: bool,
) -> str:
    if not accounts:
        return f"{player.name} has no account: add one with 'lol-dagster account add'"
    if not is_watched:
        ended = [each.until for each in memberships if each.until is not None]
        left = f" since {moment(max(ended))}" if ended else ""
        return f"{player.name} is in no team{left}: nothing is asked about them"
    if has_games:
        return ""
    since = min(each.since for each in memberships)
    read = [each.poll.last_good_poll_at for each in accounts if each.poll]
    last = max((each for each in read if each is not None), default=None)
    words = f"no game of {player.name} was listed since {moment(since)}"
    if last is None:
        return f"{words}; their match list has never been read"
    return f"{words}; their match list was last read at {moment(last)}"
