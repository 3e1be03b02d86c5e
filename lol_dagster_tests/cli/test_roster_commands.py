"""team, player, account and channel, as typed: against the simulated Riot, with a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from lol_dagster.cli import cli
from lol_dagster.settings import load_settings
from lol_dagster.simulator.games import Account
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Player
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401 - a fixture

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")


@pytest.fixture(autouse=True)
def people(simulator: Simulator, migrated_home: Path) -> None:  # noqa: F811
    """Riot's accounts in these tests."""
    for name, platform in (("Ann", "na1"), ("Ann Smurf", "euw1"), ("Bob", "na1")):
        simulator.add_account(Account(f"puuid-{name}".ljust(78, "x"), name, "TAG", platform))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def done(*arguments: str) -> str:
    """What the command says; it must succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str) -> Any:
    return json.loads(done(*arguments, "--json"))


def refused(*arguments: str) -> str:
    """The one line that the command says when a person has to act."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("lol-dagster: ")
    return result.stderr


def add_ann(*options: str) -> str:
    return done(
        "player", "add", "Ann", "--team", "Amigos", "--account", "ann#tag", "--platform", "na1",
        *options,
    )  # fmt: skip


def everything() -> list[Any]:
    return [as_json(noun, "list") for noun in ("team", "player", "account", "channel")]


def test_a_team_has_a_language_and_a_time_zone() -> None:
    done("team", "add", "Amigos")
    amigos = as_json("team", "show", "Amigos")
    assert (amigos["language"], amigos["time_zone"]) == ("en", "UTC")
    said = done("team", "edit", "amigos", "--time-zone", "europe/berlin")
    assert said == "Messages of the team 'Amigos' are in English and tell times of Europe/Berlin.\n"
    said = done("team", "edit", "amigos", "--language", "de")
    assert said == "Messages of the team 'Amigos' are in Deutsch and tell times of Europe/Berlin.\n"
    assert "Europe/Berlin" in done("team", "show", "Amigos")
    assert "'tlh' is not one of" in run("team", "edit", "Amigos", "--language", "tlh").stderr
    assert "perhaps Europe/Berlin" in refused("team", "edit", "Amigos", "--time-zone", "Berlin")
    assert as_json("team", "add", "Elsewhere", "--time-zone", "UTC")["time_zone"] == "UTC"


def test_a_group_is_set_up_with_four_commands() -> None:
    assert "Added the team 'Amigos'" in done("team", "add", "Amigos")
    assert "Ann#TAG" in add_ann("--since", "2026-05-01")
    assert "Ann Smurf#TAG" in done("account", "add", "Ann", "ann smurf#tag", "--platform", "euw1")
    assert "shows when it is tested: lol-dagster doctor 'general'" in done(
        "channel", "add", "general", "--team", "amigos", "--kind", "discord-bot",
        "--address", "123456789012345678", "--queues", "440,420",
    )  # fmt: skip

    (player,) = as_json("player", "list")
    assert [(each["riot_id"], each["platform"]) for each in player["accounts"]] == [
        ("Ann#TAG", "na1"),
        ("Ann Smurf#TAG", "euw1"),
    ]
    assert player["teams"] == [
        {
            "team": "Amigos",
            "since": "2026-05-01T00:00:00+00:00",
            "until": None,
            "left_out": False,
        }
    ]
    team = as_json("team", "show", "AMIGOS")
    assert [each["name"] for each in team["players"]] == ["Ann"]
    assert team["channels"] == [{"name": "general", "kind": "discord-bot"}]
    channel = as_json("channel", "show", "general")
    assert channel["queues"] == [420, 440]
    assert channel["uncertain"] == "review"
    assert channel["can_read_back"] is True
    account = as_json("account", "show", "Ann#TAG")
    assert (account["player"], account["puuid"][:9]) == ("Ann", "puuid-Ann")


@pytest.mark.parametrize("noun", ["team", "player", "account", "channel"])
def test_an_empty_list_says_how_to_begin(noun: str) -> None:
    assert "add" in done(noun, "list")
    assert as_json(noun, "list") == []


def test_lists_and_pages_for_people_name_what_they_show() -> None:
    done("team", "add", "Amigos")
    add_ann()
    for noun, key in (("team", "amigos"), ("player", "ann"), ("account", "ann#tag")):
        assert "Ann" in done(noun, "list")
        assert "Ann" in done(noun, "show", key)


