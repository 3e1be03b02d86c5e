"""The stage player_stats, on both databases."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.riot.payload import BrokenPayload
from lol_dagster.stats.reading import GameReading
from lol_dagster.stats.record import read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    FormerPuuid,
    Game,
    Match,
    Participant,
    Player,
    PlayerStat,
)
from lol_dagster_tests._support.archived_games import make_archived
from lol_dagster_tests._support.payloads import (
    ENDED_AT,
    empty_payload,
    encode,
    match_payload,
    participant,
    payload_bytes,
    puuid_of,
)
from lol_dagster_tests._support.roster_rows import make_account, make_player

MATCH = "NA1_5000000001"
NOW = datetime(2026, 8, 1, 20, 5, tzinfo=UTC)
FETCHED_AT = datetime(2026, 8, 1, 20, 4, tzinfo=UTC)


def archive(session: Session, body: bytes, match_id: str = MATCH) -> None:
    make_archived(session, match_id, body, at=FETCHED_AT)


def track(session: Session, name: str) -> tuple[int, int]:
    """A player whose account has the puuid of the participant of that name."""
    player = make_player(session, name)
    return player.id, make_account(session, player, puuid=puuid_of(name)).id


def record(
    database: Database, match_id: str = MATCH, *, code_version: str = "1", now: datetime = NOW
) -> GameReading:
    with database.writing() as session:
        return record_game(
            session,
            read_archived(session, match_id),
            code_version=code_version,
            now=now,
            run_id="run-1",
        )


def all_rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.reading() as session:
        return {
            table.__tablename__: [
                {column.key: getattr(row, column.key) for column in table.__table__.columns}
                for row in session.scalars(select(table).order_by(*table.__table__.primary_key))
            ]
            for table in (Game, Participant, PlayerStat)
        }


def test_a_game_becomes_rows(any_database: Database) -> None:
    ann_plays = participant(
        "Ann", team=200, champion="MonkeyKing", kills=12, deaths=3, assists=6, cs=210, gold=15_000,
        damage=40_000, doubleKills=3, tripleKills=1, firstBloodKill=True, tag="EUW",
    )  # fmt: skip
    body = payload_bytes(participants=[ann_plays], winner=200, duration_s=1800)
    with any_database.writing() as session:
        archive(session, body)
        player_id, account_id = track(session, "Ann")

    recorded = record(any_database)

    assert (recorded.match_id, recorded.ended_at) == (MATCH, ENDED_AT)
    assert (recorded.queue_name, recorded.result) == ("Ranked Solo", "played")
    assert len(recorded.participants) == 10
    rows = all_rows(any_database)
    assert [each["account_id"] for each in rows["player_stats"]] == [account_id]
    assert rows["games"] == [
        {
            "match_id": MATCH,
            "platform": "na1",
            "queue_id": 420,
            "queue_name": "Ranked Solo",
            "queue_kind": "ranked",
            "game_mode": "CLASSIC",
            "game_type": "MATCHED_GAME",
            "mode_family": "rift",
            "map_id": 11,
            "game_version": "16.15.801.3452",
            "result": "played",
            "started_at": ENDED_AT - timedelta(minutes=30),
            "ended_at": ENDED_AT,
            "duration_s": 1800,
            "counts_in_form": True,
            "code_version": "1",
            "payload_sha256": hashlib.sha256(body).hexdigest(),
            "course": None,
        }
    ]
    assert [row["participant_id"] for row in rows["participants"]] == list(range(1, 11))
    assert rows["participants"][5] == {
        "match_id": MATCH,
        "participant_id": 6,
        "puuid": puuid_of("Ann"),
        "is_bot": False,
        "display_name": "Ann#EUW",
        "team_id": 200,
        "subteam_id": None,
        "side": "team-200",
        "outcome": "win",
        "placement": None,
        "champion_id": 62,
        "champion": "Wukong",
        "position": "TOP",
        "champ_level": 16,
        "kills": 12,
        "deaths": 3,
        "assists": 6,
        "cs": 210,
        "gold": 15_000,
        "damage": 40_000,
        "vision_score": 20,
        "time_played_s": 1800,
        "double_kills": 3,
        "triple_kills": 1,
        "quadra_kills": 0,
        "penta_kills": 0,
        "first_blood": True,
    }
    assert rows["player_stats"] == [
        {
            "match_id": MATCH,
            "account_id": account_id,
            "player_id": player_id,
            "participant_id": 6,
            "ended_at": ENDED_AT,
            "kda": 6.0,  # (12 + 6) / 3
            "kill_participation": 18 / 28,  # her 12 and four times 4
            "cs_per_min": 7.0,  # 210 in 30 minutes
            "gold_per_min": 500.0,
            "damage_share": 0.4,  # 40 of 40 + 4 × 15 thousand
            "gold_share": 15 / 55,  # of 15 + 4 × 10 thousand
            "vision_per_min": 20 / 30,
            "opponent_id": 1,  # the other one on TOP
            "gold_at_15": None,  # no timeline
            "gold_lead_at_15": None,
            "highlights": ["triple_kill"],
            "extra": {"mvp": True},
        }
    ]


def test_without_lanes_nobody_is_measured_by_their_creep_score(any_database: Database) -> None:
    with any_database.writing() as session:
        archive(session, payload_bytes(mode="aram", participants=[participant("Ann", cs=40)]))
        track(session, "Ann")
    record(any_database)
    rows = all_rows(any_database)
    assert (rows["participants"][0]["cs"], rows["player_stats"][0]["cs_per_min"]) == (40, None)


def test_recording_again_changes_nothing(any_database: Database) -> None:
    with any_database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann"), participant("Bob")]))
        track(session, "Ann")
        track(session, "Bob")
    first = record(any_database)
    before = all_rows(any_database)
    assert record(any_database, now=NOW + timedelta(days=3)) == first
    assert all_rows(any_database) == before


def test_recording_again_puts_right_what_older_code_got_wrong(any_database: Database) -> None:
    with any_database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann", kills=7)]))
        track(session, "Ann")
    record(any_database, code_version="1")
    right = all_rows(any_database)
    with any_database.writing() as session:
        session.get_one(Game, MATCH).queue_name = "Arena"
        session.get_one(Participant, (MATCH, 1)).kills = 99
        session.add(Participant(**(right["participants"][0] | {"participant_id": 11})))
        session.scalars(select(PlayerStat)).one().kda = 99.0
    record(any_database, code_version="2")
    right["games"][0]["code_version"] = "2"
    assert all_rows(any_database) == right


def test_the_rows_can_be_replaced_in_a_session_that_has_them_loaded(database: Database) -> None:
    with database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann")]))
        track(session, "Ann")
        for _ in range(2):
            record_game(
                session, read_archived(session, MATCH), code_version="1", now=NOW, run_id="run-1"
            )
            game = session.get_one(Game, MATCH)
            assert (len(game.participants), len(game.player_stats)) == (10, 1)


def test_when_a_game_was_first_processed_is_kept_and_its_state_left_alone(
    database: Database,
) -> None:
    with database.writing() as session:
        archive(session, payload_bytes())
    record(database)
    record(database, now=NOW + timedelta(days=3))
    with database.reading() as session:
        match = session.get_one(Match, MATCH)
        assert (match.processed_at, match.state) == (NOW, "fetched")


def test_an_account_added_later_is_found_when_the_game_is_recorded_again(
    database: Database,
) -> None:
    with database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann")]))
    record(database)
    assert all_rows(database)["player_stats"] == []
    with database.writing() as session:
        _, account_id = track(session, "Ann")
    record(database)
    assert [each["account_id"] for each in all_rows(database)["player_stats"]] == [account_id]


def test_players_on_opposing_sides_and_accounts_of_one_player_get_a_row_each(
    database: Database,
) -> None:
    people = [participant("Ann"), participant("Bob", team=200), participant("Ann smurf", team=200)]
    with database.writing() as session:
        archive(session, payload_bytes(participants=people))
        ann, main = track(session, "Ann")
        bob, bobs = track(session, "Bob")
        player = session.get_one(Player, ann)
        smurf = make_account(session, player, puuid=puuid_of("Ann smurf")).id
    record(database)
    rows = all_rows(database)["player_stats"]
    assert {(row["player_id"], row["account_id"], row["participant_id"]) for row in rows} == {
        (ann, main, 1),
        (bob, bobs, 6),
        (ann, smurf, 7),
    }


def test_that_somebody_has_just_played_is_noted_for_the_next_poll(database: Database) -> None:
    with database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann")]))
        _, account_id = track(session, "Ann")
    record(database)
    with database.reading() as session:
        assert session.get_one(AccountPoll, account_id).last_played_at == ENDED_AT


def test_arena_keeps_its_augments_and_how_many_subteams_there_were(database: Database) -> None:
    ann = participant("Ann", subteam=3, playerAugment1=205, playerAugment2=211, playerAugment3=49,
                      playerAugment4=0)  # fmt: skip
    with database.writing() as session:
        archive(session, payload_bytes(mode="arena_18", participants=[ann]))
        track(session, "Ann")
    record(database)
    rows = all_rows(database)
    assert rows["player_stats"][0]["extra"] == {"subteams": 6, "augments": [205, 211, 49]}
    assert rows["player_stats"][0]["participant_id"] == 7  # the first of the third subteam
    assert (rows["participants"][6]["placement"], rows["participants"][6]["subteam_id"]) == (3, 3)


def test_stolen_monsters_are_kept(database: Database) -> None:
    with database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann", objectivesStolen=2)]))
        track(session, "Ann")
    record(database)
    assert all_rows(database)["player_stats"][0]["extra"]["stolen"] == 2


def test_a_game_that_riot_ended_over_behaviour_is_marked_for_whoever_tells_it(
    database: Database,
) -> None:
    ann = participant("Ann", gameEndedInIGNBSurrender=True)
    with database.writing() as session:
        archive(session, payload_bytes(participants=[ann]))
        track(session, "Ann")
    record(database)
    assert all_rows(database)["player_stats"][0]["extra"]["ended_over_behaviour"] is True


def test_an_empty_answer_becomes_a_game_without_anybody_in_it(any_database: Database) -> None:
    with any_database.writing() as session:
        archive(session, encode(empty_payload(MATCH, ended_at=None)))
        track(session, "Stranger 1")  # their puuid stands in the metadata
    recorded = record(any_database)
    assert recorded.result == "empty"
    rows = all_rows(any_database)
    assert (rows["participants"], rows["player_stats"]) == ([], [])
    assert rows["games"][0]["ended_at"] == FETCHED_AT


def test_of_a_broken_payload_nothing_is_recorded(database: Database) -> None:
    with database.writing() as session:
        archive(session, b'{"metadata": {"matchId": "NA1_5000000001"}, "info": {}}')
    with pytest.raises(BrokenPayload):
        record(database)
    assert all_rows(database) == {"games": [], "participants": [], "player_stats": []}


def test_what_was_recorded_is_logged_with_its_game_its_run_and_its_accounts(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lol_dagster.stats.record")
    with database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann"), participant("Zoe")]))
        first, second = (make_player(session, name) for name in ("Zoe", "Ann"))
        make_account(session, first, puuid=puuid_of("Zoe"), game_name="Zoe", tag_line="EUW")
        make_account(session, second, puuid=puuid_of("Ann"), game_name="Ann", tag_line="EUW")
    record(database)
    [line] = caplog.records
    assert line.getMessage() == "Recorded NA1_5000000001 (Ranked Solo, played)"
    said = vars(line)
    assert (said["match_id"], said["run_id"]) == (MATCH, "run-1")
    assert said["accounts"] == ["Zoe#EUW", "Ann#EUW"]  # in the order in which they were added


def test_a_game_that_was_listed_and_not_fetched_is_named(database: Database) -> None:
    with database.writing() as session:
        session.add(Match(match_id=MATCH, state="listed", listed_at=NOW))
    with pytest.raises(LookupError, match=f"{MATCH} is not in the archive"):
        record(database)


def test_a_game_that_is_not_archived_is_named(database: Database) -> None:
    with pytest.raises(LookupError, match=f"{MATCH} is not in the archive"):
        record(database)


def test_two_runs_that_record_one_game_at_once_leave_it_once(any_database: Database) -> None:
    with any_database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann")]))
        track(session, "Ann")
    together = threading.Barrier(2)
    failures: list[BaseException] = []

    def run() -> None:
        together.wait()
        try:
            for _ in range(5):
                record(any_database)
        except BaseException as error:  # noqa: BLE001 (reported by the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [len(rows) for rows in all_rows(any_database).values()] == [1, 10, 1]


def test_every_collected_match_fits_the_tables(any_database: Database, shared_dir: Path) -> None:
    with any_database.writing() as session:
        for path in sorted((shared_dir / "riot/matches").glob("*/*.json")):
            if path.name.endswith(".timeline.json"):
                continue
            body = path.read_bytes()
            archive(session, body, path.stem)
            record_game(
                session,
                read_archived(session, path.stem),
                code_version="1",
                now=NOW,
                run_id="run-1",
            )
            info = json.loads(body).get("info") or json.loads(body)
            game = session.get_one(Game, path.stem)
            assert len(game.participants) == len(info["participants"])
            session.expunge_all()


def test_a_game_that_names_the_puuid_of_a_former_key_is_its_accounts(database: Database) -> None:
    with database.writing() as session:
        archive(session, payload_bytes(participants=[participant("Ann")]))
        _, ann = track(session, "Ann of today")
        _, bob = track(session, "Bob of today")
        for account, name in ((ann, "Ann"), (bob, "Bob")):
            session.add(FormerPuuid(puuid=puuid_of(name), account_id=account, puuid_key="old"))
    record(database)
    rows = all_rows(database)["player_stats"]
    assert [(row["account_id"], row["participant_id"]) for row in rows] == [(ann, 1)]


# --- a player who has lost their seat ------------------------------------------------------------


def lose_seat(name: str, puuid: object) -> bytes:
    """A game of Ann and Bob in which `metadata` still names both, and one's seat has another puuid."""
    payload = match_payload(MATCH, participants=[participant("Ann"), participant("Bob")])
    for seat in payload["info"]["participants"]:
        if seat["puuid"] == puuid_of(name):
            seat["puuid"] = puuid
    return encode(payload)


