"""Locks in PostgreSQL, held by real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from lol_dagster.monitoring.held_locks import held_locks
from lol_dagster.storage.database import Database
from lol_dagster.storage.server_locks import ServerLock, owner_of
from lol_dagster_tests._support.waiting import wait_for

OWNER = """
import os, sys
from lol_dagster.storage.database import Database
from lol_dagster.storage.server_locks import ServerLock
print(ServerLock(Database(sys.argv[1]), "the work").take(), flush=True)
os.read(0, 1)
"""


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.dispose()


@contextmanager
def owner(database: Database) -> Iterator[subprocess.Popen[str]]:
    url = database.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_holds_it_and_everybody_sees_who(database: Database) -> None:
    assert owner_of(database, "the work") is None
    with owner(database):
        assert not ServerLock(database, "the work").take()
        found = owner_of(database, "the work")
        assert found is not None
        assert found.who == f"the work on {os.uname().nodename}"
        assert abs(datetime.now(UTC) - found.since) < timedelta(minutes=5)
        assert owner_of(database, "other work") is None
        assert ServerLock(database, "other work").take()


def test_it_is_free_as_soon_as_its_owner_is_killed(database: Database) -> None:
    with owner(database) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        lock = ServerLock(database, "the work")
        wait_for("lock", lock.take)
    assert lock.is_held()
    lock.release()
    assert not lock.is_held()
    assert owner_of(database, "the work") is None


def test_a_session_that_breaks_off_holds_nothing_any_more(database: Database) -> None:
    lock = ServerLock(database, "the work")
    assert lock.take()
    assert lock.is_held()
    ends = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    with database.reading() as session:
        session.execute(text(ends))
    assert not lock.is_held()
    assert lock.take(), "and may have it again"


def test_whoever_holds_it_for_days_is_in_nobodys_way(database: Database) -> None:
    """No time ends the transaction, it keeps no snapshot that vacuum would have to spare, and it is no lock that
    somebody waits for.
    """
    lock = ServerLock(database, "the work")
    assert lock.take()
    assert lock._connection is not None
    limit = lock._connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
    assert limit == "0"
    session_of_lock = text(
        "SELECT backend_xid IS NULL AND backend_xmin IS NULL FROM pg_stat_activity"
        " JOIN pg_locks USING (pid) WHERE locktype = 'advisory'"
    )
    with database.reading() as session:
        assert session.scalar(session_of_lock)
        assert held_locks(session) == []


def test_what_has_broken_off_unnoticed_is_let_go_without_an_error(database: Database) -> None:
    """What was done under it is done, with or without the lock."""
    lock = ServerLock(database, "the work")
    assert lock.take()
    ours = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    with database.writing() as session:
        assert session.scalars(ours).all() == [True]
    wait_for("end of the session", lambda: owner_of(database, "the work") is None)
    lock.release()
    assert database.engine.pool.status().endswith("Current Checked out connections: 0")
    again = ServerLock(database, "the work")
    assert again.take()
    again.release()
