"""Whether Dagster's SQLite files are whole. Without them nothing runs, and Dagster names none of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lol_dagster.settings import Settings
from lol_dagster.storage.integrity import damaged_files, unreadable_files

CURE_OF_DAGSTERS_FILES: Final = (
    "end everything, move the folder LOL_HOME/dagster away and start again. Only Dagster's past runs are "
    "forgotten: games and messages stand in our own database"
)
_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def damaged_dagster_files(settings: Settings) -> list[Path]:
    """None where Dagster's storage is in PostgreSQL. Reads all of each file, a second for a gigabyte."""
    return damaged_files(_files(settings))


def unreadable_dagster_files(settings: Settings) -> list[Path]:
    """Without reading all of them, to be asked again and again."""
    return unreadable_files(_files(settings))


def _files(settings: Settings) -> Iterator[Path]:
    return (settings.dagster_home / name for name in _FILES)
