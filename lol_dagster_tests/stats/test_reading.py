"""From a payload's fields to a game and its participants, each field by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lol_dagster.stats.reading import Feats, GameReading, ParticipantReading, read_game
from lol_dagster_tests._support.payloads import (
    ABSENT,
    ENDED_AT,
    Json,
    empty_payload,
    encode,
    match_payload,
    participant,
    payload_bytes,
    puuid_of,
)

FETCHED_AT = datetime(2026, 8, 2, tzinfo=UTC)
ID = "NA1_5000000001"


def read(*people: Json, **said: Any) -> GameReading:
    return read_game(ID, payload_bytes(ID, participants=people, **said), fetched_at=FETCHED_AT)


def test_each_field_of_a_participant_is_read() -> None:
    game = read(
        participant(
            "Ann", tag="EUW", team=200, champion="MonkeyKing", champLevel=18, teamPosition="JUNGLE",
            kills=21, deaths=22, assists=23, totalMinionsKilled=24, neutralMinionsKilled=25,
            goldEarned=26, totalDamageDealtToChampions=27, visionScore=28, timePlayed=1729,
            doubleKills=30, tripleKills=31, quadraKills=32, pentaKills=33, firstBloodKill=True,
            objectivesStolen=4,
        ),
        winner=200,
    )  # fmt: skip
    (ann,) = (each for each in game.participants if each.puuid == puuid_of("Ann"))
    assert ann == ParticipantReading(
        participant_id=6,  # the first of the second side
        puuid=puuid_of("Ann"),
        is_bot=False,
        display_name="Ann#EUW",
        team_id=200,
        subteam_id=None,
        side="team-200",
        outcome="win",
        placement=None,
        champion_id=62,
        champion="Wukong",
        position="JUNGLE",
        champ_level=18,
        kills=21,
        deaths=22,
        assists=23,
        cs=24 + 25,
        gold=26,
        damage=27,
        vision_score=28,
        time_played_s=1729,
        double_kills=30,
        triple_kills=31,
        quadra_kills=32,
        penta_kills=33,
        first_blood=True,
        feats=Feats(4, 0, 0, 0, False),
        augments=(),
    )


def test_in_arena_a_participant_has_a_subteam_a_place_and_augments() -> None:
    game = read(participant("Ann", subteam=3, placement=2), mode="arena_16")
    (ann,) = (each for each in game.participants if each.puuid == puuid_of("Ann"))
    assert (ann.subteam_id, ann.side, ann.outcome, ann.placement, ann.augments) == (
        3, "subteam-3", "placement", 2, (101, 102, 103, 104),
    )  # fmt: skip
    assert ann.position is None
    payload = match_payload(ID, mode="arena_16")
    payload["info"]["participants"][0]["playerSubteamId"] = 0
    unknown = read_game(ID, encode(payload), fetched_at=FETCHED_AT).participants[0]
    assert (unknown.subteam_id, unknown.side) == (None, "subteam-0")


def test_each_field_of_a_game_is_read() -> None:
    game = read(duration_s=1801, version="16.9.1.2", mapId=17)
    assert (game.match_id, game.platform, game.queue_id, game.queue_name, game.queue_kind) == (
        ID, "na1", 420, "Ranked Solo", "ranked",
    )  # fmt: skip
    assert (game.game_mode, game.game_type, game.mode_family) == ("CLASSIC", "MATCHED_GAME", "rift")
    assert (game.map_id, game.game_version, game.result) == (17, "16.9.1.2", "played")
    assert (game.ended_at, game.duration_s) == (ENDED_AT, 1801)
    assert game.started_at == ENDED_AT - timedelta(seconds=1801)
    assert (game.counts_in_form, game.has_lanes, game.ended_over_behaviour) == (True, True, False)
    assert read(participant(gameEndedInIGNBSurrender=True)).ended_over_behaviour is True


COUNTERS = {
    "soloBaronKills": ("solo_barons", 5),
    "survivedSingleDigitHpCount": ("single_digit_survivals", 20),
    "maxCsAdvantageOnLaneOpponent": ("cs_lead", 400),
}
"""Riot's counters, and beyond which number nobody believes them."""


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_is_believed_up_to_what_anybody_can_have_done(counter: str) -> None:
    feat, most = COUNTERS[counter]
    for said, read_as in ((1, 1), (most, most), (most + 1, 0)):
        ann = read(participant("Ann", challenges={counter: said})).participants[0]
        assert getattr(ann.feats, feat) == read_as


