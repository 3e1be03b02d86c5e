"""Heartbeats: which parts of the system are running, as they themselves write it down.

`up` and `admin` write from a thread as long as they run and remove their row when they end; `daemon`
is written by a sensor's tick, which takes Dagster's daemon and the code server; `once` by each call.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database, in_a_line
from lol_dagster.storage.models import Heartbeat
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

Part = Literal["up", "daemon", "admin", "once"]

BEAT_EVERY = timedelta(seconds=30)
SILENT_AFTER = timedelta(minutes=3)
"""Six beats missed."""
ONCE_WITHIN = timedelta(minutes=65)
"""Where cron calls `once` at least every hour, the system is running, too."""


@dataclass(frozen=True)
class Beat:
    """The last heartbeat of a part."""

    part: str
    pid: int
    started_at: datetime
    at: datetime

    def is_fresh(self, now: datetime) -> bool:
        # One from the future is of a clock that was ahead, and shows nothing.
        return abs(now - self.at) < (ONCE_WITHIN if self.part == "once" else SILENT_AFTER)


@dataclass(frozen=True)
class Silence:
    """That a part which should be running gives no heartbeat."""

    of: Literal["daemon", "everything"]
    since: datetime | None
    """None: there never was a heartbeat."""


def is_beat_due(database: Database, part: Part, now: datetime) -> bool:
    """Whether this process has not beaten as that part within `BEAT_EVERY`."""
    with database.reading() as session:
        known = session.get(Heartbeat, part)
    # One that lies ahead was written before the clock was put back.
    return (
        known is None or known.pid != os.getpid() or not timedelta(0) <= now - known.at < BEAT_EVERY
    )


def beat(database: Database, part: Part, now: datetime) -> None:
    """Write down that this process is alive as that part; at most every `BEAT_EVERY`."""
    if not is_beat_due(database, part, now):
        return
    pid = os.getpid()
    first = {"name": part, "pid": pid, "started_at": now, "at": now}
    with database.writing() as session:
        if insert_if_absent(session, Heartbeat, [first]):
            return
        row = session.get_one(Heartbeat, part)
        if row.pid != pid:
            row.pid, row.started_at = pid, now
        row.at = now


@contextlib.contextmanager
def beating(database: Database, part: Part) -> Iterator[None]:
    """Beat from a thread until the block ends, and then remove the row.

    A database that cannot be written for a while costs beats and nothing else.
    """
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            _quietly(lambda: beat(database, part, datetime.now(UTC)), part)
            over.wait(BEAT_EVERY.total_seconds())

    thread = threading.Thread(target=go_on, name=f"heartbeat-{part}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=BEAT_EVERY.total_seconds())
        end_of(database, part)


def end_of(database: Database, part: Part) -> None:
    """Write down that a part does not run any more because somebody has ended it."""

    def remove() -> None:
        with database.writing() as session:
            session.execute(delete(Heartbeat).where(Heartbeat.name == part))

    _quietly(remove, part)


def silence(beats: Mapping[str, Beat], now: datetime) -> Silence | None:
    """What is silent; None if the daemon beats, or cron calls `once`.

    Args:
        beats: By part.
    """
    daemon, up, once = beats.get("daemon"), beats.get("up"), beats.get("once")
    if daemon and daemon.is_fresh(now):
        return None
    if up and up.is_fresh(now):
        if now - up.started_at < SILENT_AFTER:
            return None  # still starting
        return Silence("daemon", max(daemon.at, up.started_at) if daemon else up.started_at)
    if once and once.is_fresh(now):
        return None
    last = max((each.at for part, each in beats.items() if part != "admin"), default=None)
    return Silence("everything", last)


def read_beats(session: Session) -> dict[str, Beat]:
    """The last heartbeat of each part that has ever given one, by part."""
    rows = session.scalars(select(Heartbeat).order_by(Heartbeat.name))
    return {row.name: Beat(row.name, row.pid, row.started_at, row.at) for row in rows}


def _quietly(write: Callable[[], None], part: Part) -> None:
    try:
        write()
    except Exception as error:  # noqa: BLE001 - whatever it is, it may be written the next time
        log.warning("The heartbeat of %s cannot be written: %s", part, in_a_line(error))
