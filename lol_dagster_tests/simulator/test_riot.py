"""Riot's answers: their shapes by Riot's own description, their lists, their refusals, their limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lol_dagster.simulator.games import Account, game_of
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.simulator.ranks import league_entries, moves
from lol_dagster.simulator.service import Call
from lol_dagster.simulator.wire import json_answer
from lol_dagster_tests._support.simulated_world import HandClock
from lol_dagster_tests.simulator.asking import RIOT, ask, ask_riot, match_ids
from lol_dagster_tests.simulator.small_games import MIRA, TOMO, small_game

NOBODY = "nobody" + "x" * 72


@pytest.fixture(scope="session")
def riot_schemas(shared_dir: Path) -> dict[str, Any]:
    return json.loads((shared_dir / "riot" / "openapi-3.0.0.json").read_text())


def assert_is(riot_schemas: dict[str, Any], name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": riot_schemas["components"]}
    jsonschema.Draft4Validator(schema).validate(value)


def test_every_answer_has_the_shape_that_riot_describes(
    world: Simulator, riot_schemas: dict[str, Any], clock: HandClock
) -> None:
    world.make_games(20)
    friend = world.people[0]
    name, tag = friend.game_name.replace(" ", "%20"), friend.tag_line
    by_name = ask_riot(world, "europe", f"/riot/account/v1/accounts/by-riot-id/{name}/{tag}").json
    assert_is(riot_schemas, "account-v1.AccountDto", by_name)
    assert by_name["puuid"] == friend.puuid
    region = f"/riot/account/v1/region/by-game/lol/by-puuid/{friend.puuid}"
    assert_is(riot_schemas, "account-v1.AccountRegionDTO", ask_riot(world, "asia", region).json)
    profile = ask_riot(world, "na1", f"/lol/summoner/v4/summoners/by-puuid/{friend.puuid}").json
    assert_is(riot_schemas, "summoner-v4.SummonerDTO", profile)
    entries = ask_riot(world, "na1", f"/lol/league/v4/entries/by-puuid/{friend.puuid}").json
    assert entries
    for entry in entries:
        assert_is(riot_schemas, "league-v4.LeagueEntryDTO", entry)
    status = ask_riot(world, "na1", "/lol/status/v4/platform-data").json
    assert_is(riot_schemas, "lol-status-v4.PlatformDataDto", status)
    clock.move(10)  # the last games' 404 is over
    ids = match_ids(world, friend.puuid)
    for match_id in ids:
        match = ask_riot(world, "americas", f"/lol/match/v5/matches/{match_id}")
        if match.status == 200:
            assert_is(riot_schemas, "match-v5.MatchDto", match.json)
            path = f"/lol/match/v5/matches/{match_id}/timeline"
            # The description names the participants "1-9", so the whole cannot be checked.
            for frame in ask_riot(world, "americas", path).json["info"]["frames"][-1:]:
                for person in (frame["participantFrames"] or {}).values():
                    assert_is(riot_schemas, "match-v5.ParticipantFrameDto", person)
                for event in frame["events"]:
                    assert_is(riot_schemas, "match-v5.EventsTimeLineDto", event)


def test_a_riot_id_is_found_without_regard_to_case_and_blanks(world: Simulator) -> None:
    world.add_account(Account(MIRA, "Mira Moon", "NA1", "na1"))
    answered = ask_riot(world, "asia", "/riot/account/v1/accounts/by-riot-id/mIRAmoon/na1")
    assert answered.json == {"puuid": MIRA, "gameName": "Mira Moon", "tagLine": "NA1"}


def test_a_name_with_a_slash_in_it_is_one_part_of_the_path(world: Simulator) -> None:
    world.add_account(Account(MIRA, "a/b", "NA1", "na1"))
    answered = ask_riot(world, "asia", "/riot/account/v1/accounts/by-riot-id/a%2Fb/NA1")
    assert answered.json["puuid"] == MIRA


def test_a_renamed_account_is_no_longer_found_under_its_old_name(world: Simulator) -> None:
    world.add_account(Account(MIRA, "Old", "NA1", "na1"))
    world.add_account(Account(MIRA, "New", "NA1", "na1"))
    path = "/riot/account/v1/accounts/by-riot-id"
    assert ask_riot(world, "asia", f"{path}/Old/NA1").status == 404
    assert ask_riot(world, "asia", f"{path}/New/NA1").json["puuid"] == MIRA


def test_an_account_without_a_name_has_no_name_in_its_answer(world: Simulator) -> None:
    world.add_account(Account(MIRA, "", "", "na1"))
    answered = ask_riot(world, "asia", f"/riot/account/v1/accounts/by-puuid/{MIRA}")
    assert answered.json == {"puuid": MIRA}


def test_lists_are_newest_first_in_pages_and_without_what_has_not_ended(
    world: Simulator, clock: HandClock
) -> None:
    for number in (3, 1, 4, 2, 5):
        world.add_game(small_game(f"NA1_{number}", ended_at=clock.now - 350 + number * 100))
    assert match_ids(world, MIRA) == ["NA1_3", "NA1_2", "NA1_1"]  # 4 ends in 50 s, 5 in 150 s
    clock.move(50)
    assert match_ids(world, MIRA) == ["NA1_4", "NA1_3", "NA1_2", "NA1_1"]
    assert match_ids(world, MIRA, start=1, count=2) == ["NA1_3", "NA1_2"]
    assert match_ids(world, MIRA, count=0) == []
    assert match_ids(world, MIRA, start=9) == []


def test_list_filters_are_seconds_of_the_start_queue_and_type_together(
    world: Simulator, clock: HandClock
) -> None:
    now = int(clock.now)
    world.add_game(small_game("NA1_1", ended_at=now - 5000, seconds=1000))  # began at now - 6000
    world.add_game(small_game("NA1_2", ended_at=now - 1000, seconds=1000, queue_id=450))
    world.add_game(
        small_game("NA1_3", ended_at=now, seconds=500, queue_id=3130, tournament_code="X")
    )
    assert match_ids(world, MIRA, startTime=now - 6000) == ["NA1_3", "NA1_2", "NA1_1"]
    assert match_ids(world, MIRA, startTime=now - 5999) == ["NA1_3", "NA1_2"]
    assert match_ids(world, MIRA, endTime=now - 2000) == ["NA1_2", "NA1_1"]
    assert match_ids(world, MIRA, startTime=now * 1000) == []  # milliseconds: the usual mistake
    assert match_ids(world, MIRA, queue=450) == ["NA1_2"]
    assert match_ids(world, MIRA, type="ranked") == ["NA1_1"]
    assert match_ids(world, MIRA, type="tourney") == ["NA1_3"]
    assert match_ids(world, MIRA, queue=450, type="ranked") == []


@pytest.mark.parametrize("query", [{"count": 101}, {"start": "x"}, {"startTime": "2026-01-01"}])
def test_a_malformed_list_query_is_refused(world: Simulator, query: dict[str, object]) -> None:
    world.add_account(Account(MIRA, "Mira", "NA1", "na1"))
    path = f"/lol/match/v5/matches/by-puuid/{MIRA}/ids"
    assert ask_riot(world, "americas", path, **query).status == 400


def test_the_wrong_regional_host_lists_nothing_and_knows_no_match(
    world: Simulator, clock: HandClock
) -> None:
    world.add_game(small_game("OC1_1", ended_at=clock.now))
    assert match_ids(world, MIRA, "americas") == []
    assert match_ids(world, MIRA, "sea") == ["OC1_1"]
    assert ask_riot(world, "americas", "/lol/match/v5/matches/OC1_1").status == 404
    assert ask_riot(world, "sea", "/lol/match/v5/matches/OC1_1").status == 200


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("na1", "/lol/match/v5/matches/NA1_1"),  # a platform has no match-v5
        ("sea", "/riot/account/v1/accounts/by-puuid/" + MIRA),  # sea has no account-v1
        ("americas", "/lol/league/v4/entries/by-puuid/" + MIRA),  # league-v4 is the platforms'
        ("mars", "/lol/status/v4/platform-data"),
    ],
)
def test_a_call_on_a_host_that_does_not_offer_it_is_not_found(
    world: Simulator, route: str, path: str
) -> None:
    assert ask_riot(world, route, path).status == 404


def test_a_fresh_match_is_listed_before_it_can_be_fetched(
    world: Simulator, clock: HandClock
) -> None:
    world.add_game(small_game("NA1_1", ended_at=clock.now), available_at=clock.now + 4)
    world.add_game(small_game("NA1_2", ended_at=clock.now), available_at=None)
    path = "/lol/match/v5/matches/"
    assert sorted(match_ids(world, MIRA)) == ["NA1_1", "NA1_2"]
    assert ask_riot(world, "americas", path + "NA1_1").status == 404
    clock.move(4)
    assert ask_riot(world, "americas", path + "NA1_1").status == 200
    clock.move(10**6)
    assert ask_riot(world, "americas", path + "NA1_2").status == 404


def test_the_profile_knows_of_a_game_as_soon_as_it_has_ended(
    world: Simulator, clock: HandClock
) -> None:
    world.add_game(small_game("NA1_1", ended_at=clock.now), available_at=None)
    profile = ask_riot(world, "na1", f"/lol/summoner/v4/summoners/by-puuid/{MIRA}").json
    assert profile["revisionDate"] == clock.now * 1000


def test_a_ranked_win_moves_the_rank_up_and_is_counted(world: Simulator, clock: HandClock) -> None:
    def solo(puuid: str) -> dict[str, Any]:
        entries = ask_riot(world, "na1", f"/lol/league/v4/entries/by-puuid/{puuid}").json
        return next(one for one in entries if one["queueType"] == "RANKED_SOLO_5x5")

    world.add_game(small_game("NA1_1", ended_at=clock.now))
    before, lost_before = solo(MIRA), solo(TOMO)
    world.add_game(small_game("NA1_2", ended_at=clock.now))  # Mira wins, Tomo loses
    after, lost_after = solo(MIRA), solo(TOMO)
    assert (after["wins"], after["losses"]) == (before["wins"] + 1, before["losses"])
    assert (lost_after["wins"], lost_after["losses"]) == (
        lost_before["wins"],
        lost_before["losses"] + 1,
    )
    assert 18 <= (after["leaguePoints"] - before["leaguePoints"]) % 100 <= 25


def test_a_rank_lags_behind_the_games_where_it_is_asked_to(
    world: Simulator, clock: HandClock
) -> None:
    path = f"/lol/league/v4/entries/by-puuid/{MIRA}"
    world.add_game(small_game("NA1_1", ended_at=clock.now - 1000))
    before = ask_riot(world, "na1", path).json
    world.add_game(small_game("NA1_2", ended_at=clock.now))
    world.set_faults("riot.league=lagging(60)")
    assert ask_riot(world, "na1", path).json == before
    clock.move(60)
    assert ask_riot(world, "na1", path).json != before


def test_the_rank_of_the_idle_decays_from_diamond_on() -> None:
    hours = 3600.0
    first = game_of(small_game("NA1_1", ended_at=hours))
    people = [Account(f"{number:078}", "A", "NA1", "na1") for number in range(40)]
    seen = set()
    for account in people:
        game = replace(first, winners=frozenset({account.puuid}))
        (solo, *_), (later, *_) = (
            [one for one in league_entries(account, [game], now) if one.get("tier")] or [{}]
            for now in (hours, 7 * hours)
        )
        if solo.get("queueType") == "RANKED_SOLO_5x5":
            lost = sum(move.points for move in moves(account, 420, [game], 7 * hours)[1:])
            expected = {"DIAMOND": -50}.get(
                str(solo["tier"]), -75 if solo["rank"] == "I" and is_apex(solo) else 0
            )
            assert lost == expected
            assert (later["wins"], later["losses"]) == (solo["wins"], solo["losses"])
            seen.add(expected)
    assert seen == {0, -50, -75}


def is_apex(entry: dict[str, Any]) -> bool:
    return entry["tier"] in {"MASTER", "GRANDMASTER", "CHALLENGER"}


def test_an_unranked_account_is_placed_by_five_games() -> None:
    games = [game_of(small_game(f"NA1_{number}", ended_at=number)) for number in range(1, 6)][::-1]
    tried = set()
    for number in range(20):
        account = Account(f"{number:078}", "A", "NA1", "na1")
        before, after = (
            {one["queueType"]: one for one in league_entries(account, played, 10)}
            for played in (games[1:], games)
        )
        assert "RANKED_SOLO_5x5" in after
        if "RANKED_SOLO_5x5" not in before:
            assert after["RANKED_SOLO_5x5"]["losses"] == 5
        tried.add("RANKED_SOLO_5x5" in before)
    assert tried == {True, False}


def test_a_remake_moves_no_rank() -> None:
    payload = small_game("NA1_1", ended_at=10)
    for one in payload["info"]["participants"]:
        one["gameEndedInEarlySurrender"] = True
    account = Account(MIRA, "Mira Moon", "NA1", "na1")
    assert moves(account, 420, [game_of(payload)], 10) == []


def test_keys_and_puuids_that_are_not_of_this_world_are_refused_in_riots_words(
    world: Simulator,
) -> None:
    path = "/riot/americas/lol/match/v5/matches/NA1_1"
    missing, wrong = ask(world, "GET", path, {}), ask(world, "GET", path, {"X-Riot-Token": "no"})
    assert (missing.status, missing.json["status"]["status_code"]) == (401, 401)
    assert (wrong.status, wrong.json["status"]["status_code"]) == (403, 403)
    foreign = ask_riot(world, "americas", f"/lol/match/v5/matches/by-puuid/{NOBODY}/ids")
    assert foreign.status == 400
    assert "Exception decrypting" in foreign.json["status"]["message"]
    assert ask(world, "POST", path, RIOT, {}).status == 405


def limited_world(clock: HandClock, limits: str) -> Simulator:
    return Simulator(Options(riot_limits=limits), clock=clock)


STATUS = "/lol/status/v4/platform-data"


def test_windows_are_fixed_and_begin_with_their_first_call(clock: HandClock) -> None:
    with limited_world(clock, "3:10,5:60") as world:
        statuses = []
        for wait in (0, 9, 0, 0, 1, 0, 0, 50):
            clock.move(wait)
            statuses.append(ask_riot(world, "na1", STATUS).status)
        # t=0 and t=9 twice fill the first 10 s; at t=9 the fourth is one too many. A new window of
        # 10 s begins at t=10: two more pass, then the 60 s window has its five. It ends at t=60.
        assert statuses == [200, 200, 200, 429, 200, 200, 429, 200]
        assert len(world.truth.violations) == 2


def test_a_429_says_which_limit_and_how_long_and_the_counts_stand_on_every_answer(
    clock: HandClock,
) -> None:
    with limited_world(clock, "2:10,100:600") as world:
        first = ask_riot(world, "na1", STATUS)
        assert first.headers["x-app-rate-limit"] == "2:10,100:600"
        assert first.headers["x-app-rate-limit-count"] == "1:10,1:600"
        assert first.headers["x-method-rate-limit"] == "20000:10,1200000:600"
        clock.move(3.5)
        ask_riot(world, "na1", STATUS)
        refused = ask_riot(world, "na1", STATUS)
        assert refused.status == 429
        assert refused.headers["x-rate-limit-type"] == "application"
        assert refused.headers["retry-after"] == "7"  # 6.5 s are left, in whole seconds
        assert refused.headers["x-app-rate-limit-count"] == "2:10,2:600"
        clock.move(float(refused.headers["retry-after"]))
        assert ask_riot(world, "na1", STATUS).status == 200


def test_each_route_host_has_buckets_of_its_own_and_a_404_counts(clock: HandClock) -> None:
    with limited_world(clock, "1:10") as world:
        assert ask_riot(world, "americas", "/lol/match/v5/matches/NA1_1").status == 404
        assert ask_riot(world, "americas", "/lol/match/v5/matches/NA1_1").status == 429
        assert ask_riot(world, "europe", "/lol/match/v5/matches/EUW1_1").status == 404


def test_the_method_limit_binds_where_it_is_the_lower(clock: HandClock) -> None:
    with limited_world(clock, "100000:10") as world:
        world.add_account(Account(MIRA, "Mira", "NA1", "na1"))
        account = Call("riot.account", "asia", lambda: json_answer(200, {}))
        for _ in range(1000):  # the method's limit for a minute
            assert world.riot.admit(account) is None
        path = "/riot/account/v1"
        refused = ask_riot(world, "asia", f"{path}/accounts/by-puuid/{MIRA}")
        assert refused.status == 429
        assert refused.headers["x-rate-limit-type"] == "method"
        assert refused.headers["retry-after"] == "60"
        other = ask_riot(world, "asia", f"{path}/region/by-game/lol/by-puuid/{MIRA}")
        assert other.status == 200


@pytest.mark.parametrize("limits", ["", "20", "0:10", "20:1,x:2"])
def test_malformed_limits_are_refused(limits: str) -> None:
    with pytest.raises(ValueError, match="CALLS:SECONDS"):
        Simulator(Options(riot_limits=limits))
