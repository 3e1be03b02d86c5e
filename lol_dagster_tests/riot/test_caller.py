"""Many calls at once through one caller: whose failure means what, and who asks the limiter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from pydantic import SecretStr

from lol_dagster.http import DeadlineSession
from lol_dagster.riot import caller
from lol_dagster.riot.caller import Caller
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import Call, NotFound, RateLimited, RouteDown, ServerError
from lol_dagster.riot.limiter import Priority, RateLimiter, Reservation, Wait
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.riot.fake_riot import FakeRiot, Reply, client_of, fake_riot

BROKEN = Reply(503, b"", {})


@pytest.fixture
def riot() -> Iterator[FakeRiot]:
    with fake_riot() as riot:
        yield riot


@pytest.fixture
def client(riot: FakeRiot, database: Database) -> RiotClient:
    client = client_of(riot.server, database)
    with pytest.raises(NotFound):
        client.match("NA1_0")  # from here on the limits are known
    return client


def test_what_hangs_is_tried_once_and_what_fails_at_once_again(
    riot: FakeRiot, client: RiotClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is that of all tries together: three of 10 s would keep everybody for 30."""
    over = threading.Event()

    def hang(_: Request) -> Reply:
        over.wait(60)
        return BROKEN

    riot.on("NA1_1", hang)
    riot.on("NA1_2", BROKEN)
    for match_id, deadline_s, tries in (("NA1_1", 0.5, 1), ("NA1_2", 90.0, 3)):
        monkeypatch.setattr(caller, "DEADLINE_S", deadline_s)
        with pytest.raises(ServerError):
            client.match(match_id)
        assert len(riot.asked(match_id)) == tries
    over.set()


def test_calls_that_fail_beside_one_that_is_answered_do_not_close_the_route(
    riot: FakeRiot, client: RiotClient
) -> None:
    """Three that hang, while others go through, are three matches and not the route."""
    answered = threading.Event()

    def fail_later(_: Request) -> Reply:
        answered.wait(60)
        return BROKEN

    riot.on("NA1_9", fail_later)
    with ThreadPoolExecutor(3) as threads:
        failing = [threads.submit(client.match, f"NA1_9{number}") for number in range(3)]
        wait_for("three calls under way", lambda: len(riot.asked("NA1_9")) == 3)
        with pytest.raises(NotFound):
            client.match("NA1_1")
        answered.set()
        assert {type(each.exception()) for each in failing} == {ServerError}
    with pytest.raises(NotFound):
        client.match("NA1_2")


def test_calls_that_fail_and_were_begun_after_the_last_answer_close_it(
    riot: FakeRiot, client: RiotClient
) -> None:
    riot.on("NA1_9", BROKEN)
    for _ in range(3):
        with pytest.raises(ServerError):
            client.match("NA1_9")
    with pytest.raises(RouteDown):
        client.match("NA1_1")


class FullLimiter:
    """Has no turn for who asks first, and then one for everybody."""

    def __init__(self) -> None:
        self.asked_by: list[str] = []

    def reserve(self, *_: object) -> Reservation | Wait:
        self.asked_by.append(threading.current_thread().name)
        return Wait(0.1) if len(self.asked_by) == 1 else Reservation("1", "app", "method", 0.0)

    def observe(self, *_: object) -> float:
        return 0.0


@pytest.mark.parametrize(("priority", "who_asks"), [("live", 1), ("backfill", 2)])
def test_whoever_waits_for_the_limits_asks_for_all_who_wait(
    riot: FakeRiot, priority: Priority, who_asks: int
) -> None:
    """Sixteen threads would write to the database sixteen times to learn the same. News does not wait
    behind what matters less, nor the other way round.
    """
    riot.on("matches", Reply(200, {}))
    limiter = FullLimiter()
    errors: list[BaseException | None] = []

    def second() -> None:
        try:
            called.get(Call("match", "americas"), "/matches", priority=priority)
        except RateLimited as error:
            errors.append(error)

    def sleep(_: float) -> None:  # while the first one waits for its turn
        thread = threading.Thread(target=second, name="second")
        thread.start()
        thread.join()

    called = Caller(
        SecretStr("key"),
        riot.server.url("/{route}"),
        cast("RateLimiter", limiter),
        DeadlineSession("test/1", guard=assert_no_open_write),
        clock=lambda: 0.0,
        sleep=sleep,
        longest_wait_s=0.2,
    )
    called.get(Call("match", "americas"), "/matches")
    assert len(set(limiter.asked_by)) == who_asks
    assert len(errors) == 2 - who_asks, "whoever was refused has not asked"
