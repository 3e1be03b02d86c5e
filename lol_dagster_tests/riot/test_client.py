"""The calls to Riot on real sockets: what is sent, and what each answer means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import SecretStr

from lol_dagster.http import DeadlineSession
from lol_dagster.riot.caller import LONGEST_WAIT_S, REST_S, Caller
from lol_dagster.riot.client import LeagueEntry, RiotClient, riot_client
from lol_dagster.riot.errors import (
    BadRequest,
    BrokenBody,
    ForbiddenHere,
    KeyRejected,
    NotFound,
    RateLimited,
    RiotError,
    RouteDown,
    ServerError,
)
from lol_dagster.riot.key import key_fingerprint
from lol_dagster.riot.limiter import RateLimiter, edge_s
from lol_dagster.settings import Settings, SettingsError, load_settings
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests.riot.fake_riot import (
    KEY,
    ROOMY,
    FakeRiot,
    Reply,
    Time,
    client_of,
    fake_riot,
    query,
    refusal,
)

ACCOUNT = {"puuid": "p" * 78, "gameName": "Ännä", "tagLine": "NA1"}


@pytest.fixture
def riot() -> Iterator[FakeRiot]:
    with fake_riot() as riot:
        yield riot


@pytest.fixture
def time_() -> Time:
    return Time()


@pytest.fixture
def client(riot: FakeRiot, database: Database, time_: Time) -> RiotClient:
    return client_of(riot.server, database, time_)


def test_a_riot_id_is_asked_for_whatever_characters_it_has(
    riot: FakeRiot, client: RiotClient
) -> None:
    riot.on("by-riot-id", Reply(200, ACCOUNT))

    account = client.account_by_riot_id("a b/ü?#%", "T/1", "euw1")

    assert riot.targets == [
        "/europe/riot/account/v1/accounts/by-riot-id/a%20b%2F%C3%BC%3F%23%25/T%2F1"
    ]
    assert riot.server.requests[0].headers["x-riot-token"] == KEY
    assert (account.puuid, account.game_name, account.tag_line) == ("p" * 78, "Ännä", "NA1")


def test_accounts_of_the_sea_route_are_asked_for_in_asia(
    riot: FakeRiot, client: RiotClient
) -> None:
    riot.on("by-puuid", Reply(200, {"puuid": "p"}))
    account = client.account_by_puuid("p", "oc1")
    assert riot.targets == ["/asia/riot/account/v1/accounts/by-puuid/p"]
    assert (account.game_name, account.tag_line) == (None, None), "Riot leaves them out at times"


def test_an_unencrypted_puuid_is_not_taken(riot: FakeRiot, client: RiotClient) -> None:
    riot.on("by-riot-id", Reply(200, {"puuid": "0b8ab8f5-4e9d-5d8f-b3d1-4f2e5b0f3a11"}))
    with pytest.raises(BrokenBody):
        client.account_by_riot_id("X", "Y", "na1")


def test_the_active_platform_is_given_in_lower_case(riot: FakeRiot, client: RiotClient) -> None:
    riot.on("region/by-game/lol/by-puuid/p", Reply(200, {"puuid": "p", "region": "EUW1"}))
    assert client.active_platform("p", "na1") == "euw1"


def test_match_lists_are_filtered_by_seconds_since_1970(riot: FakeRiot, client: RiotClient) -> None:
    riot.on("/ids", Reply(200, ["NA1_2", "NA1_1"]))
    # 2026-01-01T00:00:00Z is 1767225600 (20454 days of 86400 s); the zone does not matter.
    india = timezone(timedelta(hours=5, minutes=30))
    morning = datetime(2026, 1, 1, 5, 30, 1, 999_999, tzinfo=india)

    found = client.match_ids("p", "oc1", start=100, count=50, start_time=morning)

    assert found == ["NA1_2", "NA1_1"]
    assert riot.targets[0].startswith("/sea/lol/match/v5/matches/by-puuid/p/ids?")
    assert query(riot.targets[0]) == {"start": "100", "count": "50", "startTime": "1767225601"}


def test_a_time_without_a_zone_is_not_guessed(client: RiotClient) -> None:
    with pytest.raises(ValueError, match="time zone"):
        client.match_ids("p", "na1", start_time=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_ids_that_are_none_are_left_out_with_a_warning(
    riot: FakeRiot, client: RiotClient, caplog: pytest.LogCaptureFixture
) -> None:
    riot.on("/ids", Reply(200, ["NA1_2", None, 7, "", "NA1_\n1", "NA1_1"]))
    assert client.match_ids("p", "na1") == ["NA1_2", "NA1_1"]
    assert "4 ids that are no match ids" in caplog.text


def test_a_match_is_given_byte_for_byte_from_the_route_of_its_prefix(
    riot: FakeRiot, client: RiotClient
) -> None:
    body = b'{"metadata": {}, "info" :{"gameId":1e0,"x":"\\u00e9"}}\n '
    riot.on("matches/OC1_1", Reply(200, body))
    assert client.match("OC1_1") == body
    assert riot.targets == ["/sea/lol/match/v5/matches/OC1_1"]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"info":', b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000,
     b'{"status":{"status_code":404,"message":"x"}}'],
)  # fmt: skip
def test_what_cannot_be_a_match_is_tried_again_and_then_raised(
    riot: FakeRiot, client: RiotClient, body: bytes
) -> None:
    riot.on("matches/NA1_1", Reply(200, body))
    with pytest.raises(BrokenBody):
        client.match("NA1_1")
    assert len(riot.targets) == 3


def test_one_broken_match_does_not_close_the_route_to_the_others(
    riot: FakeRiot, client: RiotClient
) -> None:
    riot.on("matches/NA1_1", Reply(200, b"<html>"))
    riot.on("matches/NA1_2", Reply(200, {"info": {}}))
    for _ in range(5):
        with pytest.raises(BrokenBody):
            client.match("NA1_1")
    client.match("NA1_2")


def test_ranks_come_from_the_platform_and_may_lack_a_tier(
    riot: FakeRiot, client: RiotClient
) -> None:
    riot.on(
        "/na1/lol/league/v4/entries/by-puuid/p",
        Reply(200, [
            {"queueType": "RANKED_SOLO_5x5", "tier": "GOLD", "rank": "II", "leaguePoints": 40,
             "wins": 3, "losses": 4, "hotStreak": True},
            {"queueType": "CHERRY", "wins": 1, "losses": 0},
        ]),
    )  # fmt: skip
    assert client.league_entries("p", "NA1") == [
        LeagueEntry(
            queueType="RANKED_SOLO_5x5", tier="GOLD", rank="II", leaguePoints=40, wins=3, losses=4
        ),
        LeagueEntry(queueType="CHERRY", wins=1, losses=0),
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"null", b'{"ids": []}', b'"NA1_1"'])
def test_a_list_that_is_none_is_an_error(riot: FakeRiot, client: RiotClient, body: bytes) -> None:
    riot.on("/ids", Reply(200, body))
    with pytest.raises(BrokenBody, match=r"match-v5\.ids on americas answered 200"):
        client.match_ids("p", "na1")


@pytest.mark.parametrize(
    ("status", "error", "calls"),
    [
        (400, BadRequest, 1), (401, ForbiddenHere, 1), (403, ForbiddenHere, 1),
        (404, NotFound, 1), (405, BadRequest, 1), (408, ServerError, 3),
        (415, BadRequest, 1), (500, ServerError, 3), (502, ServerError, 3),
        (503, ServerError, 3), (504, ServerError, 3), (302, ServerError, 3),
        (204, ServerError, 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"<html>edge</html>", b'{"status":{"message":"It is so"}}'])
def test_an_error_is_known_by_its_status_whatever_the_body(
    riot: FakeRiot,
    client: RiotClient,
    status: int,
    error: type[RiotError],
    calls: int,
    body: bytes,
) -> None:
    riot.on("matches/NA1_1", Reply(status, b"" if status == 204 else body))
    with pytest.raises(error) as caught:
        client.match("NA1_1")
    assert type(caught.value) is error
    assert (caught.value.status, caught.value.method, caught.value.route) == (
        status, "match-v5.match", "americas",
    )  # fmt: skip
    assert len(riot.targets) == calls


def test_an_error_that_passes_is_not_noticed(
    riot: FakeRiot, client: RiotClient, time_: Time
) -> None:
    riot.on("matches/NA1_1", [Reply(503, b"<html>", {}), Reply(502, b"", {}), Reply(200, {})])
    assert client.match("NA1_1") == b"{}"
    first, second = time_.slept
    assert 0.25 <= first <= 0.75, "half a second, jittered"
    assert 0.75 <= second <= 2.25, "three times that"


def test_a_connection_that_breaks_is_tried_again(riot: FakeRiot, client: RiotClient) -> None:
    def third_time_lucky(_: Request) -> Reply:
        if len(riot.targets) < 3:
            raise OSError  # which makes the server hang up
        return Reply(200, {})

    riot.on("matches/NA1_1", third_time_lucky)
    assert client.match("NA1_1") == b"{}"


def test_where_nobody_listens_no_budget_is_used(database: Database, riot: FakeRiot) -> None:
    """Not sent means not counted: the reservation is given back."""
    time_ = Time()
    key = SecretStr(KEY)
    limiter = RateLimiter(database, "key", clock=time_.clock)
    for url, error in (("http://127.0.0.1:1", ServerError), (riot.server.url(), NotFound)):
        caller = Caller(
            key,
            url,
            limiter,
            DeadlineSession("t", guard=assert_no_open_write),
            clock=time_.clock,
            sleep=time_.sleep,
        )
        client = RiotClient(caller, key_fingerprint="key")
        time_.slept.clear()
        with pytest.raises(error):
            client.match("NA1_1")
    # An unknown fate would have made the second client wait for the lease's end.
    assert time_.slept == []


def test_a_route_that_only_fails_is_left_alone_and_then_probed_once(
    riot: FakeRiot, client: RiotClient, time_: Time
) -> None:
    riot.on("americas", Reply(503, b"", {}))
    riot.on("europe", Reply(200, {}))
    for _ in range(3):
        with pytest.raises(ServerError):
            client.match("NA1_1")
    asked = len(riot.targets)

    for _ in range(5):
        with pytest.raises(RouteDown):
            client.match("NA1_2")
    assert len(riot.targets) == asked
    client.match("EUW1_1")

    time_.now += REST_S + 1
    with pytest.raises(ServerError):
        client.match("NA1_3")
    with pytest.raises(RouteDown):
        client.match("NA1_4")

    time_.now += REST_S + 1
    riot.on("americas", Reply(200, {}))
    client.match("NA1_3")
    client.match("NA1_4")


def test_an_answer_between_failures_keeps_a_route_open(riot: FakeRiot, client: RiotClient) -> None:
    riot.on("NA1_1", Reply(503, b"", {}))  # of NA1_2 Riot knows nothing, which is an answer
    for match_id, error in [("NA1_1", ServerError), ("NA1_2", NotFound)] * 4:
        with pytest.raises(error):
            client.match(match_id)


def test_a_429_is_waited_out_as_long_as_riot_says(
    riot: FakeRiot, client: RiotClient, time_: Time
) -> None:
    riot.on(
        "matches/NA1_1",
        [refusal(429, Retry_After="9", X_Rate_Limit_Type="application"), Reply(200, {})],
    )
    assert client.match("NA1_1") == b"{}"
    assert sum(time_.slept) == pytest.approx(9.5)


def test_a_wait_longer_than_the_bound_is_an_error_with_its_end(
    riot: FakeRiot, client: RiotClient, time_: Time
) -> None:
    riot.on("matches/NA1_1", refusal(429, Retry_After="600", X_Rate_Limit_Type="method"))
    began = time_.now
    with pytest.raises(RateLimited) as caught:
        client.match("NA1_1")
    assert caught.value.retry_at.timestamp() == pytest.approx(began + 600.5)
    assert time_.slept == []
    assert len(riot.targets) == 1


def test_the_bound_lets_a_development_keys_window_pass(
    riot: FakeRiot, client: RiotClient, time_: Time
) -> None:
    """100 calls in 120 seconds: the 101st has to wait 120 s, no error."""
    assert LONGEST_WAIT_S > 120
    riot.on(
        "matches", Reply(200, {}, {"X-App-Rate-Limit": "100:120", "X-Method-Rate-Limit": "9999:1"})
    )
    began = time_.now
    for _ in range(101):
        client.match("NA1_1")
    assert time_.now - began == pytest.approx(120 + edge_s(120))


def test_a_429_that_does_not_end_is_an_error(riot: FakeRiot, client: RiotClient) -> None:
    riot.on("matches/NA1_1", refusal(429))
    with pytest.raises(RateLimited):
        client.match("NA1_1")
    assert len(riot.targets) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_an_account_refused_twice_means_a_dead_key(
    riot: FakeRiot, client: RiotClient, status: int
) -> None:
    riot.on("by-riot-id", refusal(status, "Forbidden"))
    with pytest.raises(KeyRejected, match="LOL_RIOT_API_KEY"):
        client.account_by_riot_id("X", "Y", "na1")
    assert len(riot.targets) == 2


def test_a_401_at_random_is_no_dead_key(riot: FakeRiot, client: RiotClient) -> None:
    riot.on("by-riot-id", [refusal(401), Reply(200, ACCOUNT)])
    assert client.account_by_riot_id("X", "Y", "na1").puuid == "p" * 78


def test_a_new_key_that_riot_does_not_know_yet_counts_as_refused(
    riot: FakeRiot, client: RiotClient
) -> None:
    riot.on("matches/NA1_1", refusal(400, "Bad Request - Unknown apikey"))
    with pytest.raises(ForbiddenHere):
        client.match("NA1_1")


@pytest.mark.parametrize(
    ("message", "foreign"),
    [("Bad Request - Exception decrypting abc", True), ("Bad Request - count", False)],
)
def test_a_puuid_of_another_application_is_recognised(
    riot: FakeRiot, client: RiotClient, message: str, foreign: bool
) -> None:
    riot.on("/ids", refusal(400, message))
    with pytest.raises(BadRequest) as caught:
        client.match_ids("p", "na1")
    assert caught.value.foreign_puuid is foreign


def test_the_key_is_in_no_error_and_no_log_line(
    riot: FakeRiot, client: RiotClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for status in (400, 401, 403, 404, 429, 500, 503):
        riot.on("NA1_1", refusal(status, f"your key {KEY} is\nno good"))
        with pytest.raises(RiotError) as caught:
            client.match("NA1_1")
        said.append(str(caught.value))
    assert all(line.isprintable() and KEY not in line for line in said)
    assert "no good" in said[0]
    assert KEY not in caplog.text
    assert KEY not in repr(client.__dict__)


def test_the_client_needs_a_key(database: Database, settings: Settings) -> None:
    with pytest.raises(SettingsError, match="LOL_RIOT_API_KEY"):
        riot_client(settings, database)


def test_the_client_is_made_from_the_settings(
    riot: FakeRiot, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", KEY)
    monkeypatch.setenv("LOL_RIOT_URL", riot.server.url("/at/{route}"))
    riot.on("^/at/europe/lol/match/v5/matches/RU_1$", Reply(200, {"info": {}}, ROOMY))
    client = riot_client(load_settings(), database)
    assert client.match("RU_1") == b'{"info": {}}'
    assert riot.server.requests[0].headers["user-agent"].startswith("lol_dagster/")
    assert client.key_fingerprint == key_fingerprint(SecretStr(KEY))
    assert len(client.key_fingerprint) == 16
    assert client.key_fingerprint != key_fingerprint(SecretStr(KEY + "2"))