def test_what_is_removed_is_no_longer_listed() -> None:
    done("team", "add", "Amigos")
    add_ann()
    done(
        "channel", "add", "general", "--team", "amigos", "--kind", "slack-bot",
        "--address", "C0123456789",
    )  # fmt: skip
    assert "still has players Ann and channels general" in refused("team", "remove", "Amigos")
    assert done("channel", "remove", "GENERAL") == "Removed the channel 'general'.\n"
    assert done("account", "remove", "Ann#TAG").startswith("Ann no longer plays as Ann#TAG")
    assert done("player", "remove", "ann", "--team", "amigos") == (
        "Removed Ann from the team 'amigos'.\n"
    )
    assert done("player", "remove", "ann") == "Removed Ann for good.\n"
    assert done("team", "remove", "Amigos") == "Removed the team 'Amigos'.\n"
    assert everything() == [[], [], [], []]


def test_a_team_and_all_that_hangs_on_it_is_removed_by_force() -> None:
    done("team", "add", "Amigos")
    add_ann()
    done("team", "remove", "Amigos", "--force")
    teams, players, _, _ = everything()
    assert teams == []
    assert players[0]["teams"][0]["until"] is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["team", "add", "  "], "a name is missing"),
        (["team", "add", "AMIGOS"], "already a team 'Amigos'"),
        (["player", "add", "Ann", "--team", "Amigos"], "Ann is already in the team 'Amigos'"),
        (["player", "add", "Cleo", "--team", "Amigos"], "'Cleo' is a new player: give one account"),
        (["player", "add", "Cleo", "--team", "Amigas", "--account", "Bob#TAG", "--platform", "na1"],
         "no team 'Amigas': the teams are Amigos"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob", "--platform", "na1"],
         "'Bob' is no Riot ID"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob#TAG", "--puuid", "x"],
         "--puuid needs --platform"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob#TAG", "--platform", "na"],
         "'na' is no Riot platform: choose one of na1"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob#TAG", "--platform", "kr"],
         "'Bob#TAG' plays on na1, not kr"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob#X1", "--platform", "na1"],
         "Riot knows no account 'Bob#X1'"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "aNN#tag", "--platform", "na1"],
         "'Ann#TAG' already belongs to the player 'Ann'"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob#TAG", "--platform", "na1",
          "--since", "tomorrow"], "'tomorrow' is no date"),
        (["player", "add", "Cleo", "--team", "Amigos", "--platform", "na1"], "need --account"),
        (["player", "add", "Cleo", "--team", "Amigos", "--account", "Bob#TAG", "--platform", "na1",
          "--puuid", " "], "this is no puuid"),
        (["player", "remove", "Cleo"], "no player 'Cleo': the players are Ann"),
        (["account", "add", "Ann", "Bob#X1", "--platform", "na1"], "Riot knows no account"),
        (["account", "add", "Cleo", "Bob#TAG", "--platform", "na1"], "no player 'Cleo'"),
        (["account", "remove", "Bob#TAG"], "no player has an account 'Bob#TAG'"),
        (["channel", "add", "x", "--team", "Amigos", "--kind", "discord-bot", "--address", "here"],
         "should be the id of a Discord channel"),
        (["channel", "add", "x", "--team", "Amigos", "--kind", "discord-webhook", "--address",
          "https://evil.example/api/webhooks/123456789012345678/s3cret"], "LOL_DISCORD_URL"),
        (["channel", "add", "x", "--team", "Amigos", "--kind", "slack-bot", "--address",
          "C0123456789", "--queues", "rankde"], "is no kind of queue"),
        (["channel", "show", "x"], "no channel 'x'"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_one_line_and_nothing_half_done(arguments: list[str], said: str) -> None:
    done("team", "add", "Amigos")
    add_ann()
    before = everything()
    line = refused(*arguments)
    assert said in line
    assert "s3cret" not in line
    assert everything() == before


def test_where_an_account_plays_is_riots_to_say() -> None:
    done("team", "add", "Amigos")
    said = done("player", "add", "Ann", "--team", "Amigos", "--account", "ann smurf#tag")
    assert said.endswith(", with Ann Smurf#TAG (euw1).\n")
    assert "plays as Bob#TAG on na1" in done("account", "add", "Ann", "Bob#TAG")


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("riot.region=404", "does not say where 'Ann#TAG' plays: choose it, with --platform na1"),
        ("riot.account=503", "could not be asked for 'ann#tag'"),
    ],
)
def test_if_riot_does_not_say_it_the_person_is_asked(
    simulator: Simulator,  # noqa: F811
    faults: str,
    said: str,
) -> None:
    done("team", "add", "Amigos")
    simulator.faults.set(faults)
    adding = ("player", "add", "Ann", "--team", "Amigos", "--account", "ann#tag")
    line = refused(*adding)
    assert said in line
    assert "--platform" in line
    assert as_json("player", "list") == []
    assert "(na1)" in done(*adding, "--platform", "na1")


