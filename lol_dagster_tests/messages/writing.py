"""Writing messages as the stage does, and reading what was written."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.delivery.message_rows import WrittenMessage, write_messages
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Message, Participant, Player
from lol_dagster_tests._support.message_rows import ENDED, NOW
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

STALE_AFTER = timedelta(hours=12)
LONG_AFTER = ENDED + timedelta(days=3)
"""A moment at which games that ended at ENDED are stale."""


def write(session: Session, match_id: str, now: datetime = NOW) -> list[WrittenMessage]:
    return write_messages(session, match_id, stale_after=STALE_AFTER, now=now)


def world(database: Database, **channel) -> tuple[Player, Channel]:
    """Ann in a team with one channel."""
    with database.writing() as session:
        team = make_team(session, "Friends")
        return make_member(session, team, "Ann"), make_channel(session, team, "games", **channel)


def the_message(database: Database) -> Message:
    with database.reading() as session:
        return session.scalars(select(Message)).one()


def change_message(database: Database, **values) -> None:
    with database.writing() as session:
        session.execute(update(Message).values(**values))


def change_kills(database: Database, kills: int) -> None:
    with database.writing() as session:
        session.execute(update(Participant).values(kills=kills))
