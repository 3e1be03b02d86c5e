"""A system in which all is well, and what may be wrong with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from lol_dagster.delivery.outbox import note_other_id
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Attempt,
    Channel,
    Heartbeat,
    Match,
    Message,
    Player,
)
from lol_dagster_tests._support.message_rows import as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

NOW = datetime.fromisoformat("2026-08-01T20:00:00+00:00")


def minutes_ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def polled(session: Session, player: Player, at: datetime | None, **values: Any) -> Account:
    """Note when the match list of a player's first account was last seen."""
    session.refresh(player)
    account = player.accounts[0]
    session.add(
        AccountPoll(
            account_id=account.id,
            last_good_poll_at=at,
            **{"next_poll_at": NOW, **values},
        )
    )
    session.flush()
    return account


def all_well(session: Session) -> Channel:
    """A team with a member whose match list was seen a minute ago, and a channel."""
    team = make_team(session, "Barons")
    polled(session, make_member(session, team, game_name="Faker", tag_line="KR1"), minutes_ago(1))
    return make_channel(session, team, "main")


def match(session: Session, number: int = 1, **values: Any) -> str:
    match_id = f"NA1_{number}"
    session.add(Match(**{"match_id": match_id, "listed_at": hours_ago(1), **values}))
    session.flush()
    return match_id


def message(session: Session, channel: Channel, number: int = 1, **values: Any) -> Message:
    row = Message(
        **{
            "id": f"{number:08d}-0000-4000-8000-000000000000",
            "channel_id": channel.id,
            "subject": f"NA1_{number}",
            "kind": "game",
            "order_at": hours_ago(1),
            "created_at": minutes_ago(1),
            "content": {},
            "desired_hash": "",
            "nonce": f"nonce-{number}",
            **as_delivery_leaves_it(values.get("state", "pending"), minutes_ago(1)),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def attempt(session: Session, of: Message, remote_id: str | None) -> None:
    row = Attempt(message_id=of.id, fence=1, op="POST", at=NOW, remote_id=remote_id)
    session.add(row)
    session.flush()
    note_other_id(session, row)


def is_alive(session: Session) -> None:
    session.add(Heartbeat(name="daemon", pid=1, started_at=hours_ago(5), at=minutes_ago(1)))
