"""Watching the log as it grows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lol_dagster.logs.daily_file import file_of
from lol_dagster.logs.follow import Follower
from lol_dagster.logs.reader import Wanted
from lol_dagster_tests.logs.written import append, line, write

EVENING = datetime(2026, 11, 25, 23, 59, tzinfo=UTC)
NEXT_DAY = EVENING + timedelta(minutes=2)


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    follower = Follower(tmp_path)
    yield follower
    follower.close()


def _new(follower: Follower) -> list[str]:
    return [found.event for found in follower.new_lines()]


def test_the_past_comes_first_and_each_line_once(tmp_path: Path, follower: Follower) -> None:
    for days in (4, 3, 1, 0):
        write(tmp_path, EVENING - timedelta(days=days), f"{days} days ago")
    assert [found.event for found in follower.past()] == [
        "4 days ago", "3 days ago", "1 days ago", "0 days ago",
    ]  # fmt: skip
    write(tmp_path, EVENING, "new")
    assert _new(follower) == ["new"]
    assert _new(follower) == []


def test_midnight_is_no_end_and_the_old_day_may_still_get_a_line(
    tmp_path: Path, follower: Follower
) -> None:
    write(tmp_path, EVENING, "before")
    assert _new(follower) == ["before"]
    write(tmp_path, NEXT_DAY, "after")
    assert _new(follower) == ["after"]
    # Another process was just about to write it.
    write(tmp_path, EVENING, "late")
    write(tmp_path, NEXT_DAY, "on time")
    assert _new(follower) == ["late", "on time"]
    write(tmp_path, NEXT_DAY + timedelta(days=1), "and the next")
    write(tmp_path, NEXT_DAY + timedelta(days=2), "and the next but one")
    assert _new(follower) == ["and the next", "and the next but one"]


def test_a_line_is_shown_when_it_is_complete(tmp_path: Path, follower: Follower) -> None:
    text = line(EVENING, "whole")
    append(tmp_path, EVENING, text[:40])
    assert _new(follower) == []
    append(tmp_path, EVENING, text[40:])
    assert _new(follower) == []
    append(tmp_path, EVENING, "\n")
    assert _new(follower) == ["whole"]


def test_a_file_that_is_taken_away_is_followed_to_its_end_and_so_is_the_next(
    tmp_path: Path, follower: Follower
) -> None:
    write(tmp_path, EVENING, "first")
    assert _new(follower) == ["first"]
    write(tmp_path, EVENING, "just before")
    file_of(tmp_path, EVENING.date()).unlink()
    assert _new(follower) == ["just before"]
    write(tmp_path, EVENING, "made again")
    assert _new(follower) == ["made again"]
    file_of(tmp_path, EVENING.date()).rename(tmp_path / "away")
    write(tmp_path, EVENING, "in its place")
    assert _new(follower) == ["in its place"]


def test_a_file_that_is_emptied_is_read_from_its_beginning(
    tmp_path: Path, follower: Follower
) -> None:
    write(tmp_path, EVENING, "first, and long enough")
    assert _new(follower) == ["first, and long enough"]
    file_of(tmp_path, EVENING.date()).write_text("")
    assert _new(follower) == []
    write(tmp_path, EVENING, "new")
    assert _new(follower) == ["new"]


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "logs", Wanted(game="NA1_1"))
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            write(tmp_path / "logs", EVENING, "other")
            write(tmp_path / "logs", EVENING, "there", match_id="NA1_1")

    assert next(follower.lines(wait)).event == "there"
    assert len(waits) == 3
    follower.close()
