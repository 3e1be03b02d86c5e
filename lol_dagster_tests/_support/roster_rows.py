"""Rows of the roster for tests that need one: people, accounts, teams, channels.

Each function takes what the test is about and fills in the rest; all rows are flushed, so that
their ids can be used.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from lol_dagster.storage.models import Account, Channel, Membership, Player, Team

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
"""When everything was added, and since when members belong, unless a test says otherwise."""

_numbers = itertools.count(1)


def make_team(session: Session, name: str | None = None, **values: Any) -> Team:
    values = {"created_at": LONG_AGO, **values}
    return _added(session, Team(name=name or f"Team {next(_numbers)}", **values))


def make_player(session: Session, name: str | None = None, **values: Any) -> Player:
    """A player without an account."""
    values = {"created_at": LONG_AGO, **values}
    return _added(session, Player(name=name or f"Player {next(_numbers)}", **values))


def make_account(session: Session, player: Player, **values: Any) -> Account:
    """An account on na1 with a puuid of its own."""
    number = next(_numbers)
    values = {
        "puuid": f"puuid-{number}",
        "game_name": f"Summoner {number}",
        "tag_line": "NA1",
        "platform": "na1",
        "created_at": LONG_AGO,
        **values,
    }
    return _added(session, Account(player_id=player.id, **values))


def make_membership(
    session: Session,
    team: Team,
    player: Player,
    *,
    since: datetime = LONG_AGO,
    until: datetime | None = None,
    left_out: bool = False,
) -> Membership:
    return _added(
        session,
        Membership(
            team_id=team.id, player_id=player.id, since=since, until=until, left_out=left_out
        ),
    )


def make_member(session: Session, team: Team, name: str | None = None, **account: Any) -> Player:
    """A player with one account who has been in the team since `LONG_AGO`."""
    player = make_player(session, name)
    make_account(session, player, **account)
    make_membership(session, team, player)
    return player


def make_channel(session: Session, team: Team, name: str | None = None, **values: Any) -> Channel:
    """A Discord channel, reached as a bot, that hears of everything."""
    number = next(_numbers)
    values = {
        "kind": "discord-bot",
        "address": f"{10**17 + number}",
        "created_at": LONG_AGO,
        **values,
    }
    return _added(session, Channel(team_id=team.id, name=name or f"channel-{number}", **values))


def _added(session: Session, row: Any) -> Any:
    session.add(row)
    session.flush()
    return row
