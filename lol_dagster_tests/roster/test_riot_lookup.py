"""Looking an account up: a real client, real sockets, the simulated Riot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from lol_dagster.riot.client import RiotClient, riot_client
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.riot.routing import UnknownPlatform
from lol_dagster.roster.errors import NoSuchEntryError, RosterError
from lol_dagster.roster.names import RiotId
from lol_dagster.roster.riot_lookup import RiotUnavailableError, ask_riot, look_up
from lol_dagster.settings import load_settings
from lol_dagster.simulator.games import Account
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.payloads import match_payload, participant, puuid_of
from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401 - a fixture

PUUID = "p" * 78


@pytest.fixture
def client(simulator: Simulator, database: Database) -> Iterator[RiotClient]:  # noqa: F811
    simulator.add_account(Account(PUUID, "Hide on Bush", "KR1", "kr"))
    return riot_client(load_settings(), database)


def test_an_account_is_found_and_spelled_as_riot_spells_it(client: RiotClient) -> None:
    known = ask_riot(client, RiotId("hideonbush", "kr1"), " KR ")
    assert (known.riot_id, known.platform, known.puuid) == (
        RiotId("Hide on Bush", "KR1"), "kr", PUUID,
    )  # fmt: skip
    assert known.puuid_key == client.key_fingerprint


def test_a_riot_id_that_nobody_has_says_so(client: RiotClient) -> None:
    with pytest.raises(
        NoSuchEntryError, match="Riot knows no account 'Faker#KR1': check the spell"
    ):
        ask_riot(client, RiotId("Faker", "KR1"), "kr")


def test_a_platform_that_the_account_does_not_play_on_names_the_right_one(
    client: RiotClient,
) -> None:
    with pytest.raises(RosterError, match="plays on kr, not na1"):
        ask_riot(client, RiotId("Hide on Bush", "KR1"), "na1")


def test_a_platform_that_does_not_exist_lists_those_that_do(client: RiotClient) -> None:
    with pytest.raises(UnknownPlatform, match="'euw' is no Riot platform: choose one of na1, "):
        ask_riot(client, RiotId("Hide on Bush", "KR1"), "euw")


def test_a_platform_that_riot_does_not_want_to_tell_is_believed(
    client: RiotClient,
    simulator: Simulator,  # noqa: F811
) -> None:
    simulator.faults.set("riot.region=403")
    assert ask_riot(client, RiotId("Hide on Bush", "KR1"), "kr").puuid == PUUID


def test_what_riot_shows_of_an_account_helps_to_recognise_it(
    client: RiotClient,
    simulator: Simulator,  # noqa: F811
) -> None:
    ended_at = datetime.now(UTC) - timedelta(hours=3)
    simulator.add_game(
        match_payload("NA1_7", mode="aram", participants=[participant("Ann")], ended_at=ended_at)
    )
    simulator.add_account(Account(puuid_of("Ann"), "Ann", "TAG", "na1", level=417))
    found = look_up(client, RiotId("ann", "tag"), "na1")
    assert found.known == ask_riot(client, RiotId("Ann", "TAG"), "na1")
    assert found.level == 417
    assert found.last_game is not None
    assert (found.last_game.match_id, found.last_game.mode) == ("NA1_7", "ARAM")
    assert abs(found.last_game.at - ended_at) < timedelta(seconds=2)


def test_what_riot_does_not_show_is_left_out(
    client: RiotClient,
    simulator: Simulator,  # noqa: F811
) -> None:
    never_played = look_up(client, RiotId("Hide on Bush", "KR1"), "kr")
    assert (never_played.level, never_played.last_game) == (30, None)
    simulator.faults.set("riot.summoner=403; riot.match-list=403")
    found = look_up(client, RiotId("Hide on Bush", "KR1"), "kr")
    assert (found.level, found.last_game) == (None, None)
    assert found.known.puuid == PUUID


def test_a_riot_that_does_not_answer_is_no_verdict_on_the_account(
    client: RiotClient,
    simulator: Simulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client._caller, "_sleep", lambda _: None)
    simulator.faults.set("riot.account=503")
    with pytest.raises(RiotUnavailableError, match="Riot could not be asked for 'Ann#TAG'"):
        ask_riot(client, RiotId("Ann", "TAG"), "na1")


def test_a_refused_key_says_where_to_get_another(
    client: RiotClient,
    simulator: Simulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-expired")
    expired = riot_client(load_settings(), database)
    with pytest.raises(KeyRejected, match="get a new one at https://developer") as caught:
        ask_riot(expired, RiotId("Hide on Bush", "KR1"), "kr")
    assert "RGAPI-expired" not in str(caught.value)
