"""The slow-query log: which statement took long, why, and who asked for it.

A statement's time is that of its execution and of all its fetches: SQLite does its work in the
fetches, which SQLAlchemy's cursor events do not see. So cursors measure themselves, and say so when
they are closed. Bind values are never written: they hold webhooks' addresses.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

LOGGER_NAME = "lol-dagster.slow-queries"
"""Not below `lol_dagster`, whose lines Dagster takes over as events of the run: each of these
would be a write to its database, and nobody looks for them there."""

log = logging.getLogger(LOGGER_NAME)
log.addHandler(logging.NullHandler())  # where no log is set up, Python would print it to stderr

LONGEST_STATEMENT = 3_000  # characters
_LONGEST_PLAN = 30  # lines

_PACKAGE = f"{Path(__file__).parents[1]}/"
_NOT_CALLERS = (str(Path(__file__)), str(Path(__file__).with_name("database.py")))

_STRING = re.compile(r"'(?:[^']|'')*'")
# `(?, ?, ?)` and `(%(a_1)s, %(a_2)s)`: lists of any length are one statement.
_LIST = re.compile(r"\(\s*(?:\?|%\(\w+\)s)(?:\s*,\s*(?:\?|%\(\w+\)s))+\s*\)")
_ROWS = re.compile(r"\(…\)(?:\s*,\s*\(…\))+")
_NUMBERED = re.compile(r"%\((\w+?)(?:_+\d+)*\)s")
_EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
_EXPLAINABLE = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_INSERT_OF_VALUES = re.compile(r"\s*INSERT\b(?!.*\bSELECT\b)", re.IGNORECASE | re.DOTALL)


def normalised(statement: str) -> str:
    """The statement on one line, without literals, and with lists of any length alike."""
    text = " ".join(_STRING.sub("'…'", statement).split())
    text = _ROWS.sub("(…), …", _LIST.sub("(…)", text))
    return _NUMBERED.sub(r"%(\1)s", text)[:LONGEST_STATEMENT]


def connect_args(backend: str, threshold_ms: float | None) -> dict[str, Any]:
    """What makes connections of a database measure their statements.

    Args:
        backend: `sqlite` or `postgresql`.
        threshold_ms: Statements that take at least this long are logged; 0 logs each; None: none
            is measured.
    """
    if threshold_ms is None:
        return {}
    measuring = {"threshold": threshold_ms / 1000}
    if backend == "sqlite":
        cursor = type("SqliteCursor", (_Measuring, sqlite3.Cursor), {
            **measuring, "plan_of": staticmethod(_plan_of_sqlite),
        })  # fmt: skip
        return {"factory": type("Connection", (_SqliteConnection,), {"cursor_class": cursor})}
    from psycopg2.extensions import cursor as base

    cursor = type("PostgresqlCursor", (_Measuring, base), {
        **measuring, "plan_of": staticmethod(_plan_of_postgresql),
    })  # fmt: skip
    return {"cursor_factory": cursor}


class _SqliteConnection(sqlite3.Connection):
    cursor_class: type[sqlite3.Cursor]

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or self.cursor_class)


class _Measuring:
    """What makes a driver's cursor log what takes long; stands before it among the bases."""

    threshold: float  # seconds
    plan_of: Callable[[Any, str, Any], list[str]]
    connection: Any
    description: Any
    rowcount: int

    _statement: str | None = None
    _values: Any = ()
    _spent = 0.0
    _fetched = 0

    def execute(self, statement: str, *values: Any) -> Any:
        self._begin(statement, *values)
        return self._timed("execute", statement, *values)

    def executemany(self, statement: str, values: Any) -> Any:
        self._begin(statement, None)
        return self._timed("executemany", statement, values)

    def fetchone(self) -> Any:
        row = self._timed("fetchone")
        self._fetched += row is not None
        return row

    def fetchmany(self, *size: Any, **named: Any) -> Any:
        rows = self._timed("fetchmany", *size, **named)
        self._fetched += len(rows)
        return rows

    def fetchall(self) -> Any:
        rows = self._timed("fetchall")
        self._fetched += len(rows)
        return rows

    def close(self) -> None:
        self._end()
        super().close()  # type: ignore[misc]  # the driver's

    def _begin(self, statement: str, values: Any = ()) -> None:
        self._end()
        self._statement, self._values = statement, values
        self._spent, self._fetched = 0.0, 0

    def _timed(self, call: str, *args: Any, **named: Any) -> Any:
        method = getattr(super(), call)
        begun = time.perf_counter()
        try:
            return method(*args, **named)
        finally:
            self._spent += time.perf_counter() - begun

    def _end(self) -> None:
        statement, self._statement = self._statement, None
        if statement is None or self._spent < self.threshold:
            return
        with contextlib.suppress(Exception):  # whatever it is, the query was answered
            self._report(statement)

    def _report(self, statement: str) -> None:
        rows = self._fetched if self.description else max(self.rowcount, 0)
        plan: list[str] = []
        if self._values is not None and _has_plan(statement):
            try:
                plan = self.plan_of(self.connection, statement, self._values)
            except Exception as error:  # noqa: BLE001 - the line is worth having without it
                plan = [f"not to be had: {type(error).__name__}"]
        log.warning(
            "slow query",
            extra={
                "statement": normalised(statement),
                "duration_ms": round(self._spent * 1000, 1),
                "rows": rows,
                # PostgreSQL repeats the values that the plan depends on.
                "plan": [_STRING.sub("'…'", line) for line in plan[:_LONGEST_PLAN]],
                "caller": _caller(),
            },
        )


def _has_plan(statement: str) -> bool:
    return bool(_EXPLAINABLE.match(statement)) and not _INSERT_OF_VALUES.match(statement)


def _plan_of_sqlite(connection: sqlite3.Connection, statement: str, values: Any) -> list[str]:
    cursor = connection.cursor(sqlite3.Cursor)  # one that does not measure itself
    try:
        rows = cursor.execute(_EXPLAIN["sqlite"] + statement, values).fetchall()
    finally:
        cursor.close()
    return [str(row[3]) for row in rows]


def _plan_of_postgresql(connection: Any, statement: str, values: Any) -> list[str]:
    from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
    from psycopg2.extensions import cursor as plain_cursor

    if connection.info.transaction_status != TRANSACTION_STATUS_INTRANS:
        return ["not to be had: the transaction has failed, or is over"]
    cursor = connection.cursor(cursor_factory=plain_cursor)  # one that does not measure itself
    try:
        # An error would end the transaction that the query is a part of.
        cursor.execute("SAVEPOINT lol_explain")
        try:
            cursor.execute(_EXPLAIN["postgresql"] + statement, values)
            return [row[0] for row in cursor.fetchall()]
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT lol_explain; RELEASE SAVEPOINT lol_explain")
    finally:
        cursor.close()


def _caller() -> str | None:
    """The line of the app on whose behalf the statement ran: `riot/archive.py:123 due_matches`."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - documented, and quicker than `inspect`
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_PACKAGE) and filename not in _NOT_CALLERS:
            return f"{filename.removeprefix(_PACKAGE)}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return None
