"""Channels: where a team is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.roster.addresses import WebhookHosts, check_address
from lol_dagster.roster.errors import AlreadyThereError, RosterError
from lol_dagster.roster.names import clean_name, find_named, get_named
from lol_dagster.roster.teams import get_team, live_channels
from lol_dagster.storage.models import Channel

_HIGHEST_QUEUE = 99_999


def channels(session: Session) -> Sequence[Channel]:
    """All channels but removed ones, by name."""
    found = session.scalars(select(Channel).where(Channel.removed_at.is_(None)))
    return sorted(found, key=lambda channel: channel.name.casefold())


def get_channel(session: Session, name: str) -> Channel:
    """
    Raises:
        NoSuchEntryError: there is none of this name.
    """
    return get_named(channels(session), name, "channel")


def parse_queues(text: str) -> list[int]:
    """Read Riot's queue ids: `420,440`.

    Raises:
        RosterError: it is no list of numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(
        re.fullmatch(r"\d{1,5}", part, re.ASCII) and int(part) <= _HIGHEST_QUEUE for part in parts
    ):
        raise RosterError(
            f"{text!a} is no list of queues: it should be Riot's numbers, such as 420,440 for "
            "ranked solo and flex (static.developer.riotgames.com/docs/lol/queues.json)"
        )
    return sorted({int(part) for part in parts})


def add_channel(
    session: Session,
    name: str,
    *,
    team: str,
    kind: str,
    address: str,
    hosts: WebhookHosts,
    queues: list[int] | None,
    uncertain: str,
    now: datetime,
) -> Channel:
    """Let a team be told in a channel of games that are first processed from now on.

    Args:
        kind: One of `CHANNEL_KINDS`.
        queues: Riot's ids of the queues whose games are told; None: all.
        uncertain: One of `UNCERTAIN_POLICIES`.

    Raises:
        RosterError: this cannot be a name, or the address is none of this kind.
        NoSuchEntryError: there is no such team.
        AlreadyThereError: there is a channel of this name, or the team is told there already.
    """
    name = clean_name(name)
    address = check_address(kind, address, hosts)
    its_team = get_team(session, team)
    if there := find_named(channels(session), name):
        raise AlreadyThereError(f"there is already a channel {there.name!r}: choose another name")
    for other in live_channels(session, its_team):
        if (other.kind, other.address) == (kind, address):
            raise AlreadyThereError(
                f"the team {its_team.name!r} is already told there, as channel {other.name!r}"
            )
    channel = Channel(
        team_id=its_team.id,
        name=name,
        kind=kind,
        address=address,
        queues=queues,
        uncertain=uncertain,
        created_at=now,
    )
    session.add(channel)
    try:
        session.flush()
    except IntegrityError:  # somebody else has added it in this moment
        raise AlreadyThereError(f"there is already a channel {name!r}") from None
    return channel


def remove_channel(session: Session, name: str, *, now: datetime) -> Channel:
    """Tell nothing there any more; what has been told stays on record.

    Raises:
        NoSuchEntryError: there is none of this name.
    """
    channel = get_channel(session, name)
    channel.removed_at = now
    session.flush()
    return channel
