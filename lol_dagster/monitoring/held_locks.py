"""Locks in PostgreSQL that are held for so long that others wait, or soon will: by whom.

Read from the server's own list of sessions, which takes no lock of a table and no time. SQLite has no such
list: there, whoever wants to write gives up after ten seconds and says so in the log, and the check of
what did not run or is overdue fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

LONG = timedelta(seconds=10)
"""Nothing of ours holds a lock for so long: a write takes milliseconds."""

# Of sessions of other roles PostgreSQL tells the process alone. A transaction has a `backend_xid` once it
# has written or locked something: one that only reads, such as a backup's, is in nobody's way.
_WAITING = text("""
    SELECT min(waiting.query_start) AS since, count(DISTINCT waiting.pid) AS waiting,
        owner.pid AS pid, owner.application_name AS program, owner.state AS state
    FROM pg_stat_activity AS waiting
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
    JOIN pg_stat_activity AS owner ON owner.pid = blocking.pid
    WHERE waiting.datname = current_database() AND waiting.usename = current_user
        AND waiting.wait_event_type = 'Lock'
        AND waiting.query_start <= clock_timestamp() - make_interval(secs => :seconds)
    GROUP BY owner.pid, owner.application_name, owner.state
    UNION ALL
    SELECT state_change, 0, pid, application_name, state FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user
        AND state LIKE 'idle in transaction%' AND backend_xid IS NOT NULL
        AND state_change <= clock_timestamp() - make_interval(secs => :seconds)
    ORDER BY waiting DESC, since
""")


@dataclass(frozen=True)
class HeldLock:
    """By one session."""

    since: datetime
    """When the first one began to wait; where none does, when the session was last at work."""
    waiting: int
    """How many sessions of ours wait for it."""
    pid: int
    """The server's process for the session that holds it."""
    program: str
    """What the session calls itself, such as `psql`; mostly empty."""
    state: str
    """As PostgreSQL has it: `active`, `idle in transaction`; empty where we may not know."""


def held_locks(session: Session) -> list[HeldLock]:
    """Those that have been held for `LONG`, the one that most wait for first. On SQLite always none."""
    if session.get_bind().dialect.name != "postgresql":
        return []
    rows = session.execute(_WAITING, {"seconds": LONG.total_seconds()})
    found: dict[int, HeldLock] = {}
    for since, waiting, pid, program, state in rows:
        held = HeldLock(since.astimezone(UTC), waiting, pid, program or "", state or "")
        found.setdefault(pid, held)
    return list(found.values())
