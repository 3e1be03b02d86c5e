"""A malformed game is exported with nobody in it, and fails as before."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lol_dagster.pipeline.scenario import NothingArchivedError, export_scenario
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Quarantine
from lol_dagster_tests._support.archived_games import make_archived
from lol_dagster_tests._support.payloads import encode, match_payload, participant
from lol_dagster_tests._support.roster_rows import make_account, make_player
from lol_dagster_tests.scenarios.playing import body_of, play

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GAME = "NA1_5012345678"
NAME, TAG, PUUID, SUMMONER = "Hide on büsh", "KR1x", "pUuId-of_Hide-123", "summ-77-of-them"
PLANTED = (NAME, TAG, PUUID, SUMMONER, "büsh", "Hide", "5012345678", "987654321", "771234")
"""What must not be found in an export, in whatever case."""


def archived(
    database: Database, body: bytes, error: str = "", *, game: str = GAME
) -> dict[str, Any]:
    """The export of a game whose payload this is, in which the account PUUID is tracked."""
    with database.writing() as session:
        make_account(session, make_player(session), puuid=PUUID)
        make_archived(session, game, body, at=NOW)
        if error:
            session.add(
                Quarantine(
                    match_id=game,
                    stage="player_stats",
                    error=error,
                    traceback="",
                    code_version="1",
                    quarantined_at=NOW,
                )
            )
    with database.reading() as session:
        return export_scenario(session, game)


def malformed_payload(**fields: Any) -> dict[str, Any]:
    """A game with the same person in every odd place."""
    me = participant(
        NAME, puuid=PUUID, tag=TAG, champion="Jinx", kills=12, deaths=1, assists=7,
        summonerName=NAME, summonerId=SUMMONER, accountId=987654321, profileIcon=771234, **fields,
    )  # fmt: skip
    game = match_payload(GAME, participants=[me])
    game["info"] |= {
        "mvp": NAME.upper(),
        "comment": f"well played, {NAME}#{TAG}!",
        "byName": {NAME: {"deep": [{"deeper": [PUUID, [f"<@{SUMMONER}>"]]}]}, "hide": 3},
        "history": json.dumps({"name": NAME, "match": GAME}),
        "link": "https://example.org/players/Hide%20on%20b%C3%BCsh",
        "accountIdOfMvp": 987654321,
        "previous": 5012345678,
        "lane": "HIDE",
        "gameName": "teambuilder-match-5012345678",
    }
    game[NAME] = {"note": SUMMONER}
    return game


def survivors(scenario: dict[str, Any]) -> list[str]:
    text = json.dumps(scenario, ensure_ascii=False) + body_of(scenario).decode(errors="replace")
    return [each for each in PLANTED if each.casefold() in text.casefold()]


def test_no_planted_identity_survives_an_export(any_database: Database) -> None:
    error = f"KeyError: '{NAME}' of {PUUID} in {GAME}"
    scenario = archived(any_database, encode(malformed_payload()), error)
    assert survivors(scenario) == []


@pytest.mark.parametrize("cut", [100, 900, 2500, -20])
def test_nor_does_it_where_the_payload_is_no_json(database: Database, cut: int) -> None:
    body = encode(malformed_payload())[:cut]
    scenario = archived(database, body)
    assert "text" in scenario
    assert survivors(scenario) == []
    for mark in b'"{}[]:,':
        assert body_of(scenario).count(mark) == body.count(mark)


def test_nor_in_bytes_that_are_no_text(database: Database) -> None:
    body = b"\xff\xfe<p>" + NAME.encode() + b"</p>\x80 5012345678"
    scenario = archived(database, body)
    assert base64.b64decode(scenario["base64"]).startswith(b"\xff\xfe<")
    assert survivors(scenario) == []


def test_structure_numbers_and_riots_own_words_stay(database: Database) -> None:
    before = malformed_payload()
    after = archived(database, encode(before))["payload"]
    mine, mine_before = after["info"]["participants"][0], before["info"]["participants"][0]
    assert mine.keys() == mine_before.keys()
    for field in ("kills", "deaths", "championName", "teamPosition", "challenges", "win"):
        assert mine[field] == mine_before[field], field
    for field in ("queueId", "gameDuration", "gameMode", "gameVersion", "gameStartTimestamp"):
        assert after["info"][field] == before["info"][field], field
    assert len(mine["riotIdGameName"]) == len(NAME)


def test_the_same_person_is_the_same_one_everywhere_and_nobody_else(database: Database) -> None:
    scenario = archived(database, encode(malformed_payload()))
    after = scenario["payload"]
    people = [each["puuid"] for each in after["info"]["participants"]]
    assert len(set(people)) == 10
    assert after["metadata"]["participants"] == people
    assert scenario["tracked"] == [people[0]]
    number = scenario["match_id"].removeprefix("NA1_")
    assert after["metadata"]["matchId"] == scenario["match_id"]
    assert after["info"]["gameId"] == after["info"]["previous"] == int(number)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"championName": "x" * 500}, "championName"),
        ({"teamPosition": "TOP\x00"}, "teamPosition"),
        ({"kills": 2**31}, "kills"),
        ({"riotIdGameName": 17}, "riotIdGameName"),
        ({"win": None}, "win"),
    ],
)
def test_what_failed_fails_as_before(
    database: Database, fields: dict[str, Any], error: str
) -> None:
    game = match_payload(GAME, participants=[participant("Ann", puuid=PUUID, **fields)])
    scenario = archived(database, encode(game))
    scenario["tracked"] = []
    found = play(database, scenario)
    assert found["outcome"] == "quarantined"
    assert error in found["error"]


def test_a_game_that_is_well_is_announced(database: Database) -> None:
    scenario = archived(database, encode(malformed_payload()))
    found = play(database, scenario)
    assert (found["outcome"], found["queue"], found["announced"]) == (
        "processed",
        "Ranked Solo",
        True,
    )


def test_where_nothing_is_archived_nothing_is_exported(database: Database) -> None:
    with database.reading() as session, pytest.raises(NothingArchivedError, match=GAME):
        export_scenario(session, GAME)
