"""Getting lines into the day's file, from any number of processes at once.

A line is one write to a file opened for appending: the kernel puts such writes one after the other,
so no lock is needed and nothing is lost or torn. A file a day needs no rotation, in which processes
that share a file lose lines.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path


def file_of(folder: Path, day: date) -> Path:
    """Where the lines of a day (UTC) stand."""
    return folder / f"lol-{day.isoformat()}.jsonl"


class DailyFile(logging.Handler):
    """Appends what its formatter makes of a record to the file of the record's day.

    Never raises: a full disk must not stop a game. The first time a line cannot be written says so
    on stderr. `close` only lets go of the file, as Dagster closes every handler of a process when
    it sets up its own: the next line opens it again.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: Created when the first line is written.
        """
        super().__init__()
        self.folder = folder
        self._day: date | None = None
        self._fd: int | None = None
        self._torn = False
        self._has_complained = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or give it up."""
        try:
            line = self.format(record).encode() + b"\n"
            self._write(datetime.fromtimestamp(record.created, UTC).date(), line)
        except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on
            self._complain(error)

    def close(self) -> None:
        """Let go of the file."""
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _write(self, day: date, line: bytes) -> None:
        fd = self._open(day)
        if self._torn:  # a line that the disk had no room for must not spoil this one
            line = b"\n" + line
        try:
            while line:
                written = os.write(fd, line)
                line = line[written:]
                self._torn = bool(line)
        except OSError:
            self._let_go()
            raise

    def _open(self, day: date) -> int:
        # Deleted under our hands it would go on growing where nobody sees it.
        if self._fd is not None and (day != self._day or os.fstat(self._fd).st_nlink == 0):
            self._let_go()
        if self._fd is None:
            path = file_of(self.folder, day)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            try:
                self._fd = os.open(path, flags, 0o640)
            except FileNotFoundError:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(path, flags, 0o640)
            self._day = day
        return self._fd

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _complain(self, error: Exception) -> None:
        if self._has_complained:
            return
        self._has_complained = True
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        # Without a stderr, or one that is full, too, nothing is left to say it to.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"lol-dagster: log lines are lost, {self.folder}: {reason}\n")
