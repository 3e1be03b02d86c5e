"""Players: people, with their accounts and the teams that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from lol_dagster.roster import memberships
from lol_dagster.roster.accounts import add_account
from lol_dagster.roster.errors import AlreadyThereError, NoSuchEntryError, RosterError
from lol_dagster.roster.memberships import add_membership, check_no_overlap, end_membership
from lol_dagster.roster.names import (
    clean_name,
    find_named,
    flush_unless,
    free_name,
    get_named,
    name_taken,
)
from lol_dagster.roster.riot_lookup import KnownAccount
from lol_dagster.roster.teams import get_team
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
    """Check what `add_player` will check, before Riot is asked.

    Raises:
        RosterError: as `add_player`.
    """
    name = clean_name(name)
    its_team = get_team(session, team)
    player = find_named(players(session), name)
    if player is None:
        if not with_account:
            raise RosterError(
                f"{name!r} is a new player: give one account of theirs with --account 'Name#TAG'"
            )
        return
    check_no_overlap(session, its_team, player, since, None)
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
    """Put a player into a team: a new one with an account, an existing one without.

    Args:
        since: Games that ended earlier are never announced.

    Raises:
        RosterError: this cannot be a name; a new player has no account; the dates overlap.
        NoSuchEntryError: there is no such team.
        AlreadyThereError: they are in the team; they exist, and an account was given; somebody else
            has the account.
    """
    check_may_add(session, name, team=team, with_account=account is not None, since=since)
    player = find_named(players(session), name)
    if player is None:
        assert account is not None, "check_may_add refuses a new player without an account"
        player = Player(name=clean_name(name), created_at=now)
        session.add(player)
        flush_unless(session, name_taken(player.name, "player"))
        add_account(session, player, account, now=now)
    add_membership(session, get_team(session, team), player, since=since)
    return player


def rename_player(session: Session, player_id: int, name: str, *, version: int) -> Player:
    """
    Raises:
        NoSuchEntryError: there is no such player.
        StaleEntryError: somebody else has changed the entry.
        RosterError: this cannot be a name.
        AlreadyThereError: another player has it.
    """
    player = as_seen(session, Player, player_id, version)
    player.name = free_name(players(session), name, "player", but=player)
    flush_unless(session, name_taken(player.name, "player"))
    return player


def leave_out(
    session: Session, name: str, *, team: str, left_out: bool, now: datetime
) -> Membership:
    """Let no message of a team name a player, or let them do so again.

    Raises:
        NoSuchEntryError: there is no such player or team, or the player is not in the team.
    """
    player, its_team = get_player(session, name), get_team(session, team)
    for membership in player.memberships:
        if membership.until is None and membership.team is its_team:
            memberships.leave_out(session, membership, left_out=left_out, now=now)
            return membership
    raise NoSuchEntryError(f"{player.name} is not in the team {its_team.name!r}")


def remove_player(
    session: Session, name: str, *, team: str | None, now: datetime
) -> tuple[Player, bool]:
    """Take a player out of a team, or out of all.

    The player stays, with accounts and games, and can be added to a team again. One without any
    game who is taken out of all teams is deleted: they were added by mistake.

    Args:
        team: None: all of them.

    Returns:
        The player, and whether they were deleted.

    Raises:
        NoSuchEntryError: there is no such player or team, or the player is not in the team.
    """
    player = get_player(session, name)
    current = [membership for membership in player.memberships if membership.until is None]
    if team is not None:
        left = get_team(session, team)
        current = [membership for membership in current if membership.team is left]
        if not current:
            raise NoSuchEntryError(f"{player.name} is not in the team {left.name!r}")
        end_membership(current[0], now)
        return player, False
    if session.scalar(select(exists().where(PlayerStat.player_id == player.id))):
        for membership in current:
            end_membership(membership, now)
        return player, False
    for row in [*player.accounts, *player.memberships]:
        session.delete(row)
    session.flush()
    session.delete(player)
    session.flush()
    return player, True