def test_without_a_key_riot_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    done("team", "add", "Amigos")
    monkeypatch.delenv("LOL_RIOT_API_KEY")
    adding = (
        "player",
        "add",
        "Ann",
        "--team",
        "Amigos",
        "--account",
        "Ann#TAG",
        "--platform",
        "na1",
    )
    assert "LOL_RIOT_API_KEY is not set" in refused(*adding)
    assert "Ann#TAG" in done(*adding, "--puuid", "known-by-hand")
    assert as_json("account", "list")[0]["puuid"] == "known-by-hand"


def test_a_key_that_riot_refuses_is_said_and_nothing_is_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done("team", "add", "Amigos")
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-s3cret")
    line = refused(
        "player", "add", "Ann", "--team", "Amigos", "--account", "Ann#TAG", "--platform", "na1"
    )
    assert "Riot refuses the API key" in line
    assert "s3cret" not in line
    assert as_json("player", "list") == []


def test_teams_players_and_channels_are_corrected_in_place() -> None:
    done("team", "add", "Amigos")
    add_ann()
    done(
        "channel", "add", "general", "--team", "Amigos", "--kind", "discord-bot",
        "--address", "123456789012345678", "--queues", "420",
    )  # fmt: skip
    assert done("team", "rename", "amigos", "Barons") == "The team 'Amigos' is now 'Barons'.\n"
    assert as_json("player", "rename", "ann", "Anna")["name"] == "Anna"
    (entry,) = [each for each in as_json("player", "list") if each["name"] == "Anna"]
    assert [each["team"] for each in entry["teams"]] == ["Barons"]

    edited = as_json("channel", "edit", "general", "--name", "ranked", "--message-kinds", "game")
    assert (edited["name"], edited["queues"], edited["message_kinds"]) == (
        "ranked",
        [420],
        ["game"],
    )
    edited = as_json(
        "channel", "edit", "ranked", "--queues", "all", "--address", "223456789012345678",
        "--uncertain", "resend",
    )  # fmt: skip
    assert (edited["address"], edited["queues"], edited["message_kinds"], edited["uncertain"]) == (
        "223456789012345678", None, ["game"], "resend",
    )  # fmt: skip
    edited = as_json("channel", "edit", "ranked", "--kind", "slack-bot", "--address", "C0123456789")
    assert (edited["kind"], edited["address"], edited["name"]) == (
        "slack-bot", "C0123456789", "ranked",
    )  # fmt: skip
    assert "there is no channel 'general'" in refused("channel", "edit", "general", "--name", "x")


def test_a_player_is_forgotten_when_that_is_confirmed() -> None:
    done("team", "add", "Amigos")
    add_ann()
    shown = done("player", "forget", "ann")
    assert "games alone        0" in shown
    assert "Nothing was deleted yet: lol-dagster player forget 'ann' --yes" in shown
    assert as_json("player", "show", "Ann")["name"] == "Ann"
    value = as_json("player", "forget", "ann", "--yes")
    assert (value["forgotten"], value["accounts"], value["memberships"]) == (True, 1, 1)
    assert "no player 'ann'" in refused("player", "forget", "ann")


def test_a_player_is_left_out_of_what_a_team_hears() -> None:
    done("team", "add", "Amigos")
    add_ann()
    said = done("player", "leave-out", "ann", "--team", "amigos")
    assert said == "Messages of the team 'Amigos' do not name Ann.\n"
    (entry,) = as_json("player", "show", "Ann")["teams"]
    assert entry["left_out"] is True
    said = done("player", "leave-out", "ann", "--team", "amigos", "--undo")
    assert said == "Messages of the team 'Amigos' name Ann again.\n"
    (entry,) = as_json("player", "show", "Ann")["teams"]
    assert entry["left_out"] is False
    done("team", "add", "Others")
    assert "Ann is not in the team 'Others'" in refused(
        "player", "leave-out", "ann", "--team", "others"
    )


