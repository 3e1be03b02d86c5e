"""Teams: adding, finding, changing and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import available_timezones

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.messages.language import LANGUAGES
from lol_dagster.roster.errors import NoSuchEntryError, RosterError, TimeZoneError
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


def checked_time_zone(typed: str) -> str:
    """IANA's name of a time zone, as IANA writes it.

    Raises:
        TimeZoneError: there is no such zone.
    """
    zones = {each.casefold(): each for each in available_timezones()}
    folded = "_".join(typed.split()).casefold()
    if folded in zones:
        return zones[folded]
    alike = sorted(zone for key, zone in zones.items() if folded and folded in key.split("/"))
    hint = f"perhaps {alike[0]}" if alike else "say it as in Europe/Berlin or America/New_York"
    raise TimeZoneError(f"{typed!a} is no time zone that is known: {hint}")


def checked_language(code: str) -> str:
    """
    Raises:
        RosterError: nothing is said in such a language.
    """
    if code not in LANGUAGES:
        known = ", ".join(f"{each} ({name})" for each, name in LANGUAGES.items())
        raise RosterError(f"there are no messages in the language {code!a}: choose of {known}")
    return code


def add_team(
    session: Session, name: str, *, language: str = "en", time_zone: str = "UTC", now: datetime
) -> Team:
    """
    Args:
        language: A code of `messages.language.LANGUAGES`.
        time_zone: As `checked_time_zone` takes it.

    Raises:
        RosterError: this cannot be a name, or there is no such language or time zone.
        AlreadyThereError: there is one of this name.
    """
    name = free_name(teams(session), name, "team")
    team = Team(
        name=name,
        language=checked_language(language),
        time_zone=checked_time_zone(time_zone),
        created_at=now,
    )
    session.add(team)
    flush_unless(session, name_taken(name, "team"))
    return team


def change_team(
    session: Session,
    team_id: int,
    *,
    name: str | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    version: int,
    now: datetime,
) -> Team:
    """Change what is not None.

    Args:
        language: A code of `messages.language.LANGUAGES`. What was written stays as it is, until there
            is more to say in it.
        time_zone: As `checked_time_zone` takes it.

    Raises:
        NoSuchEntryError: there is no such team, or it was removed.
        StaleEntryError: somebody else has changed it since this version.
        RosterError: this cannot be a name, or there is no such language or time zone.
        AlreadyThereError: another team has the name.
    """
    team = as_seen(session, Team, team_id, version)
    if team.removed_at is not None:
        raise NoSuchEntryError(f"the team {team.name!r} was removed: its history stays as it is")
    if name is not None:
        team.name = free_name(teams(session), name, "team", but=team)
    before = team.time_zone
    if language is not None:
        team.language = checked_language(language)
    if time_zone is not None:
        team.time_zone = checked_time_zone(time_zone)
    flush_unless(session, name_taken(team.name, "team"))
    if team.time_zone != before:
        # Here, as it loads all that messages are made of, and a list of teams needs none of it.
        from lol_dagster.delivery.message_rows import end_quiet

        end_quiet(session, [channel.id for channel in team.channels], now)
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
