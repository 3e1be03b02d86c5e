"""Reading the log back, across days and quickly, and following it as it grows."""

from __future__ import annotations

import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from lol_dagster.logs.formatting import timestamp

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)

_FILE = re.compile(r"lol-(\d{4}-\d\d-\d\d)\.jsonl\Z")
_STANDARD = frozenset({"ts", "level", "event", "logger", "process", "pid", "exception"})
# `{"ts": "2026-11-25T21:55:59.797Z", "level": "warning", "event": …`: what stands where, in bytes.
_TS = slice(8, 32)
_LEVEL_AT = len('{"ts": "2026-11-25T21:55:59.797Z", "level": "')
_POLL_SECONDS = 0.3
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LogLine:
    """One line of the log."""

    at: datetime
    """UTC."""
    level: Level
    event: str
    logger: str
    process: str
    """What kind: `run-worker`, `daemon`, `once`, …"""
    pid: int
    fields: Mapping[str, Any]
    """What else was known, such as `run_id`, `match_id`, `channel`."""
    exception: str | None
    """A traceback."""
    raw: str
    """The line as it stands in the file."""


@dataclass(frozen=True)
class LogFilter:
    """Which lines to read; what is None does not matter."""

    since: datetime | None = None
    level: Level | None = None
    """This level and more severe ones."""
    game: str | None = None
    """A match id."""
    run: str | None = None
    """A run id, or its beginning."""
    player: str | None = None
    """A player, or a Riot ID of theirs."""
    channel: str | None = None
    """By its name."""
    message: str | None = None
    """A message id, or its beginning."""
    logger: str | None = None

    def matching(self, lines: Iterable[bytes]) -> Iterator[LogLine]:
        """The lines that match, of lines as they stand in a file.

        Most are passed over without parsing them, which takes ten times as long as looking for a
        value in their bytes.
        """
        for raw in lines:
            if (
                raw[_TS] >= self._since
                and raw.startswith(self._levels, _LEVEL_AT)
                and all(text in raw for text in self._texts)
                and (line := _parse(raw)) is not None
                and self._is_about(line)
            ):
                yield line

    def begins_after(self, day: date) -> bool:
        """Whether no line of that day (UTC) can match."""
        return self.since is not None and day < self.since.astimezone(UTC).date()

    @cached_property
    def _since(self) -> bytes:
        return timestamp(self.since).encode() if self.since else b""

    @cached_property
    def _levels(self) -> tuple[bytes, ...]:
        if self.level is None:
            return (b"",)
        return tuple(f'{each}"'.encode() for each in LEVELS[LEVELS.index(self.level) :])

    @cached_property
    def _texts(self) -> list[bytes]:
        """What stands in each line that matches."""
        texts = (self.game, self.run, self.player, self.channel, self.message, self.logger)
        return [json.dumps(text)[1:-1].encode() for text in texts if text is not None]

    def _is_about(self, line: LogLine) -> bool:
        """Whether the texts stand in the fields that they should stand in."""

        def values_of(*names: str) -> list[Any]:
            values = [line.fields.get(name) for name in names]
            lists = [value for value in values if isinstance(value, list)]
            return [*values, *chain.from_iterable(lists)]

        return (
            str(line.fields.get("run_id", "")).startswith(self.run or "")
            and str(line.fields.get("message_id", "")).startswith(self.message or "")
            and self.logger in (None, line.logger)
            and self.channel in (None, line.fields.get("channel"))
            and (self.game is None or self.game in values_of("match_id", "partition", "match_ids"))
            and (self.player is None or self.player in values_of("player", "account", "accounts"))
        )


EVERYTHING = LogFilter()


def read_log(logs_dir: Path, wanted: LogFilter = EVERYTHING) -> Iterator[LogLine]:
    """The lines that match, oldest first. What is no line of the log (half of one, after a power
    cut) is passed over.
    """
    for day, path in _log_files(logs_dir):
        if not wanted.begins_after(day):
            yield from _lines_of(path, wanted)


def newest(logs_dir: Path, wanted: LogFilter = EVERYTHING, *, limit: int) -> list[LogLine]:
    """The last lines that match, at most so many, oldest first. Days are read from the last one back,
    and only as many as are needed.
    """
    found: list[LogLine] = []
    for day, path in reversed(_log_files(logs_dir)):
        if len(found) >= limit or wanted.begins_after(day):
            break
        found[:0] = deque(_lines_of(path, wanted), maxlen=limit - len(found))
    return found


class Follower:
    """Reads the log as it grows: past midnight, half-written lines and files that are deleted."""

    def __init__(self, logs_dir: Path, wanted: LogFilter = EVERYTHING) -> None:
        self._logs_dir = logs_dir
        self._wanted = wanted
        self._tails: dict[date, _Tail] = {}
        self._is_first = True

    def new_lines(self) -> Iterator[LogLine]:
        """The lines that match and were written since the last call; the first gives all there are."""
        files = _log_files(self._logs_dir)
        # Yesterday's stays open, too: at midnight a process may still have a line for it.
        current = files[-2:]
        if self._is_first:
            self._is_first = False
            for day, path in files[:-2]:
                if not self._wanted.begins_after(day):
                    yield from _lines_of(path, self._wanted)
        for day, path in current:
            tail = self._tails.get(day)
            if tail is not None and not tail.is_still(path):
                # What it still holds was written before it was deleted.
                yield from self._wanted.matching(tail.complete_lines())
                self._tails.pop(day).close()
            if day not in self._tails:
                with suppress(FileNotFoundError):  # deleted in this moment
                    self._tails[day] = _Tail(path)
        for tail in list(self._tails.values()):
            yield from self._wanted.matching(tail.complete_lines())
        for day in sorted(self._tails)[:-2]:
            self._tails.pop(day).close()

    def lines(self, wait: Callable[[float], None] = time.sleep) -> Iterator[LogLine]:
        """New lines without end.

        Args:
            wait: Called with seconds while there is nothing new.
        """
        while True:
            found = False
            for line in self.new_lines():
                found = True
                yield line
            if not found:
                wait(_POLL_SECONDS)

    def close(self) -> None:
        """Close the files."""
        while self._tails:
            self._tails.popitem()[1].close()


class _Tail:
    """What is appended to one file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._half = b""
        self.close = self._file.close

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
        while chunk := self._file.read(_CHUNK_BYTES):
            *lines, self._half = (self._half + chunk).split(b"\n")
            yield from lines


def _log_files(logs_dir: Path) -> list[tuple[date, Path]]:
    """The days (UTC) of which there is a log, oldest first, and where it stands."""
    names = [(_FILE.match(path.name), path) for path in logs_dir.glob("lol-*.jsonl")]
    return sorted((date.fromisoformat(name[1]), path) for name, path in names if name)


def _lines_of(path: Path, wanted: LogFilter) -> Iterator[LogLine]:
    with suppress(FileNotFoundError), path.open("rb") as file:  # it may be deleted meanwhile
        yield from wanted.matching(file)


def _parse(raw: bytes) -> LogLine | None:
    try:
        value = json.loads(raw)
        return LogLine(
            at=datetime.fromisoformat(value["ts"]),
            level=value["level"],
            event=value["event"],
            logger=value["logger"],
            process=value["process"],
            pid=value["pid"],
            fields={name: each for name, each in value.items() if name not in _STANDARD},
            exception=value.get("exception"),
            raw=raw.decode().rstrip("\n"),
        )
    except (ValueError, KeyError, TypeError):
        return None
