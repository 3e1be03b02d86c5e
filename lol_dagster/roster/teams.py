"""Teams, and who belongs to them from when until when.

A membership is never deleted: a game counts for the teams that its players were in when it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.roster.errors import AlreadyThereError, NoSuchEntryError, RosterError
from lol_dagster.roster.memberships import add_membership
from lol_dagster.roster.names import clean_name, find_named, get_named
from lol_dagster.roster.versions import as_seen
from lol_dagster.storage.models import Channel, Membership, Player, Team


def teams(session: Session) -> Sequence[Team]:
    """All teams but removed ones, by name."""
    found = session.scalars(select(Team).where(Team.removed_at.is_(None)))
    return sorted(found, key=lambda team: team.name.casefold())


def get_team(session: Session, name: str) -> Team:
    """
    Raises:
        NoSuchEntryError: there is none of this name.
    """
    return get_named(teams(session), name, "team")


def add_team(session: Session, name: str, *, now: datetime) -> Team:
    """
    Raises:
        RosterError: this cannot be a name.
        AlreadyThereError: there is one of this name.
    """
    name = clean_name(name)
    if there := find_named(teams(session), name):
        raise AlreadyThereError(f"there is already a team {there.name!r}: choose another name")
    team = Team(name=name, created_at=now)
    session.add(team)
    try:
        session.flush()
    except IntegrityError:  # somebody else has added it in this moment
        raise AlreadyThereError(f"there is already a team {name!r}: choose another name") from None
    return team


def rename_team(session: Session, team_id: int, name: str, *, version: int) -> Team:
    """
    Args:
        version: The one that was seen.

    Raises:
        NoSuchEntryError: there is no such team, or it was removed.
        StaleEntryError: somebody else has changed it.
        RosterError: this cannot be a name.
        AlreadyThereError: another team bears it.
    """
    team = as_seen(session, Team, team_id, version)
    name = clean_name(name)
    if team.removed_at is not None:
        raise NoSuchEntryError(f"the team {team.name!r} was removed: its history stays as it is")
    there = find_named(teams(session), name)
    if there is not None and there is not team:
        raise AlreadyThereError(f"there is already a team {there.name!r}: choose another name")
    team.name = name
    try:
        session.flush()
    except IntegrityError:  # somebody else has taken it in this moment
        raise AlreadyThereError(f"there is already a team {name!r}: choose another name") from None
    return team


def remove_team(session: Session, name: str, *, even_if_used: bool, now: datetime) -> Team:
    """End a team; its history stays.

    Args:
        even_if_used: Also end its memberships and remove its channels.

    Raises:
        NoSuchEntryError: there is none of this name.
        RosterError: it is in use, and `even_if_used` does not say to end that.
    """
    team = get_team(session, name)
    members, channels = current_members(session, team), live_channels(session, team)
    if (members or channels) and not even_if_used:
        uses = [f"players {', '.join(m.player.name for m in members)}"] if members else []
        uses += [f"channels {', '.join(c.name for c in channels)}"] if channels else []
        raise RosterError(
            f"the team {team.name!r} still has {' and '.join(uses)}: remove them first, "
            "or all together with --force"
        )
    for membership in members:
        end_membership(membership, now)
    for channel in channels:
        channel.removed_at = now
    team.removed_at = now
    return team


def current_members(session: Session, team: Team) -> Sequence[Membership]:
    """Memberships that have not ended, by the players' names."""
    found = session.scalars(
        select(Membership)
        .join(Membership.player)
        .where(Membership.team_id == team.id, Membership.until.is_(None))
        .order_by(Player.name)
    )
    return found.all()


def live_channels(session: Session, team: Team) -> Sequence[Channel]:
    """The team's channels but removed ones, by name."""
    found = session.scalars(
        select(Channel)
        .where(Channel.team_id == team.id, Channel.removed_at.is_(None))
        .order_by(Channel.name)
    )
    return found.all()


def check_may_join(session: Session, player: Player, team: Team, since: datetime) -> None:
    """
    Raises:
        AlreadyThereError: the player is in the team.
        RosterError: he was in it at `since` or later.
    """
    latest = session.scalars(
        select(Membership)
        .where(Membership.player_id == player.id, Membership.team_id == team.id)
        .order_by(Membership.since.desc(), Membership.id.desc())
        .limit(1)
    ).first()
    if latest is None:
        return
    if latest.until is None:
        raise AlreadyThereError(
            f"{player.name} is already in the team {team.name!r}, since {latest.since:%Y-%m-%d}"
        )
    if since < latest.until or since == latest.since:
        raise RosterError(
            f"{player.name} was in the team {team.name!r} until {latest.until:%Y-%m-%d %H:%M} UTC: "
            "choose a later --since"
        )


def join(session: Session, player: Player, team: Team, since: datetime) -> Membership:
    """Let a player belong to a team from `since` on.

    Raises:
        AlreadyThereError: he does.
        RosterError: he did, at `since` or later.
    """
    check_may_join(session, player, team, since)
    return add_membership(session, team, player, since=since)


def leave(session: Session, player: Player, team: Team, *, now: datetime) -> Membership:
    """End a player's membership.

    Raises:
        NoSuchEntryError: he is not in the team.
    """
    for membership in current_members(session, team):
        if membership.player_id == player.id:
            end_membership(membership, now)
            return membership
    raise NoSuchEntryError(f"{player.name} is not in the team {team.name!r}")


def end_membership(membership: Membership, now: datetime) -> None:
    membership.until = max(now, membership.since)
