"""What a stage raised on a game: whether the game is to blame, and how it is written down."""

from __future__ import annotations

import traceback

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from lol_dagster.riot.errors import KeyRejected
from lol_dagster.settings import SettingsError

# What a database says of values that it will not take, PostgreSQL in particular: a NUL in a text,
# a number or a text too large for its column, the same key twice.
_BAD_VALUES = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
_LONGEST_SUMMARY = 500
_LONGEST_TRACEBACK = 40_000


def is_the_games(error: Exception) -> bool:
    """Whether the game is to blame. A dead key, a missing setting, a full disk or a database that
    has gone away would hit the next game just as well.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error, _BAD_VALUES) and not error.connection_invalidated
    return not isinstance(error, (KeyRejected, SettingsError, NoConnectionLeft))


def summary(error: BaseException) -> str:
    """The error in a line that any database and any page takes."""
    # Unlike str() this also copes with an error whose own text cannot be had.
    text = "".join(traceback.format_exception_only(error)).partition(": ")[2].strip()
    name = type(error).__name__
    return _storable(f"{name}: {text}" if text else name, _LONGEST_SUMMARY)


def full_traceback(error: BaseException) -> str:
    """The traceback as text that any database takes; the middle of an endless one is left out."""
    return _storable("".join(traceback.format_exception(error)), _LONGEST_TRACEBACK)


def _storable(text: str, longest: int) -> str:
    if len(text) > longest:
        half = (longest - 5) // 2
        text = f"{text[:half]} […] {text[-half:]}"[:longest]
    # PostgreSQL takes no NUL, neither database a lone surrogate.
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
