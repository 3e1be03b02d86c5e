"""`lol-dagster db slow` as it is typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lol_dagster.settings import Settings
from lol_dagster_tests._support.commands import as_json, said
from lol_dagster_tests._support.log_lines import write

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def slow_one(
    settings: Settings, statement: str, duration_ms: float, plan: str = "SCAN x", minute: int = 0
) -> None:
    write(
        settings.logs_dir, NOON + timedelta(minutes=minute), "slow query", level="warning",
        logger="lol-dagster.slow-queries", statement=statement, duration_ms=duration_ms, rows=7,
        plan=[plan], caller="riot/archive.py:1 due_matches",
    )  # fmt: skip


def test_slow_queries_are_summed_up_by_statement(settings: Settings) -> None:
    """Of 20 that take 110, 120, …, 300 ms: the sum is 20 · 205 = 4,100; at least 10 take no longer than
    200, and at least 19 no longer than 290."""
    for duration in [300, 110, 290, *range(120, 290, 10)]:
        plan = "SCAN at worst" if duration == 300 else "SEARCH"
        slow_one(settings, "SELECT 1", duration, plan)
    slow_one(settings, "SELECT 2", 4_000)
    first, second = as_json("db", "slow")
    assert (first["statement"], first["count"], first["total_ms"]) == ("SELECT 1", 20, 4_100)
    assert (first["p50_ms"], first["p95_ms"], first["worst_ms"]) == (200, 290, 300)
    assert (first["plan"], first["rows"]) == (["SCAN at worst"], 7)
    assert first["callers"] == ["riot/archive.py:1 due_matches"]
    # Of a single one each percentile is that one.
    assert (second["count"], second["p50_ms"], second["p95_ms"]) == (1, 4_000, 4_000)


def test_people_read_a_statement_with_its_figures_and_its_plan(settings: Settings) -> None:
    for duration in (150.0, 450.0):
        slow_one(settings, "SELECT 1", duration)
    assert said("db", "slow").splitlines()[:4] == [
        "2 times, 600 ms in all, p50 150 ms, p95 450 ms, 450 ms at worst (7 rows), last 2026-11-25 12:00:00 UTC",
        "  SELECT 1",
        "    SCAN x",
        "  called from riot/archive.py:1 due_matches",
    ]


def test_only_those_since_then_count(settings: Settings) -> None:
    slow_one(settings, "SELECT 1", 200, minute=0)
    slow_one(settings, "SELECT 1", 300, minute=10)
    (found,) = as_json("db", "slow", "--since", "2026-11-25T12:05")
    assert (found["count"], found["total_ms"]) == (1, 300)


def test_where_none_is_logged_it_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said("db", "slow") == "No slow queries.\n"
    monkeypatch.setenv("LOL_SLOW_QUERY_MS", "off")
    assert "LOL_SLOW_QUERY_MS is off" in said("db", "slow")
