"""Reading the log as it grows: over midnight, past half-written lines and files that are taken away."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

from lol_dagster.logs.reader import ALL, LogLine, Wanted, fitting, log_files, read_log

_LOOK_EVERY = 0.3  # seconds
_MOST_AT_ONCE = 1 << 20  # bytes


class Follower:
    """The lines of yesterday and today (the last two days of which there are any), and then those
    that are written.
    """

    def __init__(self, logs_dir: Path, wanted: Wanted = ALL) -> None:
        self._logs_dir = logs_dir
        self._wanted = wanted
        self._tails: dict[date, _Tail] = {}

    def past(self) -> Iterator[LogLine]:
        """What is there by now, that of older days included; then go on with `lines`."""
        older = log_files(self._logs_dir)[:-2]
        if older:
            first_followed = older[-1][0] + timedelta(days=1)
            until = datetime.combine(first_followed, time_of_day(), UTC)
            yield from read_log(self._logs_dir, replace(self._wanted, until=until))
        yield from self.new_lines()

    def lines(self, wait: Callable[[float], None] = time.sleep) -> Iterator[LogLine]:
        """Without end.

        Args:
            wait: Called with seconds while there is nothing new.
        """
        while True:
            found = False
            for line in self.new_lines():
                found = True
                yield line
            if not found:
                wait(_LOOK_EVERY)

    def new_lines(self) -> Iterator[LogLine]:
        """What has been written and fits since the last look."""
        # Yesterday's stays open, too: at midnight a process may still have a line for it.
        for day, path in log_files(self._logs_dir)[-2:]:
            tail = self._tails.get(day)
            if tail is not None and not tail.is_still(path):
                # What it still holds was written before it was taken away.
                yield from fitting(tail.complete_lines(), self._wanted)
                self._close(day)
                tail = None
            if tail is None:
                self._open(day, path)
        for tail in list(self._tails.values()):
            yield from fitting(tail.complete_lines(), self._wanted)
        for day in sorted(self._tails)[:-2]:
            self._close(day)

    def close(self) -> None:
        """Let go of the files."""
        for day in list(self._tails):
            self._close(day)

    def _open(self, day: date, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):  # taken away in this moment
            self._tails[day] = _Tail(path)

    def _close(self, day: date) -> None:
        self._tails.pop(day).close()


class _Tail:
    """What is appended to one file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._half = b""

    def is_still(self, path: Path) -> bool:
        """Whether this is the file that stands there, and not one that stood there before."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except FileNotFoundError:
            return False

    def complete_lines(self) -> Iterator[bytes]:
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # emptied
            self._file.seek(0)
            self._half = b""
        while chunk := self._file.read(_MOST_AT_ONCE):
            *lines, self._half = (self._half + chunk).split(b"\n")
            yield from lines

    def close(self) -> None:
        self._file.close()
