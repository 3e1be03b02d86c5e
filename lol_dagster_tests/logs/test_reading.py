"""The log is read back by game, run, time, and as it grows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lol_dagster.logs import reading
from lol_dagster.logs.reading import Follower, LogFilter, newest, read_log
from lol_dagster.logs.writing import file_of
from lol_dagster_tests._support.log_lines import append, line, write

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _events(logs_dir: Path, **wanted: Any) -> list[str]:
    return [found.event for found in read_log(logs_dir, LogFilter(**wanted))]


def test_days_are_read_in_their_order_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, NOON, "today")
    write(tmp_path, NOON - DAY, "yesterday")
    write(tmp_path, NOON - 40 * DAY, "long ago")
    (tmp_path / "daemon-2026-11-25.log").write_text("not ours\n")
    (tmp_path / "lol-2026-11-25.jsonl.bak").write_text(line(NOON, "a copy") + "\n")
    assert _events(tmp_path) == ["long ago", "yesterday", "today"]


def test_no_log_at_all_is_an_empty_one(tmp_path: Path) -> None:
    assert _events(tmp_path / "logs") == []
    assert newest(tmp_path / "logs", limit=5) == []


def test_since_includes_the_instant_itself(tmp_path: Path) -> None:
    for minutes in (-1, 0, 1, 2):
        write(tmp_path, NOON + timedelta(minutes=minutes), f"{minutes}")
    assert _events(tmp_path, since=NOON) == ["0", "1", "2"]
    # The same instant in another zone, where it is the next day already.
    from zoneinfo import ZoneInfo

    assert _events(tmp_path, since=NOON.astimezone(ZoneInfo("Pacific/Auckland"))) == ["0", "1", "2"]


def test_a_level_includes_more_severe_ones(tmp_path: Path) -> None:
    for level in ("debug", "info", "warning", "error", "critical"):
        write(tmp_path, NOON, level, level=level)
    write(tmp_path, NOON, 'about "level": "error"', level="info")
    assert _events(tmp_path, level="warning") == ["warning", "error", "critical"]
    assert _events(tmp_path, level="debug")[0] == "debug"


def test_a_game_is_found_wherever_it_is_named_and_not_by_a_part_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, NOON, "fetched", match_id="NA1_5")
    write(tmp_path, NOON, "checked", partition="NA1_5", run_id="r")
    write(tmp_path, NOON, "delivered", match_ids=["NA1_4", "NA1_5"])
    write(tmp_path, NOON, "another", match_id="NA1_55")
    write(tmp_path, NOON, "NA1_5 in passing", match_id="NA1_6")
    assert _events(tmp_path, game="NA1_5") == ["fetched", "checked", "delivered"]


def test_a_run_is_found_by_the_first_letters_of_its_id(tmp_path: Path) -> None:
    write(tmp_path, NOON, "one", run_id="1a2b3c4d-0000")
    write(tmp_path, NOON, "other", run_id="9f2b3c4d-1a2b")
    write(tmp_path, NOON, "none")
    assert _events(tmp_path, run="1a2b") == ["one"]


def test_players_and_channels_are_found_by_names_of_any_script(tmp_path: Path) -> None:
    write(tmp_path, NOON, "polled", account="Ünï \u202e#EUW")
    write(tmp_path, NOON, "recorded", accounts=["A#1", "Ünï \u202e#EUW"])
    write(tmp_path, NOON, "sent", channel='the "best" \\ 频道')
    assert _events(tmp_path, player="Ünï \u202e#EUW") == ["polled", "recorded"]
    assert _events(tmp_path, channel='the "best" \\ 频道') == ["sent"]
    assert _events(tmp_path, channel="the best") == []


def test_what_is_no_line_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, NOON, "before")
    append(tmp_path, NOON, line(NOON, "torn by a power cut")[:50] + "\n")
    append(tmp_path, NOON, "\n[1]\nnull\n\x00\x00\x00\n" + '{"ts": "2026-11-25"}\n')
    with (tmp_path / "lol-2026-11-25.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\n")
    write(tmp_path, NOON, "after")
    assert _events(tmp_path) == ["before", "after"]


def test_the_newest_lines_reach_back_over_days_and_come_oldest_first(tmp_path: Path) -> None:
    for days in (3, 2, 1):
        write(tmp_path, NOON - days * DAY, f"a{days}")
        write(tmp_path, NOON - days * DAY, f"b{days}", match_id="NA1_1")

    def found(limit: int, **wanted: Any) -> list[str]:
        return [each.event for each in newest(tmp_path, LogFilter(**wanted), limit=limit)]

    assert found(3) == ["b2", "a1", "b1"]
    assert found(2, game="NA1_1") == ["b2", "b1"]
    assert found(9, since=NOON - 2 * DAY) == ["a2", "b2", "a1", "b1"]
    assert found(0) == []


def test_a_line_brings_all_that_is_known(tmp_path: Path) -> None:
    write(tmp_path, NOON, "quarantined", level="error", exception="Traceback …", match_id="NA1_1")
    (found,) = read_log(tmp_path)
    assert (found.at, found.level, found.process, found.pid) == (NOON, "error", "run-worker", 4711)
    assert found.logger == "lol_dagster.riot.archive"
    assert (found.fields, found.exception) == ({"match_id": "NA1_1"}, "Traceback …")
    assert found.raw == line(
        NOON, "quarantined", level="error", exception="Traceback …", match_id="NA1_1"
    )


def test_only_lines_that_name_what_is_looked_for_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of 200 MB would take ten times as long otherwise."""
    for number in range(100):
        write(tmp_path, NOON, "Archived", match_id=f"NA1_{number}")
    write(tmp_path, NOON, "the one", match_id="EUW1_1")
    parsed: list[bytes] = []
    real = reading._parse

    def parse(raw: bytes) -> reading.LogLine | None:
        parsed.append(raw)
        return real(raw)

    monkeypatch.setattr(reading, "_parse", parse)
    assert _events(tmp_path, game="EUW1_1") == ["the one"]
    assert len(parsed) == 1
    assert _events(tmp_path, since=NOON + DAY) == []
    assert _events(tmp_path, level="error") == []
    assert len(parsed) == 1


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
    assert [found.event for found in follower.new_lines()] == [
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
    write(tmp_path, EVENING, "a moment after")
    write(tmp_path, NEXT_DAY, "on time")
    assert _new(follower) == ["a moment after", "on time"]
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


def test_a_file_that_is_deleted_is_followed_to_its_end_and_so_is_the_next(
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
    follower = Follower(tmp_path / "logs", LogFilter(game="NA1_1"))
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            write(tmp_path / "logs", EVENING, "other")
            write(tmp_path / "logs", EVENING, "there", match_id="NA1_1")

    assert next(follower.lines(wait)).event == "there"
    assert len(waits) == 3
    follower.close()
