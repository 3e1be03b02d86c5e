"""Riot down for hours, in the simulated world with the clock in hand: few calls, nothing missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pydantic import SecretStr

from lol_dagster.http import DeadlineSession
from lol_dagster.monitoring.queries import routes_down
from lol_dagster.pipeline.discovery import discover
from lol_dagster.riot.caller import Caller
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.limiter import RateLimiter
from lol_dagster.riot.polling import due_accounts
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster.storage.models import AccountPoll, Match
from lol_dagster_tests._support.payloads import match_payload, participant, puuid_of
from lol_dagster_tests._support.roster_rows import make_member, make_team
from lol_dagster_tests._support.simulated_world import HandClock

PLAYERS = ("Ann", "Bob", "Cid", "Dan", "Eve", "Fay")


class Hours:
    """Six friends, a schedule that ticks every minute, and a Riot that may be down."""

    def __init__(self, database: Database, simulator: Simulator, clock: HandClock) -> None:
        self.database, self.simulator, self.clock = database, simulator, clock
        environment = simulator.environment
        self.client = RiotClient(
            Caller(
                SecretStr(environment["LOL_RIOT_API_KEY"]),
                environment["LOL_RIOT_URL"],
                RateLimiter(database, "key", clock=clock, rng=Random(1)),
                DeadlineSession("test/1", guard=assert_no_open_write),
                clock=clock,
                sleep=clock.move,
                rng=Random(1),
            ),
            key_fingerprint="key",
        )
        with database.writing() as session:
            team = make_team(session)
            for name in PLAYERS:
                make_member(session, team, name, puuid=puuid_of(name), game_name=name)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, UTC)

    def minutes(self, number: int) -> None:
        """The schedule's ticks; a run is a process of its own, so nothing is remembered in it."""
        for _ in range(number):
            began = self.clock.now
            with self.database.reading() as session:
                is_due = bool(due_accounts(session, self.now))
            if is_due:
                self.client._caller._failures.clear()
                self.client._caller._resting_until.clear()
                discover(self.database, self.client, now=self.now)
            self.clock.now = max(began + 60, self.clock.now)

    def calls(self) -> int:
        return len(self.simulator.truth.calls("riot.match-list"))

    def finish(self, match_id: str, *players: str) -> None:
        self.simulator.add_game(
            match_payload(match_id, ended_at=self.now, participants=map(participant, players))
        )

    def known(self) -> set[str]:
        with self.database.reading() as session:
            return {each.match_id for each in session.query(Match)}

    def down(self) -> list[str]:
        with self.database.reading() as session:
            return list(session.scalars(routes_down(self.now)))


@pytest.fixture
def hours(any_database: Database) -> Iterator[Hours]:
    clock = HandClock()
    with Simulator(clock=clock) as simulator:
        world = Hours(any_database, simulator, clock)
        world.finish("NA1_1", *PLAYERS)  # so that Riot knows them
        yield world


def test_hours_of_outage_cost_few_calls_and_nothing_is_missed(hours: Hours) -> None:
    hours.minutes(3)
    assert hours.known() == {"NA1_1"}
    hours.simulator.set_faults("riot=503")
    hours.minutes(4)
    assert hours.down() == []
    hours.minutes(56)
    assert hours.down() == ["americas"]
    after_an_hour = hours.calls()
    hours.finish("NA1_2", "Ann")
    hours.finish("NA1_3", "Fay")
    hours.minutes(60)
    # One account a minute, each with three tries; six accounts together would be 1,080.
    assert 60 <= hours.calls() - after_an_hour <= 180

    hours.simulator.set_faults("")
    hours.minutes(3)
    assert hours.known() == {"NA1_1", "NA1_2", "NA1_3"}
    assert hours.down() == []
    with hours.database.reading() as session:
        assert all(poll.failures == 0 for poll in session.query(AccountPoll))


def test_one_bad_account_is_no_route_that_is_down(hours: Hours) -> None:
    """Its poll fails while nobody else is due: another account shows that the route answers."""
    hours.minutes(3)
    with hours.database.writing() as session:
        for poll in session.query(AccountPoll):
            poll.next_poll_at = hours.now + timedelta(days=poll.account_id - 1)
    hours.simulator.set_faults("riot.match-list=503*3")
    hours.minutes(1)
    with hours.database.reading() as session:
        first = session.get_one(AccountPoll, 1)
        assert first.failures == 1
    hours.minutes(10)
    assert hours.down() == []


def test_a_route_that_is_down_holds_no_other_up(hours: Hours) -> None:
    with hours.database.writing() as session:
        make_member(
            session, make_team(session), "Gus", puuid=puuid_of("Gus"), game_name="Gus",
            platform="euw1",
        )  # fmt: skip
    hours.simulator.add_game(
        match_payload("EUW1_1", ended_at=hours.now, participants=[participant("Gus")])
    )
    hours.simulator.set_faults("riot@americas=503")
    hours.minutes(10)
    assert hours.down() == ["americas"]
    assert hours.known() == {"EUW1_1"}
