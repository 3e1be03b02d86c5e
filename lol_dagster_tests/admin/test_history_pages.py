"""The log, slow queries and the audit trail in the web view."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Player
from lol_dagster.storage.slow_queries import LOGGER_NAME
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.conftest import ManualClock
from lol_dagster_tests.admin.populated import populate

HOSTILE = "<script>alert(1)</script>"


def write_lines(folder: Path, at: datetime, *lines: dict[str, Any]) -> None:
    """Lines of the log of that day, one minute apart."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"lol-{at:%Y-%m-%d}.jsonl").open("a") as file:
        for number, line in enumerate(lines):
            stamp = f"{at + timedelta(minutes=number):%Y-%m-%dT%H:%M:%S}.000Z"
            ordered = {
                "ts": stamp, "level": "info", "event": "something", "logger": "lol_dagster.x",
                "process": "run-worker", "pid": 7, **line,
            }  # fmt: skip
            file.write(json.dumps(ordered) + "\n")


@pytest.fixture(autouse=True)
def log(settings: Settings, clock: ManualClock) -> None:
    write_lines(
        settings.logs_dir,
        clock() - timedelta(hours=2),
        {"event": "about a game", "match_id": "NA1_1", "run_id": "run-1", "x": "0b7c8a5e-1"},
        {"event": "about a message", "message_id": "0b7c8a5e-1", "level": "warning"},
        {"event": HOSTILE, "player": HOSTILE, "exception": f"Traceback\n{HOSTILE}"},
    )
    slow = {"logger": LOGGER_NAME, "statement": f"SELECT '{HOSTILE}'", "rows": 3}
    write_lines(
        settings.logs_dir,
        clock() - timedelta(hours=1),
        *({**slow, "duration_ms": ms, "plan": ["SCAN games"], "caller": "a.py:1 f"}
          for ms in (120.0, 300.0)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("game=NA1_1", "about a game", "about a message"),
        ("run=run-", "about a game", "about a message"),
        ("message=0b7c", "about a message", "about a game"),
        ("level=warning", "about a message", "about a game"),
        ("since=12h", "about a game", "No lines"),
        ("since=1h", "SELECT", "about a game"),
        ("game=NA1_2", "No matching lines", "about"),
    ],
)
def test_lines_are_found_by_what_they_are_about(
    operator: Visitor, query: str, there: str, not_there: str
) -> None:
    page = operator.get(f"/logs/?{query}").text
    assert there in page
    assert not_there not in page


def test_what_is_logged_stays_text_and_the_newest_line_comes_first(operator: Visitor) -> None:
    page = operator.get("/logs/").text
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3
    assert page.index("about a message") < page.index("about a game")


def test_an_entry_is_one_line_with_its_ids_as_links_and_more_on_demand(
    operator: Visitor,
) -> None:
    page = operator.get("/logs/").text
    rows = [row for row in page.split("<tr>") if "about a" in row]
    assert len(rows) == 2
    of_message, of_game = rows
    assert (
        '<a href="/message/details/?id=0b7c8a5e-1">message <code>0b7c8a5e</code></a>' in of_message
    )
    shown, _, cells = of_game.partition("</summary>")
    details, _, about = cells.partition("</details>")
    assert "x=" not in shown
    assert "x=0b7c8a5e-1" in details
    assert "run-worker [7]" in details
    assert '<a href="/game/details/?id=NA1_1">NA1_1</a>' in about
    assert '<a href="/logs/?run=run-1">run <code>run-1</code></a>' in about


def test_slow_statements_are_summed_up(operator: Visitor) -> None:
    page = operator.get("/slow/").text
    # 120 and 300 ms.
    assert (
        "<strong>2 times</strong>, 420 ms in total, p50 120 ms, p95 300 ms, 300 ms at worst (3 rows)"
        in page
    )
    assert "SCAN games" in page
    assert HOSTILE not in page


def test_the_trail_shows_what_was_and_what_is_and_no_secret(
    operator: Visitor, database: Database
) -> None:
    with database.writing() as session:
        ids = populate(session)
    with database.writing(who=HOSTILE) as session:
        session.get_one(Player, ids["Ann"]).name = "Anna"
        hook = session.scalars(select(Channel).where(Channel.name == "amigos-hook")).one()
        hook.address = "https://hooks.slack.com/services/T1/B1/another-hidden-one"
    changed = operator.get("/audit/?flt0_who=SCRIPT").text
    assert "<del>Ann</del> → Anna" in changed
    assert "<em>changed</em>" in changed
    assert HOSTILE not in changed
    assert f"/player/details/?id={ids['Ann']}" in changed
    assert "2 in all" in changed
    assert "hidden" not in operator.get("/audit/export/json/").text
    of_ann = operator.get(f"/audit/?flt0_table=players&flt0_id={ids['Ann']}").text
    assert "2 in all" in of_ann  # added and changed
