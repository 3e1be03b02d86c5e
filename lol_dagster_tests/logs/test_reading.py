"""What a person asks of the log: this game, this run, since then, the last lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lol_dagster.logs.reader import Wanted, newest, read_log
from lol_dagster_tests.logs.written import append, line, write

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _events(logs_dir: Path, **wanted: Any) -> list[str]:
    return [found.event for found in read_log(logs_dir, Wanted(**wanted))]


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


def test_since_and_until_take_the_instant_itself_and_leave_what_is_beyond(tmp_path: Path) -> None:
    for minutes in (-1, 0, 1, 2):
        write(tmp_path, NOON + timedelta(minutes=minutes), f"{minutes}")
    until = NOON + timedelta(minutes=2)
    assert _events(tmp_path, since=NOON, until=until) == ["0", "1"]
    # The same instant in another zone, where it is the next day already.
    from zoneinfo import ZoneInfo

    assert _events(tmp_path, since=NOON.astimezone(ZoneInfo("Pacific/Auckland"))) == ["0", "1", "2"]


def test_a_level_takes_graver_ones_along(tmp_path: Path) -> None:
    for level in ("debug", "info", "warning", "error", "critical"):
        write(tmp_path, NOON, level, level=level)
    write(tmp_path, NOON, 'about "level": "error"', level="info")
    assert _events(tmp_path, level="warning") == ["warning", "error", "critical"]
    assert _events(tmp_path, level="debug")[0] == "debug"


def test_a_game_is_found_wherever_it_is_named_and_not_by_a_part_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, NOON, "fetched", match_id="NA1_5")
    write(tmp_path, NOON, "checked", partition="NA1_5", run_id="r")
    write(tmp_path, NOON, "told", match_ids=["NA1_4", "NA1_5"])
    write(tmp_path, NOON, "another", match_id="NA1_55")
    write(tmp_path, NOON, "NA1_5 in passing", match_id="NA1_6")
    assert _events(tmp_path, game="NA1_5") == ["fetched", "checked", "told"]


def test_a_run_is_found_by_the_first_letters_of_its_id(tmp_path: Path) -> None:
    write(tmp_path, NOON, "one", run_id="1a2b3c4d-0000")
    write(tmp_path, NOON, "other", run_id="9f2b3c4d-1a2b")
    write(tmp_path, NOON, "none")
    assert _events(tmp_path, run="1a2b") == ["one"]


def test_players_and_channels_are_found_by_names_of_any_script(tmp_path: Path) -> None:
    write(tmp_path, NOON, "looked at", account="Ünï \u202e#EUW")
    write(tmp_path, NOON, "recorded", accounts=["A#1", "Ünï \u202e#EUW"])
    write(tmp_path, NOON, "sent", channel='the "best" \\ 频道')
    assert _events(tmp_path, player="Ünï \u202e#EUW") == ["looked at", "recorded"]
    assert _events(tmp_path, channel='the "best" \\ 频道') == ["sent"]
    assert _events(tmp_path, channel="the best") == []


def test_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
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
        return [each.event for each in newest(tmp_path, Wanted(**wanted), limit=limit)]

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


@pytest.mark.soak
def test_a_game_is_found_in_a_day_of_200_mb_within_seconds(tmp_path: Path) -> None:
    import time

    block = "".join(
        line(NOON, "Archived", match_id=f"NA1_{n}", filling="x" * 100) + "\n" for n in range(10_000)
    )
    while not tmp_path.joinpath("lol-2026-11-25.jsonl").exists() or (
        tmp_path.joinpath("lol-2026-11-25.jsonl").stat().st_size < 200_000_000
    ):
        append(tmp_path, NOON, block)
    write(tmp_path, NOON, "the one", match_id="EUW1_1")
    begun = time.process_time()
    assert _events(tmp_path, game="EUW1_1") == ["the one"]
    # Some 1 s; parsing each line takes ten times as long.
    assert time.process_time() - begun < 4
