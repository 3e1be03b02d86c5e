"""Transactions: what the two kinds promise on both engines."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InternalError,
    OperationalError,
    StatementError,
)

from lol_dagster.storage.database import (
    _TRANSACTION_WAITS,
    Database,
    DatabaseError,
    _switch_to_wal,
    assert_no_open_write,
    in_a_line,
    normalized_url,
)
from lol_dagster.storage.integrity import undurable
from lol_dagster.storage.models import Fact, Team
from lol_dagster_tests._support.roster_rows import make_player, make_team

_WRITERS = 4
_INCREMENTS = 25

_INCREMENT = f"""
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()  # until all are
for _ in range({_INCREMENTS}):
    with database.writing() as session:
        session.get(Fact, "counter").value += 1
"""


@pytest.mark.sqlite
def test_sqlite_is_opened_with_the_settings_that_durability_needs(database: Database) -> None:
    with database.writing() as session:
        read = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    # 2 is FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
    assert read == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_writers_on_postgresql_wait_for_the_disk_whatever_the_server_is_set_to(
    postgres_url: str,
) -> None:
    """The tests' server runs with synchronous_commit=off and fsync=off."""
    database = Database(postgres_url)
    asked = text("SHOW synchronous_commit")
    with database.writing() as session:
        assert session.scalar(asked) == "on"
    with database.reading() as session:
        assert session.scalar(asked) == "off"
    with database.writing() as session:  # a stricter choice of the operator's stays
        session.execute(text("SET synchronous_commit = remote_apply"))
    with database.writing() as session:
        assert session.scalar(asked) == "remote_apply"
    database.dispose()


@pytest.mark.sqlite
def test_what_a_power_cut_would_undo_is_named(database: Database, postgres_url: str) -> None:
    server = Database(postgres_url)
    assert "fsync and full_page_writes off" in (undurable(server) or "")
    server.dispose()
    assert undurable(database) is None


def test_only_what_may_be_forgotten_does_not_wait_for_the_disk(any_database: Database) -> None:
    """One connection serves both, one after another. 1 is NORMAL, 2 is FULL."""
    asked, weak, strong = (
        ("PRAGMA synchronous", 1, 2)
        if any_database.is_sqlite
        else ("SHOW synchronous_commit", "off", "on")
    )
    for durable, level in ((True, strong), (False, weak), (True, strong)):
        with any_database.writing(durable=durable) as session:
            assert session.scalar(text(asked)) == level


@pytest.mark.sqlite
def test_threads_of_a_process_write_one_after_another(database: Database) -> None:
    """Each waits for its turn, and not for SQLite's busy timeout: that is set to nothing here."""
    with database.writing() as session:
        session.add(Fact(name="counter", value=0))
    begun = threading.Barrier(8)

    def increment() -> None:
        begun.wait()
        for _ in range(5):
            with database.writing() as session:
                session.execute(text("PRAGMA busy_timeout=0"))
                fact = session.get_one(Fact, "counter")
                fact.value = cast("int", fact.value) + 1

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(increment) for _ in range(8)]:
            done.result()
    with database.reading() as session:
        assert session.get_one(Fact, "counter").value == 40


@pytest.mark.sqlite
def test_simultaneous_writers_lose_no_update(database: Database) -> None:
    """Read, add one, write: with BEGIN DEFERRED in place of IMMEDIATE the processes fail with
    «database is locked», with Python's own transactions they lose most of the updates."""
    with database.writing() as session:
        session.add(Fact(name="counter", value=0))
    url = database.url.render_as_string(hide_password=False)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _INCREMENT, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(_WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
        writer.stdin = None
    errors = [writer.communicate()[1] for writer in writers]
    assert errors == [""] * _WRITERS
    with database.reading() as session:
        assert session.get_one(Fact, "counter").value == _WRITERS * _INCREMENTS


@pytest.mark.sqlite
def test_a_writer_holds_the_lock_from_its_first_read_on(database: Database) -> None:
    """Not only from its first write: what it read cannot go stale."""
    assert database.url.database is not None
    with (
        contextlib.closing(sqlite3.connect(database.url.database, timeout=0)) as another,
        database.writing() as session,
    ):
        assert session.query(Team).count() == 0
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            another.execute("BEGIN IMMEDIATE")


def test_a_reader_is_not_held_up_by_a_writer_and_sees_what_was_committed(
    any_database: Database,
) -> None:
    with any_database.writing() as writer:
        make_team(writer, "Unfinished")
        with any_database.reading() as reader:
            assert reader.query(Team).count() == 0
    with any_database.reading() as reader:
        assert reader.query(Team).count() == 1


def test_an_exception_takes_back_the_whole_transaction(any_database: Database) -> None:
    def fail_half_way() -> None:
        with any_database.writing() as session:
            make_team(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with any_database.reading() as session:
        assert session.query(Team).count() == 0


def test_what_a_reading_transaction_writes_is_never_kept(any_database: Database) -> None:
    """PostgreSQL refuses it, SQLite rolls it back."""
    refused = (
        contextlib.nullcontext()
        if any_database.is_sqlite
        else pytest.raises(InternalError, match="read-only")
    )
    with refused, any_database.reading() as session:
        make_team(session)
    with any_database.reading() as session:
        assert session.query(Team).count() == 0


def test_names_are_unique_whatever_their_case(any_database: Database) -> None:
    with any_database.writing() as session:
        make_player(session, "Faker")
        with pytest.raises(IntegrityError):
            make_player(session, "FAKER")
        session.rollback()


def test_an_instant_comes_back_as_it_went_in_and_in_utc(any_database: Database) -> None:
    in_seoul = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=9)))
    with any_database.writing() as session:
        team_id = make_team(session, created_at=in_seoul).id
    with any_database.reading() as session:
        read = session.get_one(Team, team_id).created_at
    assert read == in_seoul
    assert read.tzinfo == UTC