def test_what_a_channel_wants_is_chosen_and_changed() -> None:
    done("team", "add", "Amigos")
    rules = ("min_members", "only_if")
    added = as_json(
        "channel", "add", "general", "--team", "Amigos", "--kind", "discord-bot",
        "--address", "123456789012345678", "--min-members", "2", "--only-if", "won",
    )  # fmt: skip
    assert [added[rule] for rule in rules] == [2, "won"]
    edited = as_json("channel", "edit", "general", "--name", "general")
    assert [edited[rule] for rule in rules] == [2, "won"]
    edited = as_json("channel", "edit", "general", "--min-members", "1", "--only-if", "all")
    assert [edited[rule] for rule in rules] == [1, None]
    edited = as_json("channel", "edit", "general", "--quiet-hours", "23-8", "--quiet-way", "silent")
    assert (edited["quiet_hours"], edited["quiet_way"]) == ("23:00-08:00", "silent")
    assert "such as 23:00-08:00" in refused(
        "channel", "edit", "general", "--quiet-hours", "at night"
    )
    said = "Slack has no messages without a sound"
    slack = ("--kind", "slack-bot", "--address", "C0123456789")
    assert said in refused("channel", "edit", "general", *slack)
    quiet = ("--quiet-hours", "23-8", "--quiet-way", "silent")
    assert said in refused("channel", "add", "x", "--team", "Amigos", *slack, *quiet)
    edited = as_json(
        "channel",
        "edit",
        "general",
        "--template",
        "lead={{ name }}!",
        "--template",
        "facts={{ kills }}",
    )
    assert edited["templates"] == {"lead": "{{ name }}!", "facts": "{{ kills }}"}
    edited = as_json("channel", "edit", "general", "--template", "facts=")
    assert edited["templates"] == {"lead": "{{ name }}!"}
    for wrong in ("body=x", "lead={{ 9 ** 9 }}"):
        assert refused("channel", "edit", "general", "--template", wrong, "--dry-run")
    assert as_json("channel", "edit", "general", "--template", "lead=")["templates"] is None
    shown = as_json("channel", "edit", "general", "--min-members", "3", "--dry-run")
    assert shown == {"games": 0, "same": 0, "differences": []}
    assert "Nothing was changed" in done(
        "channel", "edit", "general", "--queues", "420", "--dry-run"
    )
    assert said in refused("channel", "edit", "general", *slack, "--dry-run")
    # As saving it would be: nothing is shown of what could not be had.
    icons = ("--kind", "discord-webhook", "--quiet-hours", "none", "--pictures", "icons")
    assert "shows no icons" in refused("channel", "edit", "general", *icons, "--dry-run")
    for rule, why in (("--pictures=card", "takes no cards"), ("--story", "cannot be edited")):
        hook = ("--kind", "slack-webhook", "--quiet-hours", "none", rule)
        assert why in refused("channel", "edit", "general", *hook, "--dry-run")
    value = as_json("channel", "show", "general")
    assert (value["min_members"], value["queues"]) == (1, None)
    edited = as_json("channel", "edit", "general", "--quiet-hours", "none", *slack)
    assert (edited["quiet_hours"], edited["quiet_way"]) == (None, "silent")
    assert "1<=x<=16" in run("channel", "edit", "general", "--min-members", "0").stderr


def test_a_channel_gets_pictures_where_it_can() -> None:
    done("team", "add", "Amigos")
    channel = ("--team", "Amigos", "--kind", "discord-bot", "--address", "123456789012345678")
    assert as_json("channel", "add", "general", *channel)["pictures"] == "none"
    assert as_json("channel", "edit", "general", "--pictures", "card")["pictures"] == "card"
    assert as_json("channel", "edit", "general", "--name", "ranked")["pictures"] == "card"
    assert as_json("channel", "edit", "ranked", "--pictures", "icons")["pictures"] == "icons"
    assert as_json("channel", "edit", "ranked", "--pictures", "none")["pictures"] == "none"


def test_a_story_is_off_until_it_is_chosen_and_only_where_messages_can_be_edited() -> None:
    done("team", "add", "Amigos")
    place = ("--kind", "discord-bot", "--address", "123456789012345678")
    assert as_json("channel", "add", "general", "--team", "Amigos", *place)["story"] is False
    assert as_json("channel", "edit", "general", "--story")["story"] is True
    assert as_json("channel", "edit", "general", "--name", "general")["story"] is True
    assert as_json("channel", "edit", "general", "--no-story")["story"] is False
    address = f"{os.environ['LOL_SLACK_HOOKS_URL']}/services/T0/B0/xyz"
    hook = ("--kind", "slack-webhook", "--address", address)
    said = "messages of the kind slack-webhook cannot be edited"
    assert said in refused("channel", "add", "x", "--team", "Amigos", *hook, "--story")
    assert said in refused("channel", "edit", "general", *hook, "--story")


