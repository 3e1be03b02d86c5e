"""Whether a game is to blame for an error, and how the error is written down."""

from __future__ import annotations

import pytest
from sqlalchemy import exc

from lol_dagster.pipeline.failures import full_traceback, is_the_games, summary
from lol_dagster.riot.errors import BadRequest, Call, KeyRejected
from lol_dagster.riot.payload import BrokenPayload
from lol_dagster.settings import SettingsError

CALL = Call("match-v5.match", "americas")


def database_said(kind: type[exc.DBAPIError], *, gone_away: bool = False) -> exc.DBAPIError:
    return kind("INSERT", {}, Exception("as the driver says"), connection_invalidated=gone_away)


@pytest.mark.parametrize(
    "error",
    [
        BrokenPayload("NA1_1", ["info: wrong"]),
        RecursionError(),
        MemoryError(),
        OverflowError(),
        BadRequest("never", CALL, 400),
        database_said(exc.DataError),
        database_said(exc.IntegrityError),
        database_said(exc.ProgrammingError),
    ],
)
def test_what_is_wrong_with_a_game_is_the_games(error: Exception) -> None:
    assert is_the_games(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyRejected("refused", CALL, 403),
        SettingsError("LOL_RIOT_API_KEY is missing"),
        exc.TimeoutError("no connection left"),
        database_said(exc.OperationalError),  # locked, full, refused
        database_said(exc.InterfaceError),
        database_said(exc.InternalError),
        database_said(exc.DatabaseError),  # SQLite: the file is damaged
        database_said(exc.DataError, gone_away=True),
    ],
)
def test_what_would_hit_the_next_game_just_as_well_is_not(error: Exception) -> None:
    assert not is_the_games(error)


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RecursionError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such queue"), "ValueError: no such queue"),
        (KeyError("queueId"), "KeyError: 'queueId'"),
        (MemoryError(), "MemoryError"),
        (BrokenPayload("NA1_1", ["a: b"]), "BrokenPayload: payload of NA1_1: a: b"),
        (ValueError("a\x00b \ud800"), "ValueError: a\ufffdb ?"),
        (SpeechlessError(), "SpeechlessError: <exception str() failed>"),
    ],
)
def test_an_error_is_a_line_that_every_database_takes(error: Exception, line: str) -> None:
    assert summary(error) == line


def test_an_error_that_quotes_megabytes_is_cut() -> None:
    error = ValueError("x" * 2_000_000)
    assert len(summary(error)) <= 500
    try:
        raise error
    except ValueError as raised:
        text = full_traceback(raised)
    assert len(text) <= 40_000
    assert text.startswith("Traceback (most recent call last)")