@pytest.mark.parametrize(("stolen", "read_as"), [(10, 10), (11, 0)])
def test_no_more_is_stolen_than_there_is(stolen: int, read_as: int) -> None:
    ann = read(participant("Ann", objectivesStolen=stolen)).participants[0]
    assert ann.feats.objectives_stolen == read_as


@pytest.mark.parametrize(
    ("said", "winner", "has"),
    [(1, 100, True), (1, 200, False), (0, 100, False), (0.5, 100, True), (2, 100, False)],
)
def test_an_open_nexus_is_a_feat_of_who_won(said: float, winner: int, has: bool) -> None:
    ann = read(participant("Ann", challenges={"hadOpenNexus": said}), winner=winner)
    assert ann.participants[0].feats.opened_nexus is has


# --- how long it took ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (3600, 3600),  # twice as long as anybody has played
        (3601, 3),  # of milliseconds, which it was said in until 2021
        (1_800_000, 1800),
        (0, 1800),
    ],
)
def test_what_is_too_long_for_seconds_is_in_milliseconds(duration: int, seconds: int) -> None:
    game = read(gameEndTimestamp=ABSENT, gameDuration=duration)
    assert game.duration_s == seconds


def test_where_nobody_says_how_long_it_took_no_time_is_made_up() -> None:
    people = [participant(timePlayed=ABSENT) for _ in range(10)]
    game = read(*people, gameDuration=0)
    assert (game.duration_s, game.participants[0].time_played_s) == (0, 0)
    assert not game.has_lanes
    game = read(*people, gameDuration=90)
    assert (game.duration_s, game.participants[0].time_played_s) == (90, 90)
    game = read(*people, gameEndTimestamp=ABSENT, gameDuration=90_500)  # milliseconds
    assert (game.duration_s, game.participants[0].time_played_s) == (90, 90)


# --- who took part, and in what --------------------------------------------------------------------


def test_who_took_part_and_has_no_seat_is_named() -> None:
    payload = match_payload(ID)
    payload["metadata"]["participants"].append(puuid_of("Zoe"))
    assert read_game(ID, encode(payload), fetched_at=FETCHED_AT).without_seat == {puuid_of("Zoe")}
    # Nobody has one where there is no game inside.
    empty = read_game("EUW1_6834713231", encode(empty_payload()), fetched_at=FETCHED_AT)
    assert (empty.result, empty.participants, empty.without_seat) == ("empty", (), frozenset())


@pytest.mark.parametrize(
    ("bots", "kind"),
    [
        ((), "normal"),
        ((5, 6, 7, 8, 9), "bots"),
        ((5, 6, 7, 8), "normal"),  # somebody plays with them
        ((6, 7, 8, 9), "normal"),
        ((4, 9), "normal"),
    ],
)
def test_against_bots_is_what_is_against_bots_alone(bots: tuple[int, ...], kind: str) -> None:
    people = [{"puuid": "BOT"} if number in bots else {} for number in range(10)]
    assert read(*people, mode="draft").queue_kind == kind


@pytest.mark.parametrize(
    ("subteam", "placement", "family"),
    [(1, 2, "arena"), (1, 0, "other"), (0, 2, "other")],
)
def test_a_new_mode_of_subteams_with_places_reads_as_arena(
    subteam: int, placement: int, family: str
) -> None:
    ann = participant("Ann", playerSubteamId=subteam, placement=placement, subteamPlacement=0)
    game = read(ann, queueId=99_999, gameMode="SOMETHINGNEW")
    assert game.mode_family == family


@pytest.mark.parametrize(
    ("minions", "jungle", "has_lanes"),
    [
        (300, 1, True),  # three a minute of a hundred: ten people of ten minutes each
        (299, 1, False),
        (300, 0, False),
        (0, 300, False),
    ],
)
def test_without_positions_there_are_lanes_where_so_many_minions_and_a_jungle_are(
    minions: int, jungle: int, has_lanes: bool
) -> None:
    nobody = {"totalMinionsKilled": 0, "neutralMinionsKilled": 0, "teamPosition": ""}
    ann = participant("Ann", **{**nobody, "totalMinionsKilled": minions, "neutralMinionsKilled": jungle})  # fmt: skip
    game = read(ann, *[participant(**nobody) for _ in range(9)], duration_s=600)
    assert game.has_lanes is has_lanes


@pytest.mark.parametrize(("number", "has_lanes"), [(6, True), (5, False)])
def test_positions_of_most_show_lanes(number: int, has_lanes: bool) -> None:
    people = [
        participant(teamPosition="TOP" if place < number else "", totalMinionsKilled=1, neutralMinionsKilled=0)
        for place in range(10)
    ]  # fmt: skip
    assert read(*people).has_lanes is has_lanes
