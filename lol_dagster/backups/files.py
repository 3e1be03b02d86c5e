"""Backups as files: their names, how one comes to be whole or not at all, which are kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lol_dagster.errors import UserError

KEEP_ALL_FOR = timedelta(days=1)
"""So that nobody who takes several in a row loses last night's."""
KEEP_DAYS = 7
"""Of so many days the last backup is kept: days on which there was one, so that an installation that stood
still for a month does not lose its last ones on the day it is woken."""
KEEP_WEEKS = 4
"""And of so many weeks."""

_NAME = re.compile(r"lol-(\d{8}T\d{6}Z)\.(?:sqlite3|pgdump)")
_STAMP = "%Y%m%dT%H%M%SZ"
_UNFINISHED = ".unfinished"


class BackupError(UserError):
    """A backup cannot be taken or used."""


def backup_name(taken_at: datetime, suffix: str) -> str:
    """The file's name, such as `lol-20261125T031500Z.sqlite3`."""
    return f"lol-{taken_at.astimezone(UTC):{_STAMP}}.{suffix}"


def backups_in(folder: Path) -> dict[Path, datetime]:
    """The backups in a folder with the time of each, the newest first."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            found[path] = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True))


def superfluous(backups: dict[Path, datetime], now: datetime) -> list[Path]:
    """Those that need not be kept.

    Args:
        backups: As `backups_in` gives them, the newest first.
    """
    days: dict[object, Path] = {}
    weeks: dict[object, Path] = {}
    for path, taken_at in backups.items():
        days.setdefault(taken_at.date(), path)
        weeks.setdefault(taken_at.isocalendar()[:2], path)
    kept = {path for path, taken_at in backups.items() if taken_at > now - KEEP_ALL_FOR}
    kept |= {*list(days.values())[:KEEP_DAYS], *list(weeks.values())[:KEEP_WEEKS]}
    return [path for path in backups if path not in kept]


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Make the folder, for our eyes only, and be the only one who takes a backup into it.

    Raises:
        BackupError: a backup is being taken already.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("another backup is being taken right now: wait for its end") from None
        # Whoever was writing these has died.
        for left in folder.glob(f"*{_UNFINISHED}"):
            left.unlink()
        yield


@contextlib.contextmanager
def whole_or_not_at_all(target: Path) -> Iterator[Path]:
    """A file to write to, which becomes `target` when the block ends well.

    It is readable by its owner alone: a backup holds webhook addresses. It is on the disk before
    it has its name; whatever goes wrong, or is killed, leaves `target` as it was.

    Raises:
        BackupError: there is such a file already, or the disk is full or refuses.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: choose another name")
    draft = target.with_name(target.name + _UNFINISHED)
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        yield draft
        _sync(draft)
        draft.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
