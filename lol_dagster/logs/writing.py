"""Writing the log: set up in each process once, as soon as its settings are known.

In a line stand `ts` (UTC, milliseconds), `level`, `event`, `logger`, `process` and `pid`; then what was
known where it was written: the context (`structlog.contextvars`), and what the call gave as `extra`.
Whatever stands in them, a line is one line of valid JSON in ASCII, without secrets and never long.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict

from lol_dagster.logs.redaction import REDACTED, Redactor, redactor_for
from lol_dagster.settings import Settings
from lol_dagster.storage.slow_queries import LOGGER_NAME as SLOW_QUERIES

KEEP_LOGS = timedelta(days=30)

# Characters. Of a text that is longer the middle is cut.
_LONGEST_VALUE = 4_000
_LONGEST_TRACEBACK = 16_000
_LONGEST_LINE = 64_000
_LONGEST_SEARCHED = 200_000
"""What stands behind is not searched for secrets, as it is cut anyway."""
_LARGEST_DAY = 100_000_000
"""Bytes of a day's file; what comes after that is not written."""
_MOST_AT_ONCE = 1000
"""Lines of one kind (written at one place in the code) that one process may write without a pause …"""
_PER_SECOND = 1.0
"""… and how many are added to these as time goes on."""
_MOST_ITEMS = 50
_DEEPEST = 4
_LARGEST_INT = 2**63

_NOT_FOR_THE_TERMINAL = frozenset(
    {SLOW_QUERIES, "lol_dagster.services.supervisor", "lol_dagster.monitoring.alerts"}
)
"""Loggers: slow queries help nobody there, the supervisor prints what it does by itself, and a command
prints whatever an alert is about."""

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
    file = DailyFile(settings.logs_dir)
    file.setFormatter(_json_formatter(process, redactor))
    file.addFilter(_is_worth_keeping)
    file.addFilter(_Rate())
    root.addHandler(file)
    logging.getLogger("lol_dagster").setLevel(logging.INFO)
    for handler in root.handlers:
        if isinstance(handler, _Terminal):
            handler.redact_with(redactor)


def stop_logging() -> None:
    """Write to no file any more."""
    root = logging.getLogger()
    for file in _daily_files(root):
        root.removeHandler(file)
        file.close()


def warn_on_terminal() -> None:
    """Show warnings and errors to whoever sits at the terminal: what commands begin with."""
    logging.getLogger().addHandler(_Terminal())


def timestamp(at: datetime) -> str:
    """An instant as log lines have it: of one length, so that their order is that of the text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    now = timestamp(datetime.now(UTC))
    event = f"the log of {day} is full: no more of it is written"
    line = {"ts": now, "level": "error", "event": event, "logger": __name__, "process": "log",
            "pid": os.getpid()}  # fmt: skip
    return json.dumps(line).encode() + b"\n"


class _Terminal(logging.StreamHandler):  # type: ignore[type-arg]
    """Readable lines on stderr, coloured on a terminal."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        # Of the handler, not of the root: Dagster's loggers have levels of their own.
        self.setLevel(logging.WARNING)
        self.addFilter(lambda record: record.name not in _NOT_FOR_THE_TERMINAL)
        self.redact_with(Redactor())

    def redact_with(self, redactor: Redactor) -> None:
        """Strike out what this redactor knows from now on."""
        self.setFormatter(_text_formatter(redactor, colours=self.stream.isatty()))


def _daily_files(root: logging.Logger) -> list[DailyFile]:
    return [handler for handler in root.handlers if isinstance(handler, DailyFile)]


def _is_worth_keeping(record: logging.LogRecord) -> bool:
    is_own = record.name.partition(".")[0] in ("lol_dagster", SLOW_QUERIES)
    return record.levelno >= (logging.INFO if is_own else logging.WARNING)


def _json_formatter(process: str, redactor: Redactor) -> logging.Formatter:
    def finish(_logger: Any, _method: str, event: EventDict) -> str:
        record: logging.LogRecord = event.pop("_record")
        del event["_from_structlog"]
        fields = {
            "ts": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": event.pop("event"),
            "logger": record.name,
            "process": process,
            "pid": os.getpid(),
        }
        # Nothing that a call gives as `extra` may pass for one of these.
        fields |= {name: value for name, value in event.items() if name not in fields}
        clean = _Cleaner(redactor).fields(fields)
        line = json.dumps(clean)
        if len(line) > _LONGEST_LINE:
            clean = {name: clean[name] for name in islice(clean, 6)}
            line = json.dumps({**clean, "cut": f"fields of {len(line)} characters"})
        return line

    return _Formatter(finish)