def test_an_instant_without_a_zone_is_refused(any_database: Database) -> None:
    naive = datetime(2026, 1, 2)  # noqa: DTZ001 - what is tested
    with (
        pytest.raises(StatementError, match="an instant needs a time zone"),
        any_database.writing() as session,
    ):
        make_team(session, created_at=naive)


def test_a_network_call_inside_a_writing_transaction_is_refused(any_database: Database) -> None:
    with any_database.writing(), pytest.raises(RuntimeError, match="inside a writing transaction"):
        assert_no_open_write()
    assert_no_open_write()
    with any_database.reading():
        assert_no_open_write()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_any_spelling_of_postgresql_gets_the_driver_that_is_installed(scheme: str) -> None:
    url = normalized_url(f"{scheme}://lol:pw@db.example:5433/lol")
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        ("lol", "pw", "db.example", 5433, "lol")
    )  # fmt: skip


@pytest.mark.parametrize(
    "url", ["", "s3cret", "mysql://root:s3cret@db/lol", "postgresql+asyncpg://s3cret@db/x", "://"]
)
def test_a_url_of_no_supported_database_says_what_is_without_repeating_it(url: str) -> None:
    with pytest.raises(DatabaseError, match="LOL_DATABASE_URL should be sqlite:///") as caught:
        Database(url)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_gone_without_a_word_is_waited_for_a_minute(postgres_url: str) -> None:
    """30 s of silence and 3 questions 10 s apart; what was sent is to be acknowledged within 60 s.

    The system's own pauses are two hours and a quarter of one. What the address says goes before.
    """
    given = make_url(postgres_url).update_query_dict({"keepalives_idle": "7"})
    for url, idle in ((postgres_url, "30"), (given.render_as_string(hide_password=False), "7")):
        database = Database(url)
        with database.engine.connect() as connection:
            used = connection.connection.dbapi_connection.get_dsn_parameters()  # type: ignore[union-attr]
        database.dispose()
        assert used["keepalives_idle"] == idle
        assert (used["keepalives_interval"], used["keepalives_count"]) == ("10", "3")
        assert used["tcp_user_timeout"] == "60000"


class FailsTwice:
    """A cursor that switches to WAL at the third try."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.executed = 0

    def execute(self, statement: str) -> None:
        assert statement == "PRAGMA journal_mode=WAL"
        self.executed += 1
        if self.executed < 3:
            error = sqlite3.OperationalError()
            error.sqlite_errorcode = self.code
            raise error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY])
def test_a_new_file_that_others_open_at_the_same_time_is_waited_for(code: int) -> None:
    """SQLite itself refuses the switch to WAL at once: about one of 150 such pairs failed."""
    cursor = FailsTwice(code)
    _switch_to_wal(cursor)  # type: ignore[arg-type]
    assert cursor.executed == 3


def test_a_file_that_cannot_be_used_is_not_waited_for() -> None:
    """Every command took ten seconds to say that a header is damaged, which has no code of its own."""
    cursor = FailsTwice(sqlite3.SQLITE_ERROR)
    with pytest.raises(sqlite3.OperationalError):
        _switch_to_wal(cursor)  # type: ignore[arg-type]
    assert cursor.executed == 1


def test_what_a_client_that_was_cut_off_has_locked_is_free_soon(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the server it is a client that says nothing more in the middle of its transaction."""
    monkeypatch.setitem(_TRANSACTION_WAITS, "idle_in_transaction_session_timeout", "200ms")
    cut_off, other = Database(postgres_url), Database(postgres_url)
    with other.writing() as session:
        session.add(Fact(name="x", value=1))
    with pytest.raises(DBAPIError), cut_off.writing() as silent:  # noqa: PT012 - seen at its end
        silent.execute(text("SELECT * FROM facts WHERE name = 'x' FOR UPDATE"))
        monkeypatch.setitem(_TRANSACTION_WAITS, "idle_in_transaction_session_timeout", "30s")
        with other.writing() as session:  # waits until the server has ended the other one
            session.execute(text("SELECT * FROM facts WHERE name = 'x' FOR UPDATE"))
    for each in (cut_off, other):
        each.dispose()


@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_the_server_waits_for_nobody_without_end(postgres_url: str, kind: str) -> None:
    database = Database(postgres_url)
    with getattr(database, kind)() as session:
        waits = {
            name: session.scalar(text(f"SHOW {name}"))
            for name in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
        }
    # Whoever waits for a lock outlasts its owner that was cut off.
    assert list(waits.values()) == ["30s", "45s", "5min"]
    database.dispose()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OperationalError("SELECT secret", {}, sqlite3.OperationalError("database is locked")),
            "a database of Dagster's cannot be used just now: database is locked",
        ),
        (
            IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE constraint failed")),
            "IntegrityError: (sqlite3.IntegrityError) UNIQUE constraint failed",
        ),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_an_error_is_a_line_of_the_log_and_a_databases_without_its_statement(
    error: Exception, line: str
) -> None:
    assert in_a_line(error) == line


def test_a_session_that_pg_dump_has_had_finds_our_tables(postgres_url: str) -> None:
    """It empties the search path; a pooler in between may give the session to us next."""
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SELECT set_config('search_path', '', false)")
    with database.reading() as session:
        assert session.scalar(text("SHOW search_path")) == '"$user", public'
        assert session.get(Fact, "a") is None
    for durable in (True, False):
        with database.writing(durable=durable) as session:
            assert session.get(Fact, "a") is None
    database.dispose()
