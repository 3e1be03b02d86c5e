"""Walking an account's match list and remembering the ids that are new.

Riot's list is late, unordered and full of holes at times, ids repeat across pages while new games
push it on, and `start` was once ignored. So no id is taken for a cursor: a short look reads on
while pages bring new ids, and a deep look reads all that lies in its window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update

from lol_dagster.riot.client import MAX_IDS, RiotClient
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match
from lol_dagster.storage.upsert import insert_if_absent

FIRST_PAGE = 20
MOST_PAGES = 30
"""Riot keeps some 1,000 matches of an account: a list that goes on is no list."""

OLDEST_START_TIME = datetime(2021, 6, 16, tzinfo=UTC)
"""Riot hides matches from before it when a start time is given at all."""


@dataclass(frozen=True)
class Window:
    """Whose list to walk, and from when on."""

    account_id: int
    puuid: str
    platform: str
    since: datetime

    @property
    def start_time(self) -> datetime | None:
        return self.since if self.since >= OLDEST_START_TIME else None


def short_look(
    database: Database, client: RiotClient, window: Window, now: datetime
) -> Iterator[str]:
    """Read the newest ids, and on while whole pages bring new ones.

    Yields:
        The new match ids, each remembered before.

    Raises:
        RiotError: Riot stopped answering.
    """
    start, count = 0, FIRST_PAGE
    for _ in range(MOST_PAGES):
        page = client.match_ids(
            window.puuid, window.platform, start=start, count=count, start_time=window.start_time
        )
        new = remember(database, page, listed_by=window.account_id, now=now)
        yield from new
        if len(page) < count or not new:
            return
        start, count = start + count, MAX_IDS


def deep_poll(
    database: Database, client: RiotClient, window: Window, now: datetime
) -> Iterator[str]:
    """Read the whole window, known ids or not. Those that were given up are asked for once more.

    Pages after the first are back-fill: they leave room in Riot's limits for news.

    Yields:
        The new match ids, each remembered before.

    Raises:
        RiotError: Riot stopped answering.
    """
    seen: set[str] = set()
    for number in range(MOST_PAGES):
        page = client.match_ids(
            window.puuid,
            window.platform,
            start=number * MAX_IDS,
            count=MAX_IDS,
            start_time=window.start_time,
            priority="backfill" if number else "live",
        )
        yield from remember(database, page, listed_by=window.account_id, now=now)
        ask_again(database, page, now=now)
        if len(page) < MAX_IDS or seen.issuperset(page):
            return
        seen.update(page)


def ask_again(database: Database, match_ids: Sequence[str], *, now: datetime) -> None:
    """Make those of the ids due that were given up, as Riot still lists them, or again.

    They stay `not_found` until Riot gives them: it lists some for ever that it never does.
    """
    gone = (
        Match.match_id.in_(match_ids),
        Match.state == "not_found",
        Match.next_try_at.is_(None),
    )
    with database.reading() as session:
        if session.scalar(select(Match.match_id).where(*gone).limit(1)) is None:
            return
    with database.writing() as session:
        session.execute(update(Match).where(*gone).values(next_try_at=now))


def remember(
    database: Database, match_ids: Sequence[str], *, listed_by: int, now: datetime
) -> list[str]:
    """Write down those of the ids that nobody has yet; due at once.

    Returns:
        Them, in the order given.
    """
    ids = list(dict.fromkeys(match_ids))
    with database.reading() as session:
        known = set(session.scalars(select(Match.match_id).where(Match.match_id.in_(ids))))
    unknown = [match_id for match_id in ids if match_id not in known]
    if not unknown:
        return []
    rows = [
        {
            "match_id": match_id,
            "state": "listed",
            "listed_at": now,
            "listed_by": listed_by,
            "next_try_at": now,
        }
        for match_id in unknown
    ]
    with database.writing() as session:
        written = {key[0] for key in insert_if_absent(session, Match, rows)}
    return [match_id for match_id in unknown if match_id in written]
