"""Games that are not what one expects, each as it was seen in Riot's answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lol_dagster.riot.payload import BrokenPayload
from lol_dagster.stats.reading import GameReading, ParticipantReading, read_game
from lol_dagster_tests._support.payloads import (
    ABSENT,
    ENDED_AT,
    EVERYBODY,
    NOBODY,
    Json,
    empty_payload,
    encode,
    match_payload,
    participant,
    payload_bytes,
)

FETCHED_AT = datetime(2026, 8, 2, 9, 30, tzinfo=UTC)


def read(match_id: str = "NA1_5000000001", **said: Any) -> GameReading:
    return read_game(match_id, payload_bytes(match_id, **said), fetched_at=FETCHED_AT)


def read_json(payload: Json, match_id: str = "NA1_5000000001") -> GameReading:
    return read_game(match_id, encode(payload), fetched_at=FETCHED_AT)


def first(game: GameReading) -> ParticipantReading:
    return game.participants[0]


def outcomes(game: GameReading) -> list[str]:
    return [person.outcome for person in game.participants]


def everybody_says(name: str, value: object) -> list[Json]:
    fields: Json = {name: value}
    return [participant(**fields) for _ in range(10)]


# The payload is not a game.


def test_an_empty_answer_is_a_game_of_which_only_id_platform_and_end_are_known() -> None:
    ended_at = datetime(2024, 2, 27, 20, 39, 29, 858_000, tzinfo=UTC)
    payload = empty_payload("EUW1_6834713231", ended_at=ended_at)
    game = read_json(payload, "EUW1_6834713231")
    assert (game.match_id, game.platform) == ("EUW1_6834713231", "euw1")
    assert (game.result, game.participants, game.counts_in_form) == ("empty", (), False)
    assert (game.started_at, game.ended_at, game.duration_s) == (ended_at, ended_at, 0)


def test_an_empty_answer_without_any_time_ended_when_it_was_fetched() -> None:
    payload = empty_payload("EUW1_6834713231", ended_at=None)
    assert read_json(payload, "EUW1_6834713231").ended_at == FETCHED_AT


def test_an_empty_answer_whose_duration_is_a_time_stamp_is_empty_all_the_same() -> None:
    payload = empty_payload("EUW1_6834713231")
    del payload["info"]["gameEndTimestamp"]
    payload["info"]["gameDuration"] = 1_709_066_369_858
    game = read_json(payload, "EUW1_6834713231")
    assert (game.result, game.ended_at, game.duration_s) == ("empty", FETCHED_AT, 0)


@pytest.mark.parametrize("void", [{"gameId": 0}, {"participants": []}])
def test_a_game_without_an_id_or_without_anybody_in_it_is_empty(void: Json) -> None:
    payload = match_payload()
    payload["info"].update(void)
    game = read_json(payload)
    assert (game.result, game.participants) == ("empty", ())


def test_abort_unexpected_on_a_game_with_a_winner_says_nothing() -> None:
    game = read(endOfGameResult="Abort_Unexpected", winner=200)
    assert game.result == "played"
    assert outcomes(game) == ["loss"] * 5 + ["win"] * 5
    assert game.counts_in_form


@pytest.mark.parametrize(
    "word",
    ["Abort_Unexpected", "Abort_TooFewPlayers", "Abort_AntiCheatExit ", "Abort_New", ABSENT, None],
)
def test_a_game_that_nobody_won_against_somebody_is_aborted(word: object) -> None:
    game = read(endOfGameResult=word, winner=NOBODY)
    assert game.result == "aborted"
    assert set(outcomes(game)) == {"aborted"}
    assert not game.counts_in_form


# Remakes and short games.


@pytest.mark.parametrize("duration_s", [100, 148, 220, 235, 248])
def test_a_remake_is_known_by_its_flag_and_not_by_winner_or_length(duration_s: int) -> None:
    game = read(remake=True, winner=100, duration_s=duration_s)
    assert game.result == "remake"
    assert outcomes(game) == ["remake"] * 10
    assert not game.counts_in_form
    assert game.duration_s == duration_s


def test_a_surrender_in_the_first_minutes_is_a_game() -> None:
    game = read(surrender=True, winner=200, duration_s=224)
    assert game.result == "played"
    assert outcomes(game) == ["loss"] * 5 + ["win"] * 5
    assert game.counts_in_form


@pytest.mark.parametrize("mode", ["aram", "arena_16", "swarm_3", "urf"])
def test_a_remake_off_the_rift_is_a_remake_too(mode: str) -> None:
    game = read(mode=mode, remake=True)
    assert game.result == "remake"
    assert set(outcomes(game)) == {"remake"}
    assert {person.placement for person in game.participants} == {None}


def test_a_game_that_riot_ended_over_somebodys_behaviour_is_played_and_marked() -> None:
    game = read(participants=everybody_says("gameEndedInIGNBSurrender", True))
    assert (game.result, game.ended_over_behaviour) == ("played", True)
    assert not read().ended_over_behaviour


# Time.


def test_duration_is_in_milliseconds_where_there_is_no_end_stamp() -> None:
    # As in an ARAM of patch 11.15: 1,073,154 ms = 17:53.154.
    game = read(
        gameEndTimestamp=ABSENT,
        gameDuration=1_073_154,
        gameStartTimestamp=1_626_952_828_250,  # 2021-07-22 11:20:28.250 UTC
        version="11.15.388.2387",
    )
    assert game.duration_s == 1073
    assert game.started_at == datetime(2021, 7, 22, 11, 20, 28, 250_000, tzinfo=UTC)
    assert game.ended_at == datetime(2021, 7, 22, 11, 38, 21, 404_000, tzinfo=UTC)


def test_the_end_is_start_and_duration_and_not_riots_late_stamp() -> None:
    late = round((ENDED_AT + timedelta(seconds=280)).timestamp() * 1000)
    game = read(mode="swarm_3", duration_s=1000, gameEndTimestamp=late)
    assert game.ended_at == ENDED_AT
    assert game.started_at == ENDED_AT - timedelta(seconds=1000)


def test_without_a_start_stamp_the_creation_and_then_the_end_stamp_stand_in() -> None:
    created = round((ENDED_AT - timedelta(hours=1)).timestamp() * 1000)
    game = read(gameStartTimestamp=0, gameCreation=created, duration_s=600)
    assert game.ended_at == ENDED_AT - timedelta(minutes=50)
    assert read(gameStartTimestamp=0, gameCreation=0).ended_at == ENDED_AT


def test_each_participant_has_their_own_time() -> None:
    ann = participant("Ann", timePlayed=431)
    assert first(read(mode="arena_18", participants=[ann])).time_played_s == 431


def test_a_game_of_more_than_a_day_is_refused() -> None:
    with pytest.raises(BrokenPayload) as refused:
        read("TH2_24825892", gameDuration=86_401)
    assert str(refused.value) == ("payload of TH2_24825892: info.gameDuration: is more than a day")
    assert read(gameDuration=86_400).duration_s == 86_400


# Who is who.


def test_bots_share_a_puuid_and_none_of_them_has_one_with_us() -> None:
    game = read(mode="bots", participants=[participant("Ann")])
    bots = [person for person in game.participants if person.is_bot]
    assert [bot.participant_id for bot in bots] == [6, 7, 8, 9, 10]
    assert {bot.puuid for bot in bots} == {None}
    assert bots[0].display_name == "Ornn bot"
    assert not first(game).is_bot
    assert not game.counts_in_form


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        # The name was in a field of its own in each age.
        ({"riotIdGameName": "Ann", "riotIdTagline": "NA1"}, "Ann#NA1"),
        ({"riotIdGameName": "Ann", "riotIdTagline": None}, "Ann"),
        ({"riotIdGameName": ABSENT, "riotIdName": "Ann", "riotIdTagline": "EUW"}, "Ann#EUW"),
        (
            {
                "riotIdGameName": ABSENT,
                "riotIdName": "",
                "riotIdTagline": "",
                "summonerName": "A n",
            },
            "A n",
        ),
        ({"riotIdGameName": "", "riotIdName": None, "summonerName": "Ann"}, "Ann"),
        ({"riotIdGameName": "  ", "summonerName": "Ann"}, "Ann"),
        ({"riotIdGameName": ABSENT, "summonerName": ""}, "Wukong"),
        ({"riotIdGameName": ABSENT, "summonerName": ABSENT}, "Wukong"),
        ({"riotIdGameName": "A\x00nn", "riotIdTagline": "1"}, "Ann#1"),
        # Shown as it is, it would read «Annlive#1», and turn around what stands beside it.
        ({"riotIdGameName": "Ann\u202eevil", "riotIdTagline": "\u20661"}, "Annevil#1"),
        ({"riotIdGameName": "\u202e", "summonerName": "\u200b"}, "Wukong"),
    ],
)
def test_the_name_is_read_from_where_the_patch_had_it(fields: Json, shown: str) -> None:
    ann = participant(champion="MonkeyKing", **fields)
    assert first(read(participants=[ann])).display_name == shown


def test_a_name_without_end_fits_its_column() -> None:
    ann = participant("N" * 500, tag="T" * 500, puuid="ann-puuid")
    assert len(first(read(participants=[ann])).display_name) <= 100


def test_the_platform_is_that_of_the_match_id() -> None:
    assert read("TH2_24825892", platformId="").platform == "th2"


# Modes.


@pytest.mark.parametrize(
    ("mode", "people", "subteams", "each"),
    [("arena_8", 8, 4, 2), ("arena_16", 16, 8, 2), ("arena_18", 18, 6, 3)],
)
def test_arena_is_grouped_by_subteam_and_ended_by_placement(
    mode: str, people: int, subteams: int, each: int
) -> None:
    game = read(mode=mode, placements={1: 2, 2: 1})
    assert len(game.participants) == people
    assert game.mode_family == "arena"
    assert set(outcomes(game)) == {"placement"}
    by_side: dict[str, list[int | None]] = {}
    for person in game.participants:
        by_side.setdefault(person.side, []).append(person.placement)
    assert by_side == {
        f"subteam-{n}": [{1: 2, 2: 1}.get(n, n)] * each for n in range(1, subteams + 1)
    }
    assert game.counts_in_form


@pytest.mark.parametrize("queue_id", [0, 1700, 1750, 98_765])
def test_arena_is_known_by_its_mode_whatever_the_queue(queue_id: int) -> None:
    game = read(mode="arena_18", queueId=queue_id)
    assert (game.mode_family, game.queue_name) == ("arena", "Arena")
    assert first(game).outcome == "placement"


def test_arena_of_before_13_15_has_the_placement_of_the_subteam_only() -> None:
    payload = match_payload(mode="arena_8")
    for person in payload["info"]["participants"]:
        del person["placement"]
    assert [p.placement for p in read_json(payload).participants] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_arena_of_which_all_fields_are_zero_was_played_and_nobody_knows_how() -> None:
    # A Korean game of patch 13.14 that lasted its 17 minutes, with kills, and without a winner.
    zero = {"placement": 0, "subteamPlacement": 0, "playerSubteamId": 0, "win": False}
    payload = match_payload(mode="arena_8")
    for person in payload["info"]["participants"]:
        person.update(zero)
    game = read_json(payload)
    assert game.result == "played"
    assert outcomes(game) == ["placement"] * 8
    assert {(p.placement, p.subteam_id) for p in game.participants} == {(None, None)}
    assert len({person.side for person in game.participants}) == 1
    assert not game.counts_in_form


def test_arena_that_riot_calls_aborted_and_that_nobody_won_is_aborted() -> None:
    zero = {"placement": 0, "subteamPlacement": 0, "playerSubteamId": 0, "win": False}
    payload = match_payload(mode="arena_8", endOfGameResult="Abort_TooFewPlayers")
    for person in payload["info"]["participants"]:
        person.update(zero)
    assert read_json(payload).result == "aborted"


@pytest.mark.parametrize("augments", [0, 4, 6, 8])
def test_arena_has_as_many_augments_as_the_patch_gives(augments: int) -> None:
    said: Json = {f"playerAugment{n}": 200 + n if n <= augments else 0 for n in range(1, 9)}
    ann = participant("Ann", **said)
    expected = tuple(200 + n for n in range(1, augments + 1))
    assert first(read(mode="arena_18", participants=[ann])).augments == expected


def test_a_queue_that_nobody_has_heard_of_is_named_by_its_mode() -> None:
    game = read(mode="unknown_queue")
    assert (game.queue_id, game.queue_name, game.mode_family) == (98_765, "Snowballbash", "other")
    assert game.result == "played"


@pytest.mark.parametrize("mode", ["aram", "arena_16", "urf", "swarm_1"])
def test_off_the_rift_nobody_has_a_position(mode: str) -> None:
    assert {person.position for person in read(mode=mode).participants} == {None}


@pytest.mark.parametrize("word", ["", "Invalid", "INVALID", "NONE", "AFK", ABSENT, None])
def test_a_position_that_is_none_is_none(word: object) -> None:
    assert first(read(participants=[participant("Ann", teamPosition=word)])).position is None


def test_a_position_without_end_fits_its_column() -> None:
    assert first(read(participants=[participant(teamPosition="q" * 40)])).position == "Q" * 20


def test_only_arena_has_subteams() -> None:
    assert first(read(participants=[participant(playerSubteamId=3)])).subteam_id is None


def test_a_champion_is_known_by_its_number() -> None:
    assert (
        first(read(participants=[participant(championId=62, championName="Monkey")])).champion
        == "Wukong"
    )


def test_swarm_that_beat_everybody_is_a_loss() -> None:
    game = read(mode="swarm_3", winner=NOBODY)
    assert (game.result, outcomes(game)) == ("played", ["loss"] * 3)


@pytest.mark.parametrize(("mode", "people"), [("swarm_1", 1), ("swarm_3", 3), ("swarm_4", 4)])
def test_swarm_that_was_beaten_is_a_win_for_one_to_four(mode: str, people: int) -> None:
    jinx = participant("Ann", champion="Strawberry_Jinx", champLevel=43)
    game = read(mode=mode, winner=EVERYBODY, participants=[jinx])
    assert outcomes(game) == ["win"] * people
    assert (first(game).champion, first(game).champ_level) == ("Jinx", 43)
    assert game.mode_family == "swarm"


def test_swarm_says_nothing_about_form_as_nobody_is_played_against() -> None:
    assert not read(mode="swarm_4", winner=EVERYBODY).counts_in_form


def test_levels_beyond_18_are_ordinary_on_the_rift() -> None:
    assert first(read(participants=[participant("Ann", champLevel=20)])).champ_level == 20


@pytest.mark.parametrize(
    ("mode", "name"),
    [("custom", "Custom"), ("tournament", "Tournament"), ("practice_tool", "Practice Tool")],
)
def test_custom_games_are_games_and_no_form(mode: str, name: str) -> None:
    game = read(mode=mode)
    assert game.queue_name == name
    assert (game.result, game.game_type, game.counts_in_form) == ("played", "CUSTOM_GAME", False)


def test_ten_equal_champions_are_ten_participants() -> None:
    lux = [participant(champion="Lux") for _ in range(10)]
    game = read(mode="one_for_all", participants=lux)
    assert [person.champion for person in game.participants] == ["Lux"] * 10


def test_urf_without_challenges_is_read() -> None:
    game = read(mode="urf", participants=everybody_says("challenges", ABSENT))
    assert (game.result, game.queue_name, game.mode_family) == ("played", "URF", "other")


# Fields.


def test_creep_score_is_minions_and_monsters() -> None:
    ann = participant("Ann", totalMinionsKilled=31, neutralMinionsKilled=142)
    assert first(read(participants=[ann])).cs == 173


def test_what_we_do_not_use_may_be_as_broken_as_it_likes() -> None:
    ann = participant(
        "Ann",
        PlayerScore2=-12.75,
        bountyGold=0.5,
        perks={"styles": [], "statPerks": None},
        missions={},
        challenges={"maxLevelLeadLaneOpponent": -7, "mejaisFullStackInTime": 1.5},
        summonerId=None,
    )
    payload = match_payload(participants=[ann])
    payload["info"]["teams"] = "not a list"
    assert read_json(payload).result == "played"
