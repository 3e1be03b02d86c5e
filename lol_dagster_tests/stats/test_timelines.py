"""What a timeline adds to a game's rows, and that one that is missing or damaged costs nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.riot.archive import packed
from lol_dagster.stats.record import read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Game, PlayerStat, Timeline
from lol_dagster_tests._support.archived_games import make_archived
from lol_dagster_tests._support.payloads import ENDED_AT, participant, payload_bytes, puuid_of
from lol_dagster_tests._support.roster_rows import make_account, make_player
from lol_dagster_tests._support.timelines import timeline

MATCH = "NA1_5000000001"
NOW = ENDED_AT + timedelta(minutes=3)


def recorded(database: Database, given: bytes | None, **damage: Any) -> tuple[Game, PlayerStat]:
    """Ann's game, of which Riot has given this timeline."""
    with database.writing() as session:
        make_archived(session, MATCH, payload_bytes(participants=[participant("Ann")]), at=NOW)
        make_account(session, make_player(session, "Ann"), puuid=puuid_of("Ann"))
        if given is not None:
            session.add(Timeline(**{**packed(MATCH, given, NOW), **damage}))
    for _ in range(2):  # again, it says the same
        with database.writing() as session:
            archived = read_archived(session, MATCH)
            record_game(session, archived, code_version="1", now=NOW, run_id="run-1")
    with database.reading() as session:
        return session.scalars(select(Game)).one(), session.scalars(select(PlayerStat)).one()


def test_gold_at_15_minutes_the_lead_and_the_comeback_are_kept(any_database: Database) -> None:
    leads = [0] * 12 + [-8500] + [0] * 8
    said = timeline(MATCH, leads, gold={(15, 1): 7000, (15, 6): 6200})
    game, stat = recorded(any_database, json.dumps(said).encode())
    assert (stat.gold_at_15, stat.gold_lead_at_15) == (7000, 800)
    assert stat.highlights == ["comeback"]
    assert stat.extra is not None
    assert stat.extra["behind"] == 8500
    assert game.course is not None
    assert game.course["leads"][12] == [720, -8500]


@pytest.mark.parametrize(
    ("body", "damage"),
    [
        (None, {}),
        (b'{"info": {"frames": [{"timestamp": -1}]}}', {}),
        (json.dumps(timeline("NA1_2", [0, 0])).encode(), {}),
        (json.dumps(timeline(MATCH, [0, 0])).replace('"10"', '"ten"').encode(), {}),
        (json.dumps(timeline(MATCH, [0, 0])).encode(), {"body": b"no zlib"}),
        (json.dumps(timeline(MATCH, [0, 0])).encode(), {"sha256": "0" * 64}),
        (json.dumps(timeline(MATCH, [0, 0])).encode(), {"body": None}),  # it was never given
    ],
    ids=["none", "wrong", "another's", "no numbers", "unpacked", "checksum", "waited for"],
)
def test_a_game_without_a_timeline_that_can_be_read_is_recorded_all_the_same(
    database: Database, body: bytes | None, damage: dict[str, Any]
) -> None:
    game, stat = recorded(database, body, **damage)
    assert (game.result, game.course) == ("played", None)
    assert (stat.gold_at_15, stat.gold_lead_at_15, stat.highlights) == (None, None, [])


def test_of_a_timeline_that_cannot_be_read_the_log_says_why_and_of_which_game(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    recorded(database, json.dumps(timeline("NA1_2", [0, 0])).encode())
    line = next(each for each in caplog.records if each.levelname == "WARNING")
    assert line.getMessage().startswith("Left out: ")
    assert line.getMessage().endswith("metadata.matchId: is that of another match")
    assert line.match_id == MATCH  # type: ignore[attr-defined]


def test_a_timeline_that_comes_after_the_archive_was_read_is_not_left_out(
    any_database: Database,
) -> None:
    """Nobody would process the game again for it: it is being processed."""
    with any_database.writing() as session:
        make_archived(session, MATCH, payload_bytes(participants=[participant("Ann")]), at=NOW)
        archived = read_archived(session, MATCH)
        assert archived.course is None
    with any_database.writing() as session:
        body = json.dumps(timeline(MATCH, [0, 700])).encode()
        session.add(Timeline(**packed(MATCH, body, NOW)))
    with any_database.writing() as session:
        record_game(session, archived, code_version="1", now=NOW, run_id="run-1")
    with any_database.reading() as session:
        course = session.scalars(select(Game.course)).one()
    assert course is not None
    assert course["leads"] == [[0, 0], [60, 700]]