def _text_formatter(redactor: Redactor, *, colours: bool) -> logging.Formatter:
    render = structlog.dev.ConsoleRenderer(
        colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )

    def finish(logger: Any, method: str, event: EventDict) -> str:
        level = event.pop("_record").levelname.lower()
        del event["_from_structlog"]
        return str(render(logger, method, _Cleaner(redactor).fields({**event, "level": level})))

    return _Formatter(finish)


class _Formatter(ProcessorFormatter):
    """Gathers a line's fields. What cannot be formatted costs the details and not the line."""

    def __init__(self, finish: structlog.typing.Processor) -> None:
        super().__init__(
            foreign_pre_chain=[
                _add_extra,
                merge_contextvars,
                _add_dagsters_context,
                structlog.processors.format_exc_info,
            ],
            processors=[finish],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 - an object may fail in any way when it is read
            bare = logging.makeLogRecord(
                {
                    "name": record.name,
                    "levelno": record.levelno,
                    "levelname": record.levelname,
                    "created": record.created,
                    "msg": f"a log line of {record.pathname}:{record.lineno} cannot be formatted: "
                    f"{type(error).__name__}",
                }
            )
            return super().format(bare)


_EXTRA = ExtraAdder()


def _add_extra(logger: Any, method: str, event: EventDict) -> EventDict:
    text = event["event"]
    event = _EXTRA(logger, method, event)
    event["event"] = text  # whatever an extra of that name says
    # What another handler's formatter has put on the record before; no extra can bear these names.
    for name in ("message", "asctime"):
        event.pop(name, None)
    return event


def _add_dagsters_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """In a run, Dagster puts its own words around the message and its knowledge beside it."""
    meta = event.pop("dagster_meta", None)
    event.pop("dagster_event", None)
    event.pop("dagster_event_batch_metadata", None)
    if meta is not None:
        event["event"] = meta["orig_message"]
        known = {
            "run_id": meta["run_id"],
            "job": meta["job_name"],
            "partition": meta["job_tags"].get("dagster/partition"),
        }
        event = {**{name: value for name, value in known.items() if value is not None}, **event}
    return event


class _Cleaner:
    """Makes JSON values of whatever stands in a line, without secrets and not too long."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            self._text(str(name), 100): self._field(
                str(name), value, _LONGEST_TRACEBACK if name == "exception" else _LONGEST_VALUE, 0
            )
            for name, value in fields.items()
        }

    def _field(self, name: str, value: Any, longest: int, depth: int) -> Any:
        if value is not None and self._redactor.hides(name):
            return REDACTED
        return self._value(value, longest, depth)

    def _value(self, value: Any, longest: int, depth: int) -> Any:
        match value:
            case None | bool():
                return value
            case int() if abs(value) < _LARGEST_INT:
                return value
            case float() if math.isfinite(value):
                return value
            case bytes() | bytearray() | memoryview():
                return f"<{len(value)} bytes>"
            case datetime():
                return value.isoformat()
            case Mapping() if depth < _DEEPEST:
                return {
                    self._text(str(key), 100): self._field(str(key), value[key], longest, depth + 1)
                    for key in islice(value, _MOST_ITEMS)
                } | dict.fromkeys(_more(value), "")
            case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                first = islice(value, _MOST_ITEMS)
                return [*(self._value(each, longest, depth + 1) for each in first), *_more(value)]
            case int():
                return f"<a number of {value.bit_length()} bits>"
        return self._text(str(value), longest)

    def _text(self, text: str, longest: int) -> str:
        length = len(text)
        text = self._redactor.text(text[:_LONGEST_SEARCHED])
        # Halves of surrogate pairs are no characters: whoever reads the line would choke on them.
        text = text.encode(errors="replace").decode()
        if len(text) <= longest:
            return text
        # What a traceback is about stands at its end.
        tail = longest // 2
        return f"{text[: longest - tail]} … [cut: {length} characters] … {text[-tail:]}"


def _more(
    value: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any],
) -> list[str]:
    return [f"… {len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []
