"""Players: people, with their accounts and the teams that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.roster.accounts import add_account
from lol_dagster.roster.errors import AlreadyThereError, RosterError
from lol_dagster.roster.names import clean_name, find_named, get_named
from lol_dagster.roster.riot_lookup import KnownAccount
from lol_dagster.roster.teams import check_may_join, end_membership, get_team, join, leave
from lol_dagster.roster.versions import as_seen
from lol_dagster.storage.models import Membership, Player, PlayerStat


def players(session: Session) -> Sequence[Player]:
    """All players, by name."""
    return sorted(session.scalars(select(Player)), key=lambda player: player.name.casefold())


def get_player(session: Session, name: str) -> Player:
    """
    Raises:
        NoSuchEntryError: there is none of this name.
    """
    return get_named(players(session), name, "player")


def check_may_add(
    session: Session, name: str, *, team: str, with_account: bool, since: datetime
) -> None:
    """Whether `add_player` would find fault, so that Riot need not be asked first.

    Raises:
        RosterError: as `add_player`.
    """
    name = clean_name(name)
    its_team = get_team(session, team)
    player = find_named(players(session), name)
    if player is None:
        if not with_account:
            raise RosterError(
                f"{name!r} is a new player: give one account of theirs with --account 'Name#TAG' "
                "--platform na1"
            )
        return
    check_may_join(session, player, its_team, since)
    if with_account:
        raise AlreadyThereError(
            f"there is already a player {player.name!r}: to put them into the team, leave --account "
            f"out; for another account of theirs, use 'lol-dagster account add'"
        )


def add_player(
    session: Session,
    name: str,
    *,
    team: str,
    account: KnownAccount | None,
    since: datetime,
    now: datetime,
) -> Player:
    """Put a player into a team: a new one with an account, one who is there without.

    Args:
        since: Games that ended before are never told.

    Raises:
        RosterError: this cannot be a name; a new player has no account; the dates overlap.
        NoSuchEntryError: there is no such team.
        AlreadyThereError: he is in the team; he is there, and an account was given; somebody else
            has the account.
    """
    check_may_add(session, name, team=team, with_account=account is not None, since=since)
    player = find_named(players(session), name)
    if player is None:
        assert account is not None, "check_may_add refuses a new player without an account"
        name = clean_name(name)
        player = Player(name=name, created_at=now)
        session.add(player)
        try:
            session.flush()
        except IntegrityError:  # somebody else has added him in this moment
            raise AlreadyThereError(f"there is already a player {name!r}") from None
        add_account(session, player, account, now=now)
    join(session, player, get_team(session, team), since)
    return player


def rename_player(session: Session, player_id: int, name: str, *, version: int) -> Player:
    """
    Args:
        version: The one that was seen.

    Raises:
        NoSuchEntryError: there is no such player.
        StaleEntryError: somebody else has changed the entry.
        RosterError: this cannot be a name.
        AlreadyThereError: another player bears it.
    """
    player = as_seen(session, Player, player_id, version)
    name = clean_name(name)
    there = find_named(players(session), name)
    if there is not None and there is not player:
        raise AlreadyThereError(f"there is already a player {there.name!r}: choose another name")
    player.name = name
    try:
        session.flush()
    except IntegrityError:  # somebody else has taken it in this moment
        raise AlreadyThereError(
            f"there is already a player {name!r}: choose another name"
        ) from None
    return player


def remove_player(
    session: Session, name: str, *, team: str | None, now: datetime
) -> tuple[Player, bool]:
    """Take a player out of a team, or out of all.

    The player stays, with accounts and games, and can be added to a team again. One without any
    game, taken out of all teams, goes for good: somebody added them by mistake.

    Args:
        team: None: all of them.

    Returns:
        The player, and whether they are gone for good.

    Raises:
        NoSuchEntryError: there is no such player or team, or the player is not in the team.
    """
    player = get_player(session, name)
    if team is not None:
        leave(session, player, get_team(session, team), now=now)
        return player, False
    if session.scalars(
        select(PlayerStat).where(PlayerStat.player_id == player.id).limit(1)
    ).first():
        for membership in open_memberships(player):
            end_membership(membership, now)
        return player, False
    for row in [*player.accounts, *player.memberships]:
        session.delete(row)
    session.flush()
    session.delete(player)
    session.flush()
    return player, True


def open_memberships(player: Player) -> list[Membership]:
    return [membership for membership in player.memberships if membership.until is None]