@pytest.mark.parametrize("puuid", ["", None, "BOT", "somebody else's"])
def test_a_game_that_names_a_tracked_player_without_a_seat_is_malformed(
    any_database: Database, puuid: object
) -> None:
    """It would be processed with nobody in it, and announced to nobody."""
    with any_database.writing() as session:
        archive(session, lose_seat("Ann", puuid))
        account = track(session, "Ann")[1]
        riot_id = session.get_one(Account, account).riot_id
    with pytest.raises(BrokenPayload, match=f"metadata.participants: names {riot_id}"):
        record(any_database)


def test_it_is_so_for_a_puuid_from_before_the_key_was_changed(any_database: Database) -> None:
    with any_database.writing() as session:
        archive(session, lose_seat("Ann", ""))
        account = make_account(session, make_player(session, "Ann"), puuid="under the new key")
        session.add(FormerPuuid(puuid=puuid_of("Ann"), account_id=account.id))
        riot_id = account.riot_id
    with pytest.raises(BrokenPayload, match=f"metadata.participants: names {riot_id}"):
        record(any_database)


def test_all_who_have_lost_their_seats_are_named_in_the_order_in_which_they_were_added(
    database: Database,
) -> None:
    payload = match_payload(participants=[participant("Ann"), participant("Zoe")])
    for seat in payload["info"]["participants"][:2]:
        seat["puuid"] = ""
    with database.writing() as session:
        archive(session, encode(payload))
        for name in ("Zoe", "Ann"):
            player = make_player(session, name)
            make_account(session, player, puuid=puuid_of(name), game_name=name, tag_line="EUW")
    with pytest.raises(BrokenPayload) as refused:
        record(database)
    assert str(refused.value) == (
        f"payload of {MATCH}: metadata.participants: names Zoe#EUW, Ann#EUW, "
        "who is not in info.participants"
    )


