"""Engines and transactions on SQLite and PostgreSQL.

Every unit of work is `with database.writing() as session:` or `with database.reading() as session:`.
On SQLite writers begin with BEGIN IMMEDIATE: with Python's own transaction handling simultaneous
writers lose updates without an error, and a deferred transaction that turns into a writer fails at
once however long the busy timeout. No network call may happen inside a writing transaction;
`assert_no_open_write` is the guard of every HTTP session.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from lol_dagster.errors import UserError
from lol_dagster.storage import slow_queries
from lol_dagster.storage.audit import record_changes
from lol_dagster.storage.keys import Keyring
from lol_dagster.storage.plans import take_hints
from lol_dagster.storage.searching import SQLITE_FUNCTION, folded
from lol_dagster.storage.types import use_keyring

BUSY_TIMEOUT_MS = 10_000
_SERVER_WAITS = {
    "connect_timeout": 10,
    # A server whose machine or network is gone answers nothing, not even a refusal: without these
    # a query would wait for the system's two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq's; seconds, the last one milliseconds."""
_TRANSACTION_WAITS = {
    # Of a client that was cut off or frozen in the middle of a transaction: its locks are free after that.
    "idle_in_transaction_session_timeout": "30s",
    # Longer, so that whoever waits for those locks gets them.
    "lock_timeout": "45s",
    "statement_timeout": "5min",
    "tcp_user_timeout": "60s",
}
"""The server's own, in each of our transactions."""
_READ_ONLY = "lol_read_only"
_FORGETTABLE = "lol_forgettable"
_open_write: ContextVar[bool] = ContextVar("lol_open_write", default=False)


_CURE = (
    "; end 'lol-dagster up', then 'lol-dagster db restore BACKUP --put-aside' puts the damaged file aside and "
    "brings back one of LOL_HOME/backups"
)


class DatabaseError(UserError):
    """The database cannot be used as it is."""


def normalized_url(text: str | URL) -> URL:
    """`text` as a URL with the driver that we install.

    SQLAlchemy 2.1 takes a bare `postgresql://` for psycopg 3, which dagster-postgres does not bring.

    Raises:
        DatabaseError: it is no URL of a SQLite or PostgreSQL database.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is not None and url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg2")
    if url is None or url.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg2"}:
        raise DatabaseError(
            "LOL_DATABASE_URL should be sqlite:////absolute/path.sqlite3 "
            "or postgresql://user:password@host:5432/name"
        )
    return url


def describe_failure(error: DBAPIError) -> str:
    """Which database failed and why, in a line without the statement or its values.

    Args:
        error: Of our database's engine or of one that is not ours, such as Dagster's.
    """
    ours = next(iter(getattr(error, "__notes__", ())), None)
    which = ours or "a database of Dagster's"
    reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    if is_damage(error):
        return f"{which} is damaged: {reason}{_CURE if ours else ''}"
    return f"{which} cannot be used just now: {reason}"


def in_a_line(error: BaseException) -> str:
    """An error for the log: a database's without the statement or its values."""
    if isinstance(error, DBAPIError) and is_unusable(error):
        return describe_failure(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]


def is_unusable(error: BaseException) -> bool:
    """Whether a database failed by itself (locked, full, gone, damaged), whatever was asked of it."""
    return isinstance(error, OperationalError) or is_damage(error)


def is_damage(error: BaseException) -> bool:
    """Whether SQLite has found its file to be none of its own, or not whole."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = _code(cause)
    # A header of which only the format's number is odd has no code of its own.
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or (
        code == sqlite3.SQLITE_ERROR and "unsupported file format" in str(cause)
    )


def _code(error: BaseException | None) -> int:
    """SQLite's own, without what it adds to say more exactly: https://sqlite.org/rescode.html."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF


