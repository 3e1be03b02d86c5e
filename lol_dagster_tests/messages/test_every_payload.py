"""Whatever Riot sends: a game of every mode, and of each field that is absent, null or empty."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports import discord_format, slack_format
from lol_dagster.riot.modes import MODES, Mode, ModeFamily
from lol_dagster.riot.payload import BrokenPayload
from lol_dagster.stats.reading import GameReading, read_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Team
from lol_dagster_tests._support.announced import message_of
from lol_dagster_tests._support.payloads import (
    ABSENT,
    ENDED_AT,
    Json,
    encode,
    match_payload,
    participant,
    puuid_of,
)
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_member,
    make_membership,
    make_player,
    make_team,
)

GAME_LIKE = {
    "rift": "draft", "aram": "aram", "arena": "arena_18", "swarm": "swarm_3", "other": "urf",
}  # fmt: skip
"""Family → a game of it, whose mode and queue are then replaced."""


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.writing() as session:
        yield session


@pytest.fixture
def team(session: Session) -> Team:
    """Ann is its member."""
    team = make_team(session)
    make_member(session, team, "Ann", puuid=puuid_of("Ann"))
    return team


def rows() -> Iterator[tuple[Mode, int, str]]:
    """Every mode and every queue of the table, with its name; a mode's own in a queue that nobody knows."""
    for mode in MODES:
        yield mode, 98_765, mode.name
        for queue in mode.queues:
            yield mode, queue.id, queue.name


def test_a_game_of_every_row_is_called_by_its_name_and_as_its_family_reads(
    session: Session, team: Team
) -> None:
    assert set(GAME_LIKE) == set(get_args(ModeFamily))
    for number, (mode, queue_id, name) in enumerate(rows(), start=1):
        match_id = f"EUW1_{number}"
        ann = participant("Ann", champion="Jinx", kills=12, deaths=3, assists=6)
        payload = match_payload(
            match_id, mode=GAME_LIKE[mode.family], participants=[ann],
            queueId=queue_id, gameMode=mode.code,
        )  # fmt: skip
        content = message_of(session, team, match_id, payload)
        result = "1st place" if mode.family == "arena" else "Victory"
        assert content.title.startswith(f"{result} · {name} · "), name
        (line,) = content.sections[0].lines
        score = "160 kills, 3 deaths" if mode.family == "swarm" else "12/3/6"
        assert line.facts[:2] == ("Jinx", score)
        # 160 in 30 minutes; in URF in 15. In no other family are there lanes.
        creep_score = {"rift": "5.3 CS/min", "other": "10.7 CS/min"}.get(mode.family)
        assert [each for each in line.details if "CS" in each] == (
            [creep_score] if creep_score else []
        )


def test_a_mode_that_does_not_exist_yet_reads_by_what_the_payload_says(
    session: Session, team: Team
) -> None:
    ann = participant("Ann", champion="Jinx", kills=12, deaths=3, assists=6)
    unknown = match_payload(
        "EUW1_1", mode="urf", participants=[ann], queueId=5000, gameMode="SNOW_BALL"
    )
    content = message_of(session, team, "EUW1_1", unknown)
    assert content.title == "Victory · Snow Ball · 15:00"
    assert content.sections[0].lines[0].details[:2] == ("KDA 6.0", "10.7 CS/min")

    in_subteams = match_payload(
        "EUW1_2", mode="arena_18", participants=[participant("Ann", subteam=2)], gameMode="PEACH"
    )
    assert message_of(session, team, "EUW1_2", in_subteams).title == "2nd place · Peach · 22:30"


def read(payload: Json) -> GameReading:
    return read_game("NA1_5000000001", encode(payload), fetched_at=ENDED_AT)


@pytest.mark.parametrize(
    ("minions", "monsters", "has_lanes"),
    # Means of real games, to 15 minutes: URF 15.24, URF 13.3, One for All without positions, Brawl, ARAM.
    [(66, 11, True), (53, 3, True), (40, 4, False), (28, 8, False), (36, 0, False), (90, 0, False)],
)
def test_without_positions_lanes_are_known_by_their_minions_and_the_jungle(
    minions: int, monsters: int, has_lanes: bool
) -> None:
    people = [
        participant(totalMinionsKilled=minions, neutralMinionsKilled=monsters) for _ in range(10)
    ]
    assert read(match_payload(mode="urf", participants=people)).has_lanes is has_lanes


def test_positions_say_that_there_are_lanes_where_most_have_one() -> None:
    few = {"totalMinionsKilled": 5, "neutralMinionsKilled": 0}
    for count, has_lanes in ((6, True), (5, False)):
        people = [
            participant(teamPosition="TOP" if number < count else "Invalid", **few)
            for number in range(10)
        ]
        assert read(match_payload(participants=people)).has_lanes is has_lanes
    assert not read(match_payload(participants=[participant(cs=0) for _ in range(10)])).has_lanes


# --- absent, null, empty ----------------------------------------------------------------------------

