"""Memberships: from when until when a player belongs to a team, also corrected afterwards.

Nothing is deleted: a game counts for the teams that its players were in when it ended. A membership
that was entered by mistake ends when it starts, so that no game counts for it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from lol_dagster.roster.errors import AlreadyThereError, RosterError
from lol_dagster.roster.names import flush_unless
from lol_dagster.roster.versions import as_seen
from lol_dagster.storage.models import Account, AccountPoll, Membership, Player, Team


def parse_since(text: str, now: datetime) -> datetime:
    """Read `2026-05-01` or `2026-05-01T18:30`, in UTC unless it names another offset.

    Args:
        now: An aware instant; memberships start no later.

    Raises:
        RosterError: it is no date, or in the future.
    """
    try:
        since = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RosterError(
            f"{text!a} is no date: it should look like 2026-05-01, 2026-05-01T18:30 "
            "or 2026-05-01T18:30+02:00"
        ) from None
    since = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    if since > now:
        raise RosterError(
            f"{since:%Y-%m-%d %H:%M} UTC is in the future: give a date that has passed"
        )
    return since


def add_membership(
    session: Session,
    team: Team,
    player: Player,
    *,
    since: datetime,
    until: datetime | None = None,
    left_out: bool = False,
) -> Membership:
    """Put a player into a team from `since` until before `until` (None: no end).

    Args:
        left_out: No message names them.

    Raises:
        RosterError: the team was removed, or it would end before it starts.
        AlreadyThereError: the player was in the team then.
    """
    _check_possible(team, since, until)
    check_no_overlap(session, team, player, since, until)
    membership = Membership(
        team_id=team.id, player_id=player.id, since=since, until=until, left_out=left_out
    )
    session.add(membership)
    flush_unless(session, f"{player.name} is already in the team {team.name!r}")
    _let_all_be_listed(session, player)
    return membership


def correct_membership(
    session: Session,
    membership_id: int,
    *,
    since: datetime,
    until: datetime | None,
    left_out: bool | None = None,
    version: int,
    now: datetime,
) -> Membership:
    """Give a membership other dates, or leave its player out of what is announced (None: as it was).

    Raises:
        NoSuchEntryError: there is no such membership.
        StaleEntryError: somebody else has changed it since this version.
        RosterError: it would end before it starts, or the team was removed.
        AlreadyThereError: the player was in the team then by another membership.
    """
    membership = as_seen(session, Membership, membership_id, version)
    if left_out is not None:
        leave_out(session, membership, left_out=left_out, now=now)
    if (membership.since, membership.until) == (since, until):
        session.flush()
        return membership
    team, player = membership.team, membership.player
    _check_possible(team, since, until)
    check_no_overlap(session, team, player, since, until, but=membership)
    membership.since, membership.until = since, until
    flush_unless(session, f"{player.name} is already in the team {team.name!r}")
    _let_all_be_listed(session, player)
    return membership


def leave_out(session: Session, membership: Membership, *, left_out: bool, now: datetime) -> None:
    """Let no message of the team name the player, or let them do so again. What waits to be sent, perhaps until quiet
    hours end, is written anew.
    """
    if left_out == membership.left_out:
        return
    membership.left_out = left_out
    session.flush()
    if left_out:
        # Here, as it loads all that messages are made of, and a list of teams needs none of it.
        from lol_dagster.delivery.message_rows import write_undelivered_again

        write_undelivered_again(session, membership.team_id, now)


def end_membership(membership: Membership, now: datetime) -> None:
    membership.until = max(now, membership.since)


def check_no_overlap(
    session: Session,
    team: Team,
    player: Player,
    since: datetime,
    until: datetime | None,
    *,
    but: Membership | None = None,
) -> None:
    """
    Args:
        but: A membership that may cover the time: the one that is being changed.

    Raises:
        AlreadyThereError: the player was in the team at some of the time.
    """
    same = select(Membership).filter_by(team_id=team.id, player_id=player.id)
    for other in session.scalars(same.order_by(Membership.since)):
        if other is but:
            continue
        # Each from `since` until before `until`: one may begin when another ends.
        ends = [end for end in (until, other.until) if end is not None]
        if since != other.since and ends and max(since, other.since) >= min(ends):
            continue
        if other.until is None:
            raise AlreadyThereError(
                f"{player.name} is already in the team {team.name!r}, since "
                f"{other.since:%Y-%m-%d %H:%M} UTC"
            )
        raise AlreadyThereError(
            f"{player.name} was in the team {team.name!r} from {other.since:%Y-%m-%d %H:%M} until "
            f"{other.until:%Y-%m-%d %H:%M} UTC: choose other dates, or change that entry"
        )


def _let_all_be_listed(session: Session, player: Player) -> None:
    """The next polls are as deep as the first: games may count from now on that no poll reached."""
    accounts = select(Account.id).where(Account.player_id == player.id)
    session.execute(
        update(AccountPoll)
        .where(AccountPoll.account_id.in_(accounts))
        .values(last_deep_poll_at=None)
    )


def _check_possible(team: Team, since: datetime, until: datetime | None) -> None:
    if until is not None and until < since:
        raise RosterError("it would end before it starts: choose a later end")
    if until is None and team.removed_at is not None:
        raise RosterError(f"the team {team.name!r} was removed: nobody can be in it")


def is_tracked(now: datetime, *, since: datetime | None = None) -> ColumnElement[bool]:
    """Condition: the player of the account is in a team now.

    Args:
        since: And has been since before this. None: for however long.
    """
    return Account.player_id.in_(
        select(Membership.player_id).where(
            Membership.since <= (since or now),
            or_(Membership.until.is_(None), Membership.until > now),
        )
    )
