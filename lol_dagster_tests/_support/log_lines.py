"""Log files written by hand, as the product writes them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from lol_dagster.logs.writing import file_of


def line(at: datetime, event: str, *, level: str = "info", **fields: Any) -> str:
    """A line as it stands in a file, without its end."""
    first = {
        "ts": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "level": level,
        "event": event,
        "logger": fields.pop("logger", "lol_dagster.riot.archive"),
        "process": fields.pop("process", "run-worker"),
        "pid": 4711,
    }
    return json.dumps({**first, **fields})


def append(logs_dir: Path, at: datetime, text: str) -> None:
    """Put text at the end of the file of that day."""
    logs_dir.mkdir(parents=True, exist_ok=True)
    with file_of(logs_dir, at.date()).open("a") as file:
        file.write(text)


def write(logs_dir: Path, at: datetime, event: str, **fields: Any) -> None:
    """Put a line at the end of the file of its day."""
    append(logs_dir, at, line(at, event, **fields) + "\n")
