"""Writing the log: set up in each process once, as soon as its settings are known.

In a line stand `ts` (UTC, milliseconds), `level`, `event`, `logger`, `process` and `pid`; then what was
known where it was written: the context (`structlog.contextvars`), and what the call gave as `extra`.
Whatever stands in them, a line is one line of valid JSON in ASCII, without secrets and never long.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from lol_dagster.logs.redaction import Redactor, redactor_for
from lol_dagster.logs.terminal import OnFirstLine, Terminal
from lol_dagster.settings import Settings
from lol_dagster.storage.slow_queries import LOGGER_NAME as SLOW_QUERIES

KEEP_LOGS = timedelta(days=30)
RUN_WORKER = "run-worker"
"""What the lines of a run's worker have as `process`."""

_LARGEST_DAY = 100_000_000
"""Bytes of a day's file; what comes after that is not written."""
_MOST_AT_ONCE = 1000
"""Lines of one kind (written at one place in the code) that one process may write without a pause …"""
_PER_SECOND = 1.0
"""… and how many are added to these as time goes on."""

# The log itself, and what the services print (services/supervisor.py).
_DATED_FILE = re.compile(r"(?:lol-(\d{4}-\d\d-\d\d)\.jsonl|[\w-]+?-(\d{4}-\d\d-\d\d)\.log)\Z")


def start_logging(settings: Settings, process: str, *, knows_secrets: bool = True) -> None:
    """Have everything that this process logs written to the day's file, from now on.

    The application's own lines from INFO on, those of libraries (Dagster's among them) from WARNING on.
    Called again with the same home it changes nothing; with another, that one's file is written.

    Args:
        process: What kind of process this is, such as `daemon`; stands in each line.
        knows_secrets: Whether this process has our secrets, to strike them out wherever they stand.
            Without them, what looks like one is struck out all the same.
    """
    root = logging.getLogger()
    if any(file.folder == settings.logs_dir for file in _daily_files(root)):
        return
    stop_logging()
    redactor = redactor_for(settings) if knows_secrets else Redactor()
    _add(root, DailyFile(settings.logs_dir), partial(_json_formatter, process, redactor))
    if settings.log_to_stdout and process == RUN_WORKER:
        host = socket.gethostname()
        _add(root, _ToStdout(sys.stdout), partial(_json_formatter, process, redactor, host))
    logging.getLogger("lol_dagster").setLevel(logging.INFO)
    for handler in root.handlers:
        if isinstance(handler, Terminal):
            handler.redact_with(redactor)


def _add(
    root: logging.Logger, handler: logging.Handler, make: Callable[[], logging.Formatter]
) -> None:
    handler.setFormatter(OnFirstLine(make))
    handler.addFilter(_is_worth_keeping)
    handler.addFilter(_Rate())
    root.addHandler(handler)


def stop_logging() -> None:
    """Write no lines any more."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, (DailyFile, _ToStdout)):
            root.removeHandler(handler)
            handler.close()


def file_of(folder: Path, day: date) -> Path:
    """Where the lines of a day (UTC) stand."""
    return folder / f"lol-{day.isoformat()}.jsonl"


def prune_logs(logs_dir: Path, now: datetime) -> list[Path]:
    """Delete the files of days (UTC) that ended longer ago than `KEEP_LOGS`, and return their paths.

    A service writes into the file of the day on which it started for as long as it lives: so a file
    that was written to since then stays, whatever its name says.
    """
    oldest = now - KEEP_LOGS
    deleted = []
    for path in sorted(logs_dir.glob("*-????-??-??.*")):
        name = _DATED_FILE.match(path.name)
        with contextlib.suppress(FileNotFoundError, ValueError):
            if (
                name is not None
                and date.fromisoformat(name[1] or name[2]) < oldest.astimezone(UTC).date()
                and path.stat().st_mtime < oldest.timestamp()
            ):
                path.unlink()
                deleted.append(path)
    return deleted


class _Rate(logging.Filter):
    """Lets through so many lines of one kind and no more, and says in the next one how many were left out:
    whoever can cause a line must not be able to fill the disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left: dict[tuple[str, int], float] = {}
        self._at: dict[tuple[str, int], float] = {}
        self._dropped: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; the clock is the record's own."""
        kind = (record.pathname, record.lineno)
        passed = max(record.created - self._at.get(kind, record.created), 0.0)
        left = min(self._left.get(kind, _MOST_AT_ONCE) + passed * _PER_SECOND, _MOST_AT_ONCE)
        self._at[kind] = record.created
        if left < 1:
            self._left[kind] = left
            self._dropped[kind] = self._dropped.get(kind, 0) + 1
            return False
        self._left[kind] = left - 1
        if dropped := self._dropped.pop(kind, 0):
            record.left_out = dropped
        return True


class DailyFile(logging.Handler):
    """Appends what its formatter makes of a record to the file of the record's day.

    A line is one write to a file opened for appending: the kernel puts such writes one after the
    other, so processes need no lock, and nothing is lost or torn. A file a day needs no rotation, in
    which processes that share a file lose lines.

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
        self._is_torn = False
        self._has_complained = False
        self._full_day: date | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or give it up."""
        try:
            line = self.format(record).encode() + b"\n"
            self._write(datetime.fromtimestamp(record.created, UTC).date(), line)
        except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on
            self._complain(error)

    def close(self) -> None:
        """Let go of the file."""
        with self.lock or contextlib.nullcontext():
            self._let_go()
        super().close()

    def _write(self, day: date, line: bytes) -> None:
        fd = self._open(day)
        if os.fstat(fd).st_size > _LARGEST_DAY:
            if self._full_day == day:
                return
            self._full_day = day
            line = _full(day)
        if self._is_torn:  # a line that did not fit on the disk must not spoil this one
            line = b"\n" + line
        try:
            while line:
                written = os.write(fd, line)
                line = line[written:]
                self._is_torn = bool(line)
        except OSError:
            self._let_go()
            raise

    def _open(self, day: date) -> int:
        # One that was deleted would go on growing where nobody sees it.
        if self._fd is not None and (day != self._day or os.fstat(self._fd).st_nlink == 0):
            self._let_go()
        if self._fd is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(file_of(self.folder, day), flags, 0o640)
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


def _full(day: date) -> bytes:
    """The last line of this process in a file that is too large."""
    from lol_dagster.logs.formatting import timestamp

    now = timestamp(datetime.now(UTC))
    event = f"the log of {day} is full: no more of it is written"
    line = {"ts": now, "level": "error", "event": event, "logger": __name__, "process": "log",
            "pid": os.getpid()}  # fmt: skip
    return json.dumps(line).encode() + b"\n"


class _ToStdout(logging.StreamHandler):  # type: ignore[type-arg]
    """For a collector."""


def _daily_files(root: logging.Logger) -> list[DailyFile]:
    return [handler for handler in root.handlers if isinstance(handler, DailyFile)]


def _is_worth_keeping(record: logging.LogRecord) -> bool:
    is_own = record.name.partition(".")[0] in ("lol_dagster", SLOW_QUERIES)
    return record.levelno >= (logging.INFO if is_own else logging.WARNING)


def _json_formatter(process: str, redactor: Redactor, host: str | None = None) -> logging.Formatter:
    from lol_dagster.logs.formatting import json_formatter

    return json_formatter(process, redactor, host)
