"""The slow queries of the log, summed up by statement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lol_dagster.logs.reading import LogFilter, LogLine, read_log
from lol_dagster.storage.slow_queries import LOGGER_NAME


@dataclass(frozen=True)
class SlowStatement:
    """All slow executions of one statement."""

    statement: str
    """On one line, without values."""
    count: int
    total_ms: float
    p50_ms: float
    """At least half of them took no longer; `p95_ms` likewise."""
    p95_ms: float
    worst_ms: float
    rows: int
    """Of the slowest execution: fetched, or changed."""
    plan: tuple[str, ...]
    """Of the slowest execution; empty where there is none."""
    callers: tuple[str, ...]
    """Lines of the app, such as `riot/archive.py:123 due_matches`."""
    last_at: datetime
    last_run_id: str | None


def slow_queries(logs_dir: Path, since: datetime | None = None) -> list[SlowStatement]:
    """The slow statements, those first that took the most time in all."""
    by_statement: dict[str, list[LogLine]] = {}
    for line in read_log(logs_dir, LogFilter(since=since, logger=LOGGER_NAME)):
        by_statement.setdefault(str(line.fields.get("statement")), []).append(line)
    found = [_summed_up(statement, lines) for statement, lines in by_statement.items()]
    return sorted(found, key=lambda each: each.total_ms, reverse=True)


def _summed_up(statement: str, lines: list[LogLine]) -> SlowStatement:
    worst = max(lines, key=_duration)
    durations = sorted(map(_duration, lines))
    callers = {str(line.fields["caller"]) for line in lines if line.fields.get("caller")}
    return SlowStatement(
        statement=statement,
        count=len(lines),
        total_ms=round(sum(durations), 1),
        p50_ms=_percentile(durations, 50),
        p95_ms=_percentile(durations, 95),
        worst_ms=_duration(worst),
        rows=worst.fields["rows"],
        plan=tuple(worst.fields["plan"]),
        callers=tuple(sorted(callers)),
        last_at=lines[-1].at,
        last_run_id=lines[-1].fields.get("run_id"),
    )


def _percentile(ascending: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many percent of all do not exceed."""
    return ascending[math.ceil(len(ascending) * percent / 100) - 1]


def _duration(line: LogLine) -> float:
    return float(line.fields["duration_ms"])
