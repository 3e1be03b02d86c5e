"""The limiter never causes a 429 by itself: several real processes against a server that counts in
fixed windows as Riot does, and that would notice."""

from __future__ import annotations

from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from random import Random

from pydantic import SecretStr

from lol_dagster.http import DeadlineSession
from lol_dagster.riot.caller import Caller
from lol_dagster.riot.errors import Call
from lol_dagster.riot.limiter import RateLimiter
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster_tests._support.processes import FORKED
from lol_dagster_tests._support.raw_server import Connection, Request, answer, raw_server
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.riot.fake_riot import FixedWindows

APP = {1: 12, 2: 20}
METHOD = {1: 10}


@dataclass
class CountingRiot:
    """A Riot with fixed windows per route and per endpoint; each answer takes its time."""

    app: FixedWindows = field(default_factory=lambda: FixedWindows(APP))
    methods: dict[str, FixedWindows] = field(default_factory=dict)
    answered: int = 0
    violations: int = 0
    rng: Random = field(default_factory=lambda: Random(7))

    def __call__(self, request: Request, connection: Connection) -> None:
        connection.closing.wait(self.rng.uniform(0, 0.03))  # on the way here
        method = self.methods.setdefault(request.target, FixedWindows(METHOD))
        app_fits, app_counts = self.app.count()
        method_fits, method_counts = method.count()
        self.answered += 1
        fits = app_fits and method_fits
        self.violations += not fits
        connection.closing.wait(self.rng.uniform(0, 0.03))  # on the way back
        limits = {
            "X-App-Rate-Limit": self.app.header,
            "X-App-Rate-Limit-Count": app_counts,
            "X-Method-Rate-Limit": method.header,
            "X-Method-Rate-Limit-Count": method_counts,
        }
        refusal = {"Retry-After": "1", "X-Rate-Limit-Type": "application"}
        if fits:
            connection.send(answer(200, "{}", limits))
        else:
            connection.send(answer(429, "{}", {**limits, **refusal}))


def work(database_url: str, port: int, calls: int, method: str) -> None:
    """Some calls, as fast as the limiter lets them through."""
    database = Database(database_url)
    caller = Caller(
        SecretStr("key"),
        f"http://127.0.0.1:{port}",
        RateLimiter(database, "key"),
        DeadlineSession("test/1", guard=assert_no_open_write),
    )
    for _ in range(calls):
        caller.get(Call(method, "americas"), f"/{method}")


def start(database: Database, port: int, calls: int, method: str) -> ForkServerProcess:
    url = database.url.render_as_string(hide_password=False)
    process = FORKED.Process(target=work, args=(url, port, calls, method))
    process.start()
    return process


def exit_status(process: ForkServerProcess) -> int | None:
    process.join(90)
    return process.exitcode


def test_processes_together_cause_no_429_and_none_starves(any_database: Database) -> None:
    riot = CountingRiot()
    with raw_server(riot) as server:
        processes = [
            start(any_database, server.port, 12, method) for method in ("match", "match", "ids")
        ]
        assert [exit_status(process) for process in processes] == [0, 0, 0]
    assert (riot.answered, riot.violations) == (36, 0)


def test_a_killed_process_and_its_successors_cause_no_429(any_database: Database) -> None:
    """What the dead one had reserved and sent is remembered by the database."""
    riot = CountingRiot()
    with raw_server(riot) as server:
        first = start(any_database, server.port, 1000, "match")
        wait_for("eighth call", lambda: riot.answered >= 8)
        first.kill()
        first.join()
        successors = [start(any_database, server.port, 8, "match") for _ in range(2)]
        assert [exit_status(process) for process in successors] == [0, 0]
    assert riot.violations == 0
    assert riot.answered >= 24
