"""Reading the log back, across days and quickly: most lines are passed over without parsing them.

For the command line, and for the admin's pages on a run, a game or a channel.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from lol_dagster.logs.lines import timestamp

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)

_FILE = re.compile(r"lol-(\d{4}-\d\d-\d\d)\.jsonl\Z")
_STANDARD = frozenset({"ts", "level", "event", "logger", "process", "pid", "exception"})
_GAME = ("match_id", "partition", "match_ids")
_PLAYER = ("player", "account", "accounts")
_CHANNEL = ("channel",)
# `{"ts": "2026-11-25T21:55:59.797Z", "level": "warning", "event": …`: what stands where, in bytes.
_TS = slice(8, 32)
_LEVEL_AT = len('{"ts": "2026-11-25T21:55:59.797Z", "level": "')


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
class Wanted:
    """Which lines are looked for; what is None does not matter.

    Attributes:
        since: No line from before.
        until: No line from then on.
        level: This level or a graver one.
        game: Lines about this match id.
        run: Lines of the run with this id, or with an id that begins so.
        player: Lines about this player or his account (Riot ID).
        channel: Lines about this channel, by its name.
        message: Lines about the message with this id, or with an id that begins so.
        logger: Lines of this logger.
    """

    since: datetime | None = None
    until: datetime | None = None
    level: Level | None = None
    game: str | None = None
    run: str | None = None
    player: str | None = None
    channel: str | None = None
    message: str | None = None
    logger: str | None = None

    def fits(self, line: LogLine) -> bool:
        """Whether a line is looked for that `may_fit`."""
        fields = line.fields
        return (
            (self.run is None or str(fields.get("run_id", "")).startswith(self.run))
            and (self.message is None or str(fields.get("message_id", "")).startswith(self.message))
            and (self.logger is None or line.logger == self.logger)
            and all(
                value is None or value in _known(fields, names)
                for value, names in (
                    (self.game, _GAME),
                    (self.player, _PLAYER),
                    (self.channel, _CHANNEL),
                )
            )
        )

    @cached_property
    def _needles(self) -> list[bytes]:
        """What stands in each line that fits."""
        texts = (self.game, self.run, self.player, self.channel, self.message, self.logger)
        return [json.dumps(text)[1:-1].encode() for text in texts if text is not None]

    @cached_property
    def _levels(self) -> tuple[bytes, ...] | None:
        if self.level is None:
            return None
        return tuple(f'{each}"'.encode() for each in LEVELS[LEVELS.index(self.level) :])

    @cached_property
    def _between(self) -> tuple[bytes, bytes]:
        since = timestamp(self.since).encode() if self.since else b""
        until = timestamp(self.until).encode() if self.until else b"~"
        return since, until

    def may_fit(self, line: bytes) -> bool:
        """A quick look at a line as it stands in the file: False if it cannot fit."""
        since, until = self._between
        return (
            since <= line[_TS] < until
            and (self._levels is None or line.startswith(self._levels, _LEVEL_AT))
            and all(needle in line for needle in self._needles)
        )


ALL = Wanted()


def read_log(logs_dir: Path, wanted: Wanted = ALL) -> Iterator[LogLine]:
    """The lines that fit, oldest first; what is no line of ours is passed over."""
    for day, path in log_files(logs_dir):
        if wanted.since is not None and day < wanted.since.astimezone(UTC).date():
            continue
        if wanted.until is not None and day > wanted.until.astimezone(UTC).date():
            continue
        try:
            with path.open("rb") as file:
                yield from fitting(file, wanted)
        except FileNotFoundError:
            continue  # taken away meanwhile


def newest(logs_dir: Path, wanted: Wanted = ALL, *, limit: int) -> list[LogLine]:
    """The last lines that fit, at most so many, oldest first. Days are read from the last one back,
    and only as many as are needed.
    """
    found: list[LogLine] = []
    for day, path in reversed(log_files(logs_dir)):
        if len(found) >= limit or (wanted.since and day < wanted.since.astimezone(UTC).date()):
            break
        try:
            with path.open("rb") as file:
                found[:0] = deque(fitting(file, wanted), maxlen=limit - len(found))
        except FileNotFoundError:
            continue
    return found


def log_files(logs_dir: Path) -> list[tuple[date, Path]]:
    """The days (UTC) of which there is a log, oldest first, and where it stands."""
    found = []
    for path in logs_dir.glob("lol-*.jsonl"):
        match = _FILE.match(path.name)
        if match is not None:
            found.append((date.fromisoformat(match[1]), path))
    return sorted(found)


def fitting(lines: Iterable[bytes], wanted: Wanted) -> Iterator[LogLine]:
    """Those that fit, of lines as they stand in a file."""
    for raw in lines:
        if wanted.may_fit(raw):
            line = parse(raw)
            if line is not None and wanted.fits(line):
                yield line


def parse(raw: bytes) -> LogLine | None:
    """The line, or None if it is not one of ours (half of one, after a power cut)."""
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


def _known(fields: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[object]:
    for name in names:
        value = fields.get(name)
        yield from value if isinstance(value, list) else [value]
