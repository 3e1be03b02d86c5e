"""Warnings and errors for whoever sits at the terminal: what commands begin with.

Most commands write no line at all. So this imports next to nothing, and what makes lines is imported
with the first of them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from lol_dagster.storage.slow_queries import LOGGER_NAME as SLOW_QUERIES

if TYPE_CHECKING:
    from lol_dagster.logs.redaction import Redactor

_NOT_FOR_THE_TERMINAL = frozenset(
    {SLOW_QUERIES, "lol_dagster.services.supervisor", "lol_dagster.monitoring.alerts"}
)
"""Loggers: slow queries help nobody there, the supervisor prints what it does by itself, and a command
prints whatever an alert is about."""


def warn_on_terminal() -> None:
    """Show warnings and errors on stderr from now on."""
    logging.getLogger().addHandler(Terminal())


class OnFirstLine(logging.Formatter):
    """A formatter that is made when there is something to format."""

    def __init__(self, make: Callable[[], logging.Formatter]) -> None:
        super().__init__()
        self._make = make

    @cached_property
    def _formatter(self) -> logging.Formatter:
        return self._make()

    def format(self, record: logging.LogRecord) -> str:
        return self._formatter.format(record)


class Terminal(logging.StreamHandler):  # type: ignore[type-arg]
    """Readable lines on stderr, coloured on a terminal."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        # Of the handler, not of the root: Dagster's loggers have levels of their own.
        self.setLevel(logging.WARNING)
        self.addFilter(lambda record: record.name not in _NOT_FOR_THE_TERMINAL)
        self.redact_with(None)

    def redact_with(self, redactor: Redactor | None) -> None:
        """Strike out what this redactor knows from now on; None: what looks like a secret."""
        self.setFormatter(OnFirstLine(partial(_text_formatter, redactor, self.stream.isatty())))


def _text_formatter(redactor: Redactor | None, colours: bool) -> logging.Formatter:
    from lol_dagster.logs.formatting import text_formatter
    from lol_dagster.logs.redaction import Redactor

    return text_formatter(redactor or Redactor(), colours=colours)
