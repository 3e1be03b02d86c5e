"""Which log files are taken away."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lol_dagster.logs.pruning import prune_logs

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def _file(folder: Path, name: str, *, written: datetime) -> Path:
    path = folder / name
    path.write_text("x")
    os.utime(path, (written.timestamp(), written.timestamp()))
    return path


def test_days_that_are_over_for_longer_are_taken_away(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    # Kept from 2026-10-26T03:00 on: of that day the files stay, of the one before they go.
    old = datetime(2026, 10, 25, 23, 59, tzinfo=UTC)
    gone = {
        _file(logs, "lol-2026-10-25.jsonl", written=old),
        _file(logs, "daemon-2026-10-25.log", written=old),
        _file(logs, "code-server-2025-01-01.log", written=old),
    }
    kept = {
        _file(logs, "lol-2026-10-26.jsonl", written=NOW - timedelta(days=30)),
        _file(logs, "lol-2026-11-25.jsonl", written=NOW),
        # Started long ago, and writes to it to this day.
        _file(logs, "webserver-2026-10-01.log", written=NOW - timedelta(hours=1)),
        # Not ours.
        _file(logs, "notes-2026-01-01.txt", written=old),
        _file(logs, "lol-2026-13-01.jsonl", written=old),
        _file(logs, "lol-2026-10-25.jsonl.bak", written=old),
    }
    assert set(prune_logs(logs, timedelta(days=30), NOW)) == gone
    assert set(logs.iterdir()) == kept


def test_a_folder_that_is_not_there_is_nothing_to_prune(tmp_path: Path) -> None:
    assert prune_logs(tmp_path / "logs", timedelta(days=30), NOW) == []
