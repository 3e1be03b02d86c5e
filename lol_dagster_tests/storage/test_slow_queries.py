"""Which statements are logged as slow, on both engines, and what is said of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from lol_dagster.logs.slow_queries import slow_queries
from lol_dagster.logs.writing import start_logging
from lol_dagster.settings import load_settings
from lol_dagster.storage import slow_queries as slow
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact, Match
from lol_dagster.storage.schema import open_database
from lol_dagster.storage.slow_queries import LOGGER_NAME, normalised

_SECRET = "https://discord.com/api/webhooks/1/s3cr3t"


@pytest.fixture
def open_with(any_database: Database) -> Iterator[Callable[[float | None], Database]]:
    """The same database with another threshold (ms)."""
    opened = []

    def open_it(threshold: float | None) -> Database:
        url = any_database.url.render_as_string(hide_password=False)
        opened.append(Database(url, slow_query_ms=threshold))
        return opened[-1]

    yield open_it
    for each in opened:
        each.dispose()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What has been logged as slow since the last call."""
    caplog.set_level(logging.DEBUG, logger=LOGGER_NAME)

    def take() -> list[dict[str, Any]]:
        found = [vars(each) for each in caplog.records if each.name == LOGGER_NAME]
        caplog.clear()
        return found

    return take


def test_the_time_of_the_fetches_counts(
    open_with: Callable[[float | None], Database],
    logged: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQLite works in the fetches: measured around `execute` alone, this takes no time at all."""
    # Each call of the driver's takes 3 ms: less than what is slow, but not the two of them.
    seconds = count(step=0.003)
    monkeypatch.setattr(slow, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    database = open_with(5.0)
    with database.reading() as session:
        rows = session.execute(text("SELECT 1 AS numbers UNION SELECT 2")).all()
    assert len(rows) == 2
    (line,) = [line for line in logged() if "numbers" in line["statement"]]
    assert line["duration_ms"] == pytest.approx(6)
    assert line["rows"] == 2
    assert line["levelname"] == "WARNING"
    assert line["plan"]


def test_what_is_quick_enough_is_not_logged_and_off_measures_nothing(
    open_with: Callable[[float | None], Database], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    for threshold in (600_000.0, None):
        with open_with(threshold).reading() as session:
            session.execute(text("SELECT 1")).all()
        assert logged() == []


def test_a_plan_says_how_a_statement_is_answered_and_values_stand_nowhere(
    open_with: Callable[[float | None], Database], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    database = open_with(0)
    with database.writing() as session:
        session.add(Fact(name=_SECRET, value=_SECRET))
        session.flush()
        session.execute(update(Fact).where(Fact.name == _SECRET).values(value=_SECRET + "2"))
        found = session.scalars(select(Fact).where(Fact.name.in_([_SECRET, "b", "c"]))).all()
        session.execute(
            insert(Fact).from_select(["name", "value"], select(Fact.name + "3", Fact.value))
        )
        session.execute(text(f"DELETE FROM facts WHERE name = '{_SECRET}3'"))
    assert [fact.value for fact in found] == [_SECRET + "2"]
    lines = {line["statement"].split()[0]: line for line in logged()}
    assert _SECRET not in json.dumps(list(lines.values()), default=str)
    for kind in ("SELECT", "UPDATE", "DELETE"):
        assert any("facts" in step for step in lines[kind]["plan"]), kind
        assert lines[kind]["rows"] == 1
    assert lines["INSERT"]["plan"]  # of the SELECT in it
    with database.reading() as session:
        # Explaining has changed nothing: each statement took effect once.
        assert set(session.scalars(select(Fact.name)).all()) >= {_SECRET}
        assert _SECRET + "3" not in session.scalars(select(Fact.name)).all()


def test_a_statement_that_fails_is_no_matter_of_its_plan(
    open_with: Callable[[float | None], Database], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    """On PostgreSQL the transaction has failed then, and an EXPLAIN in it would, too."""
    with open_with(0).reading() as session:
        with pytest.raises(DBAPIError) as error:
            session.execute(text("SELECT nothing FROM nowhere WHERE a = :a"), {"a": _SECRET})
        assert _SECRET not in str(error.value)
    (line,) = [line for line in logged() if "nowhere" in line["statement"]]
    assert line["plan"][0].startswith("not to be had")


def test_a_plan_that_cannot_be_had_spoils_neither_the_answer_nor_the_transaction(
    open_with: Callable[[float | None], Database],
    logged: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the savepoint, PostgreSQL refuses everything that comes after it."""
    monkeypatch.setattr(
        "lol_dagster.storage.slow_queries._EXPLAIN",
        {"sqlite": "EXPLAIN NONSENSE ", "postgresql": "EXPLAIN NONSENSE "},
    )
    database = open_with(0)
    with database.writing() as session:
        assert session.scalars(select(Match.match_id)).all() == []
        session.add(Fact(name="after", value=1))
    with database.reading() as session:
        assert session.get_one(Fact, "after").value == 1
    plans = [line["plan"] for line in logged() if "FROM matches" in line["statement"]]
    assert plans[0][0].startswith("not to be had")


def test_statements_that_differ_in_values_and_lengths_of_lists_are_one() -> None:
    assert normalised("SELECT a\n  FROM t\tWHERE b IN (?, ?, ?)  AND c = ?") == (
        "SELECT a FROM t WHERE b IN (…) AND c = ?"
    )
    assert normalised("SELECT a FROM t WHERE b IN (%(b_1_1)s, %(b_1_2)s) AND c = %(c_1)s") == (
        "SELECT a FROM t WHERE b IN (…) AND c = %(c)s"
    )
    rows = ", ".join(["(?, ?)"] * 3)
    assert normalised(f"INSERT INTO t (a, b) VALUES {rows}") == (
        "INSERT INTO t (a, b) VALUES (…), …"
    )
    assert normalised("SELECT 'it''s a secret', a FROM t") == "SELECT '…', a FROM t"


def test_slow_queries_are_summed_up_by_statement_with_who_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lol_dagster.pipeline.process import due_matches

    monkeypatch.setenv("LOL_SLOW_QUERY_MS", "0")
    settings = load_settings()
    start_logging(settings, "test")
    database = open_database(settings)
    begun = datetime.now(UTC)
    for _ in range(3):
        with database.reading() as session:
            due_matches(session, now=begun, limit=10)
    database.dispose()
    (found,) = [
        each for each in slow_queries(settings.logs_dir, begun) if "FROM matches" in each.statement
    ]
    assert found.count == 3
    assert found.total_ms >= found.worst_ms >= 0
    assert found.rows == 0
    assert "USING" in found.plan[0]
    (caller,) = found.callers
    assert caller.startswith("pipeline/process.py:")
    assert caller.endswith(" due_matches")
    assert slow_queries(settings.logs_dir, datetime.now(UTC) + timedelta(seconds=1)) == []


@pytest.mark.parametrize(
    ("value", "threshold"), [("off", None), ("OFF", None), ("0", 0.0), ("250", 250.0), ("", 100.0)]
)
def test_the_threshold_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, value: str, threshold: float | None
) -> None:
    monkeypatch.setenv("LOL_SLOW_QUERY_MS", value)
    assert load_settings().slow_query_ms == threshold
