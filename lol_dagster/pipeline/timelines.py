"""Asking Riot for timelines, of games that somebody wants to hear the story of.

A call a game, of half a megabyte, so only where it is said: of games of the Rift with a message of their own in a
channel that tells stories, as they are processed. It is the last part of polling, after match lists and ranks; it
uses no more than a part of Riot's limits, never waits for them, and stands back while games have to wait for theirs.
A game whose timeline is there is processed again, which edits what was said. One that cannot be had is asked for
six times within five hours; nothing waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports.registry import can_edit
from lol_dagster.pipeline.match import TimelineArchived
from lol_dagster.pipeline.records import record
from lol_dagster.riot.archive import packed
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import BrokenBody, RateLimited, RiotError, RouteDown, ServerError
from lol_dagster.riot.routing import UnknownPlatform
from lol_dagster.riot.timeline import BrokenTimeline, parse_timeline
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Game, Match, Timeline
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

TIMELINES_PER_POLL = 5
FRESH = timedelta(days=1)
"""What ended longer ago is not asked for: nobody reads an edit of an old message."""
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 20, 60, 210))
"""Before each further try; after the last one it is given up."""
SERVERS_FAIL = timedelta(minutes=5)
"""How long all timelines are left alone where Riot's servers fail: a call that hangs holds up polling."""


A_WHILE = timedelta(minutes=1)


def want_timeline(
    session: Session, match_id: str, channel_ids: Collection[int], *, now: datetime
) -> None:
    """Note that a game's timeline is to be asked for, if a channel tells its story.

    Args:
        session: The writing one in which the game was processed.
        channel_ids: Where the game has a message of its own.
    """
    game = session.get_one(Game, match_id)
    if (
        game.mode_family != "rift"
        or game.result != "played"
        or game.queue_kind == "bots"
        or now - game.ended_at > FRESH
    ):
        return
    channels = session.scalars(
        select(Channel).where(Channel.id.in_(channel_ids), Channel.story)
    ).all()
    if any(can_edit(channel.kind) for channel in channels):
        insert_if_absent(session, Timeline, [{"match_id": match_id, "next_try_at": now}])


def fetch_timelines(database: Database, client: RiotClient, *, now: datetime) -> int:
    """Ask for the timelines that are due, a few at a time, what has become due last first.

    Returns:
        How many have come.
    """
    with database.reading() as session:
        due = _due(session, now)
    fetched = 0
    for match_id in due:
        try:
            body = client.timeline(match_id)
            parse_timeline(match_id, body)
        except (RateLimited, RouteDown) as error:
            log.info("Timelines are left for later: %s", error)
            break
        except (BrokenBody, BrokenTimeline, UnknownPlatform) as error:
            _note_failure(database, match_id, error, now)
        except ServerError as error:
            _note_failure(database, match_id, error, now)
            _leave_alone(database, now + SERVERS_FAIL)
            break
        except RiotError as error:
            _note_failure(database, match_id, error, now)
        else:
            _archive(database, match_id, body, now)
            fetched += 1
    return fetched


def _due(session: Session, now: datetime) -> list[str]:
    """None while a game has waited for its payload for a while: that comes before all of this. One that was
    just listed is under way, and there may be another one in each poll.
    """
    a_game_waits = exists().where(
        Match.next_try_at.is_not(None),
        Match.state == "listed",
        Match.first_missing_at.is_(None),
        Match.listed_at < now - A_WHILE,
    )
    rows = session.scalars(
        select(Timeline.match_id)
        .where(Timeline.next_try_at <= now, ~a_game_waits)
        .order_by(Timeline.next_try_at.desc(), Timeline.match_id.desc())
        .limit(TIMELINES_PER_POLL)
    )
    return list(rows)


def _archive(database: Database, match_id: str, body: bytes, now: datetime) -> None:
    """Keep what Riot has given; what came first stays. The game is due, in the same transaction."""
    columns = packed(match_id, body, now)
    with database.writing() as session:
        if session.get(Timeline, match_id) is None:
            return  # the game was forgotten meanwhile
        record(session, match_id, TimelineArchived(), now)
        session.execute(
            update(Timeline)
            .where(Timeline.match_id == match_id, Timeline.body.is_(None))
            .values(**columns, next_try_at=None, last_error=None)
        )
    log.info("Archived the timeline, %d bytes", len(body), extra={"match_id": match_id})


def _note_failure(database: Database, match_id: str, error: Exception, now: datetime) -> None:
    with database.writing() as session:
        row = session.get(Timeline, match_id, with_for_update=True)
        if row is None or row.next_try_at is None:
            return  # another process has had it meanwhile, or has given it up
        is_over = row.tries >= len(PAUSES)
        session.execute(
            update(Timeline)
            .where(Timeline.match_id == match_id)
            .values(
                next_try_at=None if is_over else now + PAUSES[row.tries],
                tries=row.tries + 1,
                last_error=str(error)[:500],
            )
        )
    log.info(
        "No timeline, %s: %s", "given up" if is_over else "asked for again", error,
        extra={"match_id": match_id},
    )  # fmt: skip


def _leave_alone(database: Database, until: datetime) -> None:
    with database.writing() as session:
        session.execute(
            update(Timeline).where(Timeline.next_try_at < until).values(next_try_at=until)
        )