def test_whether_somebody_has_a_seat_who_is_not_tracked_is_nobodys_business(
    database: Database,
) -> None:
    with database.writing() as session:
        archive(session, lose_seat("Bob", ""))
        track(session, "Ann")
    record(database)
    assert players_of(database) == ["Ann"]


@pytest.mark.parametrize("named", [None, {}, [7, None]])
def test_metadata_that_names_nobody_is_no_reason_to_leave_a_game_out(
    database: Database, named: object
) -> None:
    payload = match_payload(MATCH, participants=[participant("Ann")])
    payload["metadata"]["participants"] = named
    with database.writing() as session:
        archive(session, encode(payload))
        track(session, "Ann")
    record(database)
    assert players_of(database) == ["Ann"]


def test_an_empty_game_names_ten_players_and_has_no_seats(database: Database) -> None:
    payload = empty_payload(MATCH)
    payload["metadata"]["participants"] = [puuid_of("Ann")]
    with database.writing() as session:
        archive(session, encode(payload))
        track(session, "Ann")
    assert record(database).result == "empty"


def players_of(database: Database) -> list[str]:
    """Whose stats are recorded."""
    with database.reading() as session:
        return list(
            session.scalars(select(Player.name).join(PlayerStat, PlayerStat.player_id == Player.id))
        )
