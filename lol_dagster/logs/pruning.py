"""Taking away the log files that are older than they are kept."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

KEEP_LOGS = timedelta(days=30)

# The log itself, and what the services print (services/supervisor.py).
_FILE = re.compile(r"(?:lol-(\d{4}-\d\d-\d\d)\.jsonl|[\w-]+?-(\d{4}-\d\d-\d\d)\.log)\Z")


def prune_logs(logs_dir: Path, keep: timedelta, now: datetime) -> list[Path]:
    """Delete the files of days (UTC) that ended longer ago than `keep`.

    A service writes into the file of the day on which it started for as long as it lives: so a file
    that was written to since then stays, whatever its name says.

    Returns:
        What was deleted.
    """
    oldest = now - keep
    deleted = []
    for path in sorted(logs_dir.glob("*-????-??-??.*")):
        name = _FILE.match(path.name)
        with contextlib.suppress(FileNotFoundError, ValueError):
            if (
                name is not None
                and date.fromisoformat(name[1] or name[2]) < oldest.astimezone(UTC).date()
                and path.stat().st_mtime < oldest.timestamp()
            ):
                path.unlink()
                deleted.append(path)
    return deleted
