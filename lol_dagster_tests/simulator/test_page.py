"""The page: what it is made of, and that nothing hostile comes alive on it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lol_dagster.simulator.main import Simulator
from lol_dagster_tests.simulator.asking import (
    CHANNEL,
    SLACK_CHANNEL,
    ask,
    ask_discord,
    ask_riot,
    post_discord,
    post_slack,
)

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def shown(chromium: str, world: Simulator, channel: str, profile: Path) -> str:
    """The page's document after a real browser has run it."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
        "--disable-component-update --disable-sync --virtual-time-budget=1500 --dump-dom"
    )
    done = subprocess.run(
        [chromium, *flags.split(), f"--user-data-dir={profile}", f"{world.url}/#{channel}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_page_needs_nothing_from_elsewhere_and_forbids_it(world: Simulator) -> None:
    page = ask(world, "GET", "/", {})
    assert "default-src 'none'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert "/page.js" in parts
    for part in parts:
        assert part.startswith("/"), "an address of another host"
        assert ask(world, "GET", part, {}).status == 200
    everything = b"".join(
        ask(world, "GET", f"/{name}", {}).body for name in ("page.js", "page.css")
    )
    assert b"innerHTML" not in everything
    assert b"url(" not in everything


def test_hostile_text_stays_text_in_a_browser(
    world: Simulator, chromium: str, tmp_path: Path
) -> None:
    post_discord(
        world,
        content=HOSTILE,
        embeds=[
            {
                "title": HOSTILE,
                "description": f"**\\_under\\_ \\*score\\*** {HOSTILE} [x](javascript:alert(1))",
                "fields": [{"name": HOSTILE, "value": HOSTILE}],
                "footer": {"text": HOSTILE},
                "url": "https://example.org/m?d=1.1",
            }
        ],
    )
    page = shown(chromium, world, f"discord/{CHANNEL}", tmp_path)
    messages = page.partition('id="messages"')[2].partition("</ol>")[0]
    assert "<title>The simulated world</title>" in page
    assert "<img" not in messages
    assert "<script" not in messages
    assert messages.count("&lt;img src=x") == 6
    assert "<strong>_under_ *score*</strong>" in messages  # escaped marks are shown as they are
    assert 'href="https://example.org/m?d=1.1"' in messages
    assert 'href="javascript' not in messages


def test_edits_deletions_and_slacks_marks_are_shown(
    world: Simulator, chromium: str, tmp_path: Path
) -> None:
    ids = [post_discord(world, content=text).json["id"] for text in ("one", "two")]
    path = f"/channels/{CHANNEL}/messages"
    ask_discord(world, "PATCH", f"{path}/{ids[0]}", {"content": "changed"})
    ask_discord(world, "DELETE", f"{path}/{ids[1]}")
    blocks = [
        {
            "type": "section",
            "text": {
                "type": "mrkdwn",
                "text": "*bold* a_b_c &lt;b&gt; &amp;amp; <https://example.org/x|a link>",
            },
        }
    ]
    post_slack(world, text="x", blocks=blocks)
    page = shown(chromium, world, f"discord/{CHANNEL}", tmp_path / "one")
    assert "changed" in page
    assert "(edited)" in page
    assert re.search(r"message discord[^\"]* deleted.*two.*\(deleted", page, re.DOTALL)
    page = shown(chromium, world, f"slack/{SLACK_CHANNEL}", tmp_path / "two")
    assert "<strong>bold</strong> a_b_c &lt;b&gt; &amp;amp; " in page
    assert ">a link</a>" in page


def test_the_state_counts_what_has_happened(world: Simulator) -> None:
    world.set_faults("slack=503:0")
    post_discord(world, content="x")
    ask_riot(world, "na1", "/lol/status/v4/platform-data")
    state = ask(world, "GET", "/state", {}).json
    assert state["channels"][0]["id"] == CHANNEL
    assert state["channels"][0]["messages"][0]["body"]["content"] == "x"
    assert state["riot"] == {"na1": [[10.0, 1, 500], [600.0, 1, 30000]]}
    assert state["faults"] == "slack=503:0"
    assert state["violations"] == 0


def test_people_are_who_can_be_tracked(world: Simulator) -> None:
    world.make_games(20)
    people = ask(world, "GET", "/people", {}).json
    assert len(people) == 12
    first = people[0]
    assert first["riot_id"] == f"{first['game_name']}#{first['tag_line']}"
    assert {one["platform"] for one in people} == {"na1", "euw1"}


def test_an_unknown_path_is_not_found(world: Simulator) -> None:
    assert ask(world, "GET", "/../../etc/passwd", {}).status == 404
    assert ask(world, "GET", "/page", {}).status == 404
