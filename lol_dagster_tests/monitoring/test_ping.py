"""The dead-man ping: only while everything is moving, once a minute, and never in anybody's way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from lol_dagster.monitoring.checks import check_all
from lol_dagster.monitoring.future import put_right
from lol_dagster.monitoring.ping import ping_if_healthy
from lol_dagster.settings import ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Breaker
from lol_dagster_tests._support.health_rows import NOW, all_well, is_alive, match, message
from lol_dagster_tests._support.raw_server import Connection, RawServer, Request, answer, raw_server

SECRET = "very-secret"


@pytest.fixture
def pinged() -> Iterator[RawServer]:
    def handle(request: Request, connection: Connection) -> None:
        connection.send(answer(200, b"OK", {}))

    with raw_server(handle) as server:
        yield server


class Pinger:
    def __init__(self, database: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOL_PING_URL", url)
        self.database, self.settings = database, load_settings()
        ensure_home(self.settings)
        with database.writing() as session:
            is_alive(session)
            self.channel = all_well(session)

    def tick(self, seconds: float = 0) -> bool:
        now = NOW + timedelta(seconds=seconds)
        results = check_all(self.database, self.settings, now)
        return ping_if_healthy(self.database, self.settings, results, now)

    def do(self, *rows: object) -> None:
        with self.database.writing() as session:
            session.add_all(rows)


@pytest.fixture
def pinger(any_database: Database, pinged: RawServer, monkeypatch: pytest.MonkeyPatch) -> Pinger:
    return Pinger(any_database, pinged.url(f"/{SECRET}"), monkeypatch)


def test_a_healthy_system_pings_once_a_minute(pinger: Pinger, pinged: RawServer) -> None:
    assert [pinger.tick(seconds) for seconds in (0, 5, 30, 54, 60, 90)] == [
        True, False, False, False, True, False,
    ]  # fmt: skip
    assert [request.target for request in pinged.requests] == [f"/{SECRET}"] * 2
    # As the monitoring does before it pings: what was seen two hours ahead has been seen now, the last
    # ping as well.
    put_right(pinger.database, NOW - timedelta(hours=2))
    ticks = [pinger.tick(seconds) for seconds in (-7200, -7140)]
    assert ticks == [False, True], (
        "a clock that was put back silences nothing for more than a minute"
    )


def test_no_ping_while_something_is_stuck(pinger: Pinger, pinged: RawServer) -> None:
    with pinger.database.writing() as session:
        match(session, next_try_at=NOW - timedelta(minutes=31))
    assert not pinger.tick()
    assert pinged.requests == []


@pytest.mark.parametrize(
    "breaker",
    [
        {"scope": "riot-key", "reason": "unknown"},
        {"scope": "riot-route:americas", "since": NOW - timedelta(minutes=6)},
    ],
)
def test_no_ping_while_riot_gives_nothing(pinger: Pinger, breaker: dict[str, object]) -> None:
    pinger.do(Breaker(**breaker))
    assert not pinger.tick()


@pytest.mark.parametrize(("minutes", "is_good"), [(9, True), (11, False)])
def test_no_ping_when_accounts_are_not_polled_in_their_turn(
    pinger: Pinger, minutes: int, is_good: bool
) -> None:
    due = NOW - timedelta(minutes=minutes)
    with pinger.database.writing() as session:
        session.execute(update(AccountPoll).values(next_poll_at=due))
    assert pinger.tick() is is_good


def test_what_waits_for_a_person_does_not_silence_it(pinger: Pinger) -> None:
    with pinger.database.writing() as session:
        match(session, state="quarantined")
        message(session, pinger.channel, state="needs_review")
    assert pinger.tick()


@pytest.mark.parametrize("status", [500, None])
def test_an_unanswered_ping_is_logged_without_its_address_and_harms_nothing(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int | None,
) -> None:
    def handle(request: Request, connection: Connection) -> None:
        if status is not None:
            connection.send(answer(status, b"", {}))

    caplog.set_level(logging.DEBUG)
    with raw_server(handle) as server:
        pinger = Pinger(database, server.url(f"/{SECRET}"), monkeypatch)
        assert not pinger.tick()
    assert "ping" in caplog.text
    assert SECRET not in caplog.text


def test_without_an_address_nobody_is_pinged(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinger = Pinger(database, "", monkeypatch)
    assert pinger.settings.ping_url is None
    assert not pinger.tick()