class Database:
    """The product's database: one engine, and the two kinds of transaction."""

    def __init__(
        self, url: str | URL, keyring: Keyring | None = None, *, slow_query_ms: float | None = None
    ) -> None:
        """
        Args:
            url: SQLAlchemy's form; a bare `postgresql://` is understood.
            keyring: Keys to the secrets in it; None: none is read or written.
            slow_query_ms: Statements that take at least this long are logged; None: none is.

        Raises:
            DatabaseError: the URL is of no database that we support.
        """
        self.url = normalized_url(url)
        self.engine = _create_engine(self.url, slow_query_ms)
        self.keyring = keyring
        if keyring is not None:
            use_keyring(self.engine.dialect, keyring)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._sessions, "after_flush", record_changes)
        forgettable = self.engine.execution_options(**{_FORGETTABLE: True})
        self._forgettable_sessions = sessionmaker(forgettable, expire_on_commit=False)
        self._writers = threading.Lock()
        self.read_only_engine = self.engine.execution_options(**{_READ_ONLY: True})
        self._read_only_sessions = sessionmaker(self.read_only_engine, expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def writing(self, *, who: str = "system", durable: bool = True) -> Iterator[Session]:
        """A transaction that writes: committed at the end, rolled back on an exception.

        Args:
            who: Who is behind the changes, for the audit trail.
            durable: Whether it must survive a power cut once it is committed. It survives any
                process's death either way.
        """
        token = _open_write.set(True)
        sessions = self._sessions if durable else self._forgettable_sessions
        try:
            with self._turn(), sessions() as session, session.begin():
                session.info["who"] = who
                yield session
        finally:
            _open_write.reset(token)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """A process's threads write to SQLite one after another: its own waiting is a poll with ever
        longer pauses, in which a thread may starve.
        """
        # Whoever gets no turn in time has SQLite say so.
        has_turn = self.is_sqlite and self._writers.acquire(timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            yield
        finally:
            if has_turn:
                self._writers.release()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads; never blocked by a writer, never blocking one."""
        with self._read_only_sessions() as session:
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


def assert_no_open_write() -> None:
    """Refuse to go on inside a writing transaction: a call over the network may take seconds, and
    every other writer would wait for it.

    Raises:
        RuntimeError: this context has a writing transaction open.
    """
    if _open_write.get():
        raise RuntimeError("a network call was made inside a writing transaction")


def _create_engine(url: URL, slow_query_ms: float | None) -> Engine:
    # Errors of a statement must not repeat its values: among them are webhooks' addresses.
    options = {"hide_parameters": True}
    measuring = slow_queries.connect_args(url.get_backend_name(), slow_query_ms)
    if url.get_backend_name() == "sqlite":
        waiting = {"timeout": BUSY_TIMEOUT_MS / 1000}
        engine = create_engine(url, connect_args={**waiting, **measuring}, **options)
        take_hints(engine)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        # A server that went away is noticed at checkout instead of in the middle of a transaction.
        waiting = {name: each for name, each in _SERVER_WAITS.items() if name not in url.query}
        engine = create_engine(
            url, pool_pre_ping=True, connect_args={**waiting, **measuring}, **options
        )
        event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "handle_error", _say_which)
    return engine


def _say_which(failed: ExceptionContext) -> None:
    if failed.sqlalchemy_exception is not None and failed.engine is not None:
        where = failed.engine.url.render_as_string(hide_password=True)
        failed.sqlalchemy_exception.add_note(f"the database {where}")


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite alone
    connection.create_function(SQLITE_FUNCTION, 1, folded, deterministic=True)
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA foreign_keys=ON")
    # A secret that is encrypted or removed must not stand on in the page's unused bytes.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """SQLite does not wait for its busy timeout where two processes switch a new file at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # A damaged file does not mend while it is waited for.
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Any) -> None:
    options = connection.get_execution_options()
    if options.get(_READ_ONLY, False):
        connection.exec_driver_sql("BEGIN DEFERRED")
        return
    # FULL: a committed delivery intent must survive a power cut, or a message goes out twice.
    level = "NORMAL" if options.get(_FORGETTABLE, False) else "FULL"
    connection.exec_driver_sql(f"PRAGMA synchronous={level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Any) -> None:
    options = connection.get_execution_options()
    waits = "; ".join(f"SET LOCAL {name} = '{wait}'" for name, wait in _TRANSACTION_WAITS.items())
    # A pooler may hand us a session that pg_dump has had, which empties the path and never fills it again.
    waits += "; SET LOCAL search_path TO DEFAULT"
    if options.get(_READ_ONLY, False):
        connection.exec_driver_sql(f"SET TRANSACTION READ ONLY; {waits}")
        return
    if options.get(_FORGETTABLE, False):
        connection.exec_driver_sql(f"SET LOCAL synchronous_commit = off; {waits}")
        return
    # As with SQLite's FULL. In each transaction, not once per connection: a pooler in between may
    # hand every transaction another one. All levels but off wait for this server's own disk.
    connection.exec_driver_sql(
        f"{waits}; SELECT set_config('synchronous_commit', 'on', true)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )


def take_your_time(connection: Connection) -> None:
    """Have PostgreSQL end this transaction neither for taking long nor for waiting: of a migration or a backup."""
    if connection.dialect.name == "postgresql":
        for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")
