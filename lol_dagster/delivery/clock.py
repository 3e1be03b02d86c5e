"""The one clock of the delivery protocol.

Leases and settling times of several processes are only comparable on one clock that does not step.
On PostgreSQL that is the server's; on SQLite, which one machine uses alone, the time since boot,
suspended time included. A row names the clock that its times are of: under another
name (the machine was booted since, the database moved) nothing that was noted can be compared.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What the deliverer knows of time; tests bring their own."""

    def read(self, session: Session) -> tuple[str, float]:
        """The clock's name, and seconds on it."""

    def local(self) -> float:
        """Seconds on a clock of this process alone that never steps and counts a suspended
        machine's time: how old a claim of its own is.
        """

    def sleep(self, seconds: float) -> None:
        """Wait."""


class BootClock:
    """Seconds since this machine was booted."""

    def __init__(self) -> None:
        self._epoch = f"boot:{_BOOT_ID.read_text().strip()}" if _BOOT_ID.exists() else "wall"

    def read(self, session: Session) -> tuple[str, float]:
        # Without a boot id nothing tells one boot from the next: the wall clock has to do.
        return self._epoch, time.time() if self._epoch == "wall" else self.local()

    def local(self) -> float:
        return _since_boot()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ServerClock:
    """The PostgreSQL server's clock, in epoch seconds."""

    def read(self, session: Session) -> tuple[str, float]:
        # Not now(): that is when the transaction began, before it may have waited for a lock.
        seconds = session.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
        assert seconds is not None
        return "postgresql", float(seconds)

    def local(self) -> float:
        return _since_boot()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Watch:
    """The time as a piece of work sees it: the caller's `now`, moved on by a clock that does not
    step.
    """

    started: datetime
    clock: Clock
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock.local()

    def now(self) -> datetime:
        return self.started + timedelta(seconds=self.clock.local() - self.begun)


def clock_for(database: Database) -> Clock:
    """The clock that all users of this database share."""
    return BootClock() if database.is_sqlite else ServerClock()


def _since_boot() -> float:
    # MONOTONIC stands still while a Linux machine is suspended; elsewhere there is only that.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