def test_an_account_is_corrected_or_confirmed() -> None:
    done("team", "add", "Amigos")
    add_ann()
    # Without an option: Riot is asked anew for the same Riot ID, as after a change of the key.
    assert done("account", "correct", "Ann#TAG") == "Ann plays as Ann#TAG on na1.\n"
    corrected = as_json(
        "account", "correct", "ann#tag", "--riot-id", "ann smurf#TAG", "--platform", "euw1"
    )
    assert (corrected["riot_id"], corrected["platform"], corrected["puuid"]) == (
        "Ann Smurf#TAG", "euw1", "puuid-Ann Smurf".ljust(78, "x"),
    )  # fmt: skip
    assert [each["riot_id"] for each in as_json("account", "list")] == ["Ann Smurf#TAG"]
    assert "no player has an account 'Ann#TAG'" in refused("account", "correct", "Ann#TAG")
    assert "plays on euw1, not na1" in refused(
        "account", "correct", "Ann Smurf#TAG", "--platform", "na1"
    )
    done("player", "add", "Bob", "--team", "Amigos", "--account", "Bob#TAG", "--platform", "na1")
    assert "already belongs to the player 'Bob'" in refused(
        "account", "correct", "Ann Smurf#TAG", "--riot-id", "Bob#TAG"
    )


def test_an_account_that_was_entered_for_the_wrong_player_is_moved() -> None:
    done("team", "add", "Amigos")
    add_ann()
    done("player", "add", "Bob", "--team", "Amigos", "--account", "Bob#TAG", "--platform", "na1")
    assert done("account", "move", "ann#tag", "bob") == "Ann#TAG now belongs to Bob.\n"
    assert as_json("account", "show", "Ann#TAG")["player"] == "Bob"
    assert as_json("account", "move", "Ann#TAG", "Ann")["player"] == "Ann"
    assert "there is no player 'Nobody'" in refused("account", "move", "Ann#TAG", "Nobody")
    database = open_database(load_settings())
    with database.writing() as session:
        add_game(session, "EUW1_1", played(session.scalars(select(Player)).first()))
    database.dispose()
    assert "1 games of 'Ann#TAG' count for Ann: remove the account" in refused(
        "account", "move", "Ann#TAG", "Bob"
    )
    assert as_json("account", "show", "Ann#TAG")["player"] == "Ann"


def test_while_riot_is_down_an_account_is_kept_and_resolved_later(
    simulator: Simulator,  # noqa: F811
) -> None:
    done("team", "add", "Amigos")
    simulator.faults.set("riot.account=503")
    result = run(
        "player", "add", "Ann", "--team", "Amigos", "--account", "Ann#TAG", "--platform", "na1"
    )
    assert result.exit_code == 0
    assert "Riot could not be asked for 'Ann#TAG'" in result.stderr
    assert "looked up later automatically" in result.stderr
    assert "to be resolved" in done("account", "list")
    assert as_json("account", "show", "Ann#TAG")["puuid"] is None


def test_a_webhook_is_never_shown_whole(simulator: Simulator) -> None:  # noqa: F811
    done("team", "add", "Amigos")
    url = f"{simulator.url}/discord/api/v10/webhooks/123456789012345678/s3cret"
    arguments = ("--team", "Amigos", "--kind", "discord-webhook", "--address", url)
    printed = done("channel", "add", "general", *arguments, "--uncertain", "resend")
    for command in (
        ("list",),
        ("list", "--json"),
        ("show", "general"),
        ("show", "general", "--json"),
    ):
        printed += done("channel", *command)
    assert "/webhooks/123456789012345678/…" in printed
    assert "s3cret" not in printed


def test_every_change_names_who_typed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    done("team", "add", "Amigos")
    database: Database = open_database(load_settings())
    with database.reading() as session:
        (entry,) = session.query(AuditEntry)
    database.dispose()
    assert (entry.who, entry.action, entry.table) == ("ann (command line)", "added", "teams")


def test_the_script_ends_with_status_2_and_a_line_where_home_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOL_HOME", str(tmp_path / "file" / "home"))
    ended = subprocess.run(
        [LOL_DAGSTER, "team", "list"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("lol-dagster: LOL_HOME ")
    assert ended.stderr.count("\n") == 1