REQUIRED_OF_A_PARTICIPANT = {"teamId", "win", "kills", "deaths", "assists"}
"""Who with whom, the score, who won: without these there is no message."""


def ann_and_nine() -> Json:
    """Real-like: with all that Riot sends, and what nobody reads."""
    return match_payload(
        participants=[
            participant("Ann", tag="EUW", champion="Jinx", kills=12, deaths=3, assists=6, cs=210)
        ]
    )


def emptied(part: Json, field: str) -> Iterator[Any]:
    """The part of a payload without the field, with null there, and with what is empty."""
    value = part[field]
    for nothing in (ABSENT, None, type(value)() if isinstance(value, (str, list, dict)) else ""):
        changed = copy.deepcopy(part)
        if nothing is ABSENT:
            del changed[field]
        else:
            changed[field] = nothing
        yield changed


@pytest.mark.parametrize("field", sorted(ann_and_nine()["info"]["participants"][0]))
def test_any_field_of_a_participant_may_be_absent_null_or_empty(field: str) -> None:
    payload = ann_and_nine()
    for ann in emptied(payload["info"]["participants"][0], field):
        payload["info"]["participants"][0] = ann
        if field in REQUIRED_OF_A_PARTICIPANT:
            with pytest.raises(BrokenPayload) as refused:
                read(payload)
            assert refused.value.errors[0].startswith(f"info.participants.0.{field}: ")
            continue
        game = read(payload)
        person = game.participants[0]
        assert (game.result, game.queue_name, game.has_lanes) == ("played", "Ranked Solo", True)
        assert (person.kills, person.deaths, person.assists, person.outcome) == (12, 3, 6, "win")
        assert (person.participant_id, person.time_played_s) == (1, 1800)
        assert person.champion == "Jinx"
        if field not in {"riotIdGameName", "riotIdTagline"}:
            assert person.display_name == "Ann#EUW"


@pytest.mark.parametrize("field", sorted(set(ann_and_nine()["info"]) - {"participants"}))
def test_any_field_of_a_game_may_be_absent_null_or_empty(field: str) -> None:
    payload = ann_and_nine()
    for info in emptied(payload["info"], field):
        game = read({**payload, "info": info})
        assert (game.result, game.queue_name) == (
            "played",
            "Summoner's Rift" if field == "queueId" else "Ranked Solo",
        )
        # A game is created 15 seconds before this one starts; that stands in for the start.
        begins = timedelta(seconds=15 if field == "gameStartTimestamp" else 0)
        assert (game.duration_s, game.ended_at) == (1800, ENDED_AT - begins)
        assert len(game.participants) == 10


def test_null_instead_of_participants_is_an_empty_answer() -> None:
    payload = ann_and_nine()
    payload["info"]["participants"] = None
    assert read(payload).result == "empty"


@pytest.mark.parametrize("field", ["matchId", "participants", "dataVersion"])
def test_any_field_of_the_metadata_may_be_absent_null_or_empty(field: str) -> None:
    payload = ann_and_nine()
    for metadata in emptied(payload["metadata"], field):
        assert read({**payload, "metadata": metadata}).result == "played"
    assert read({**payload, "metadata": None}).result == "played"


@pytest.mark.parametrize("puuid", ["BOT", "00000000-0000-0000-0000-000000000000"])
def test_bots_are_known_by_either_of_their_puuids(puuid: str) -> None:
    game = read(
        match_payload(
            queueId=98_765, participants=[participant(puuid=puuid, team=200) for _ in range(5)]
        )
    )
    assert [person.is_bot for person in game.participants] == [False] * 5 + [True] * 5
    assert {person.puuid for person in game.participants[5:]} == {None}
    assert (game.queue_kind, game.counts_in_form) == ("bots", False)


# --- real payloads ----------------------------------------------------------------------------------


def test_a_real_game_of_each_kind_can_be_announced(session: Session, shared_dir: Path) -> None:
    """Of whoever is first in it. How each is read in all its fields: stats/test_real_games.py."""
    team = make_team(session)
    ann = make_player(session, "Ann")
    make_account(session, ann, puuid=puuid_of("Ann"))
    make_membership(session, team, ann, since=datetime(2020, 1, 1, tzinfo=UTC))
    kinds = sorted(each for each in (shared_dir / "riot/matches").iterdir() if each.is_dir())
    assert kinds
    for number, kind in enumerate(kinds, start=1):
        info = json.loads(min(kind.glob("*.json")).read_text()).get("info")
        if not info or not info["participants"]:
            continue  # an empty answer, or an esports dump, in which nobody has a puuid
        person = next(each for each in info["participants"] if len(each["puuid"]) > 40)
        person["puuid"] = puuid_of("Ann")
        content = message_of(session, team, f"EUW1_{number}", {"info": info})
        text = json.dumps(
            [discord_format.render(content, "m.1"), slack_format.render(content, "m.1")]
        )
        for odd in ("None", "nan", "null", "Unknown"):
            assert odd not in text, kind.name
