"""Locks that PostgreSQL keeps for a session: for all hosts of a database what a lock on a file is for one.

The server lets go of one as soon as its session ends, however that ends. Of a host that has lost its power or its
link it learns within half a minute, as it asks for answers (TCP keepalive).

Held in a transaction that stays open and has written nothing, which is in nobody's way: a pooler in between
may hand each transaction another session.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from lol_dagster.storage.database import Database

UP = "lol-dagster up"
"""The lock of the only `up` of a database."""
_TERMS = """
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL tcp_keepalives_idle = 10;
SET LOCAL tcp_keepalives_interval = 5;
SET LOCAL tcp_keepalives_count = 3;
SET LOCAL tcp_user_timeout = '25s'
"""
"""Of the session while it holds the lock."""
_OWNER = text("""
    SELECT application_name AS who, xact_start AS since
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = :high AND objid = :low
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


class Owner(NamedTuple):
    """Who holds a lock."""

    who: str
    """Program and host."""
    since: datetime


class ServerLock:
    """Of one thread; the database is a PostgreSQL's."""

    def __init__(self, database: Database, name: str) -> None:
        """
        Args:
            name: What it is about; with the host it tells people who holds it.
        """
        self._database = database
        self._name = name
        self._connection: Connection | None = None
        self._since: datetime | None = None

    def take(self) -> bool:
        """Whether nobody else holds it; then it is ours until `release`, or until the session ends.

        Raises:
            SQLAlchemyError: the server cannot be asked.
        """
        connection = self._database.engine.connect()
        try:
            connection.exec_driver_sql(_TERMS)
            # PostgreSQL cuts what is longer than 63 characters.
            who = {"who": f"{self._name} on {socket.gethostname()}"}
            connection.execute(text("SELECT set_config('application_name', :who, true)"), who)
            taken = text("SELECT pg_try_advisory_xact_lock(:key), now()")
            is_ours, begun_at = connection.execute(taken, {"key": _key(self._name)}).one()
            if is_ours:
                self._connection, self._since = connection, begun_at
                return True
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        connection.close()
        return False

    def is_held(self) -> bool:
        """Whether the session that holds it is still there."""
        if self._connection is None:
            return False
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError:
            self.release()
            return False
        return True

    def was_ours(self, owner: Owner) -> bool:
        """Whether the owner is a session of ours that has broken off, of which the server has not learnt yet."""
        return self._since is not None and owner.since == self._since.astimezone(UTC)

    def release(self) -> None:
        """Also where the session has broken off, unnoticed until now: then nobody holds it any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.close()


def owner_of(database: Database, name: str) -> Owner | None:
    """Who holds the lock of that name, on whatever host."""
    key = _key(name) % 2**64
    with database.reading() as session:
        where = {"high": key >> 32, "low": key % 2**32}
        row = session.execute(_OWNER, where).first()
    return None if row is None else Owner(row.who, row.since.astimezone(UTC))


def _key(name: str) -> int:
    digest = hashlib.sha256(f"lol_dagster {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
