"""Teams: adding, finding, renaming and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.roster.errors import NoSuchEntryError, RosterError
from lol_dagster.roster.memberships import end_membership
from lol_dagster.roster.names import flush_unless, free_name, get_named, name_taken
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
    name = free_name(teams(session), name, "team")
    team = Team(name=name, created_at=now)
    session.add(team)
    flush_unless(session, name_taken(name, "team"))
    return team


def rename_team(session: Session, team_id: int, name: str, *, version: int) -> Team:
    """
    Raises:
        NoSuchEntryError: there is no such team, or it was removed.
        StaleEntryError: somebody else has changed it since this version.
        RosterError: this cannot be a name.
        AlreadyThereError: another team has it.
    """
    team = as_seen(session, Team, team_id, version)
    if team.removed_at is not None:
        raise NoSuchEntryError(f"the team {team.name!r} was removed: its history stays as it is")
    team.name = free_name(teams(session), name, "team", but=team)
    flush_unless(session, name_taken(team.name, "team"))
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
