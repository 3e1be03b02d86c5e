"""Setting the log up in a process: once, as soon as its settings are known."""

from __future__ import annotations

import logging
import sys

from lol_dagster.logs.daily_file import DailyFile
from lol_dagster.logs.lines import json_formatter, text_formatter
from lol_dagster.logs.redaction import Redactor, redactor_for
from lol_dagster.settings import Settings
from lol_dagster.storage.slow_queries import LOGGER_NAME as SLOW_QUERIES

_HOUSE = ("lol_dagster", SLOW_QUERIES)
_NOT_FOR_THE_TERMINAL = frozenset(
    {SLOW_QUERIES, "lol_dagster.services.supervisor", "lol_dagster.monitoring.alerts"}
)
"""Loggers: slow queries help nobody there, the supervisor tells the operator itself, and so does a
command whatever an alert is about."""


def start_logging(settings: Settings, process: str) -> None:
    """Have everything that this process logs written to the day's file, from now on.

    The application's own lines from INFO on, those of libraries (Dagster's among them) from WARNING on.
    Called again with the same home it changes nothing; with another, that one's file is written.

    Args:
        process: What kind of process this is, such as `daemon`; stands in each line.
    """
    root = logging.getLogger()
    if any(file.folder == settings.logs_dir for file in _ours(root)):
        return
    stop_logging()
    redactor = redactor_for(settings)
    file = DailyFile(settings.logs_dir)
    file.setFormatter(json_formatter(process, redactor))
    file.addFilter(_is_worth_keeping)
    root.addHandler(file)
    logging.getLogger("lol_dagster").setLevel(logging.INFO)
    for handler in root.handlers:
        if isinstance(handler, _Terminal):
            handler.know(redactor)


def stop_logging() -> None:
    """Write to no file any more."""
    root = logging.getLogger()
    for file in _ours(root):
        root.removeHandler(file)
        file.close()


def warn_on_terminal() -> None:
    """Show warnings and errors to whoever sits at the terminal: what commands begin with."""
    logging.getLogger().addHandler(_Terminal())


class _Terminal(logging.StreamHandler):  # type: ignore[type-arg]
    """Readable lines on stderr, coloured on a terminal."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        # Of the handler, not of the root: Dagster's loggers have levels of their own.
        self.setLevel(logging.WARNING)
        self.addFilter(lambda record: record.name not in _NOT_FOR_THE_TERMINAL)
        self.know(Redactor())

    def know(self, redactor: Redactor) -> None:
        """Strike out what this redactor knows from now on."""
        self.setFormatter(text_formatter(redactor, colours=self.stream.isatty()))


def _ours(root: logging.Logger) -> list[DailyFile]:
    return [handler for handler in root.handlers if isinstance(handler, DailyFile)]


def _is_worth_keeping(record: logging.LogRecord) -> bool:
    is_own = record.name.partition(".")[0] in _HOUSE
    return record.levelno >= (logging.INFO if is_own else logging.WARNING)
