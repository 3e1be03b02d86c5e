"""Locks that are held: seen with real ones, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from lol_dagster.monitoring import held_locks as module
from lol_dagster.monitoring.held_locks import HeldLock, held_locks
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact
from lol_dagster_tests._support.waiting import wait_for

NAME = "a row that two want"


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    with database.writing() as session:
        session.add(Fact(name=NAME, value=0))
    yield database
    database.dispose()


@pytest.fixture
def none_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short a lock is held, it counts: nobody has to wait for ten seconds here."""
    monkeypatch.setattr(module, "LONG", timedelta(0))


def seen(database: Database) -> list[HeldLock]:
    with database.reading() as session:
        return held_locks(session)


@contextmanager
def somebody_waits_for_the_row(database: Database) -> Iterator[int]:
    """One transaction has changed a row and is idle, another wants it; the server's process of the first."""
    row = select(Fact).where(Fact.name == NAME).with_for_update()

    def want_it() -> None:
        with database.writing() as session:
            session.execute(row)

    with database.writing() as session:
        session.execute(row)
        owner = session.scalar(text("SELECT pg_backend_pid()"))
        other = threading.Thread(target=want_it)
        other.start()
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with database.reading() as watching:
            wait_for(
                "session that waits", lambda: (watching.rollback(), watching.scalar(waiting))[1]
            )
        assert owner is not None
        yield owner
    other.join()


@pytest.mark.usefixtures("none_is_short")
def test_who_holds_a_lock_that_others_wait_for_is_seen_without_waiting_for_it(
    postgres: Database,
) -> None:
    with somebody_waits_for_the_row(postgres) as owner:
        (held,) = seen(postgres)
    assert (held.pid, held.waiting, held.state) == (owner, 1, "idle in transaction")
    assert seen(postgres) == []


@pytest.mark.usefixtures("none_is_short")
def test_a_transaction_that_has_written_and_is_idle_is_seen_before_anybody_waits(
    postgres: Database,
) -> None:
    with postgres.writing() as session:
        session.add(Fact(name="another", value=0))
        session.flush()
        (held,) = seen(postgres)
    assert (held.waiting, held.state) == (0, "idle in transaction")


@pytest.mark.usefixtures("none_is_short")
def test_a_transaction_that_only_reads_is_in_nobodys_way(postgres: Database) -> None:
    with postgres.reading() as session:
        session.scalars(select(Fact)).all()
        assert seen(postgres) == []


def test_what_is_held_for_a_moment_is_nothing_to_tell(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", timedelta(hours=1))
    with somebody_waits_for_the_row(postgres):
        assert seen(postgres) == []


def test_sqlite_cannot_be_asked(database: Database) -> None:
    with database.writing() as session:
        session.add(Fact(name="another", value=0))
        session.flush()
        assert seen(database) == []
