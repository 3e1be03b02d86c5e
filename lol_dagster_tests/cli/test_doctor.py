"""`lol-dagster doctor` against the simulated world."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.commands import as_json, refused, run, said
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401


def _channels(database: Database) -> None:
    with database.writing() as session:
        team = make_team(session, "Barons")
        make_channel(session, team, "good", address="700000000000000001")
        make_channel(session, team, "bad", address="700000000000000002")


@pytest.mark.sqlite
def test_all_is_tried_and_what_is_missing_decides_the_exit_status(
    database: Database,
    simulator: Simulator,  # noqa: F811
) -> None:
    _channels(database)
    simulator.set_faults("discord.list@700000000000000002=unreadable;discord.get=unreadable")

    result = run("doctor")
    assert result.exit_code == 1, result.output
    assert "database: ok" in result.stdout
    assert "Riot key: ok" in result.stdout
    assert "Read Message History" in result.stdout
    assert "less is promised" in result.stdout

    simulator.set_faults("")
    value = json.loads(run("doctor", "good", "--json").stdout)
    assert (value["ok"], value["setup"]) == (True, [])
    (channel,) = value["channels"]
    assert [each["result"] for each in channel["findings"]] == ["ok"] * 5
    assert all(each["message"] for each in simulator.truth.posted)


def test_what_was_found_is_shown_with_the_channel(
    database: Database,
    simulator: Simulator,  # noqa: F811
) -> None:
    _channels(database)
    simulator.set_faults("discord.list@700000000000000002=unreadable;discord.get=unreadable")
    assert run("doctor", "bad").exit_code == 1
    shown = as_json("channel", "show", "bad")
    assert (shown["history_hidden"], shown["can_read_back"]) == (True, False)
    assert "less is promised" in shown["promise"]
    heading, bad, good, *promises = said("channel", "list").splitlines()
    assert heading.split()[-2:] == ["TESTED", "HISTORY"]
    assert "cannot find, read" in bad
    assert "never" in good
    assert any(line.startswith("bad: ") and "less is promised" in line for line in promises)
    assert not any(line.startswith("good: ") for line in promises), "nobody has tried it"
    assert as_json("channel", "show", "good")["promise"] is None
    simulator.set_faults("")
    assert run("doctor", "good").exit_code == 0
    assert "good: Delivered exactly once" in said("channel", "list")


def test_a_key_that_riot_refuses_is_named(database: Database, simulator: Simulator) -> None:  # noqa: F811
    simulator.set_faults("riot=403")
    result = run("doctor")
    assert result.exit_code == 1
    assert "Riot key: MISSING" in result.stdout


def test_a_name_that_is_none_posts_nothing(database: Database, simulator: Simulator) -> None:  # noqa: F811
    _channels(database)
    assert "there is no channel 'nope'" in refused("doctor", "good", "nope")
    assert simulator.truth.posted == []


def test_the_champions_without_an_icon_are_counted_for_channels_that_want_them(
    database: Database,
    simulator: Simulator,  # noqa: F811
) -> None:
    assert "champion icons" not in [each["name"] for each in _setup()]
    with database.writing() as session:
        team = make_team(session, "Barons")
        make_channel(session, team, "discord", address="700000000000000001", pictures="icons")
        make_channel(
            session, team, "slack", kind="slack-bot", address="C012345678", pictures="icons"
        )

    def found() -> list[tuple[bool, str]]:
        return [(each["ok"], each["said"]) for each in _setup() if each["name"] == "champion icons"]

    for (ok, words), kind in zip(found(), ("discord-bot", "slack-bot"), strict=True):
        assert not ok
        assert re.match(rf"{kind}: \d\d champions have none yet \(A\w+, .*, …\); 'lol-dagster icons", words)  # fmt: skip
    simulator.discord._limit = Limit(1000, 1)  # the clock is the real one
    done = run("icons", "upload")
    assert done.exit_code == 0, done.output
    assert re.search(r"^(\d+) champions: \1 icons uploaded to Discord, 0 were there, 0 failed.$", done.stdout, re.MULTILINE)  # fmt: skip
    assert [ok for ok, _ in found()] == [True, True]
    again = json.loads(run("icons", "upload", "--json").stdout)
    assert (again["uploaded"], again["were_there"]) == (0, again["champions"])
    simulator.set_faults("ddragon.versions=500")
    assert [ok for ok, _ in found()] == [False]
    refusal = run("icons", "upload")
    assert refusal.exit_code == 2
    assert "the champions' icons are not to be had" in refusal.stderr


def test_who_has_no_discord_bot_reads_what_the_icons_are_for(
    database: Database, simulator: Simulator, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.delenv("LOL_DISCORD_BOT_TOKEN")
    done = run("icons", "upload")
    assert done.exit_code == 0, done.output
    assert re.search(r"^\d\d champions: their icons are known for Slack alone, as LOL_DISCORD_BOT_TOKEN is not set, 0 failed.$", done.stdout, re.MULTILINE)  # fmt: skip


def test_fonts_that_cards_lack_are_named_with_debians_packages(
    database: Database, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv("LOL_CARD_FONTS", str(tmp_path))
    assert "card fonts" not in [each["name"] for each in _setup()]
    with database.writing() as session:
        team = make_team(session, "Barons")
        make_channel(session, team, "discord", address="700000000000000001", pictures="card")
    (found,) = [each for each in _setup() if each["name"] == "card fonts"]
    assert found["ok"], "cards are drawn all the same"
    assert re.search(r"山.* in fonts-noto-cjk, ท.* in fonts-noto-core$", found["said"])


def _setup() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("doctor", "--json").stdout)["setup"]
    return found
