"""A Riot of raw sockets for this package's tests: what it says is a small script in each test."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from lol_dagster.http import DeadlineSession
from lol_dagster.riot.caller import Caller
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.key import key_fingerprint
from lol_dagster.riot.limiter import RateLimiter
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster_tests._support.raw_server import Connection, RawServer, Request, answer, raw_server

KEY = "RGAPI-not-a-key"
ROOMY = {
    "X-App-Rate-Limit": "30000:10,500000:600",
    "X-App-Rate-Limit-Count": "1:10,1:600",
    "X-Method-Rate-Limit": "20000:10",
    "X-Method-Rate-Limit-Count": "1:10",
}
"""Headers of limits that no test reaches."""


@dataclass(frozen=True)
class Reply:
    """An answer to be; a body that is no bytes is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=lambda: ROOMY)

    def encoded(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return answer(self.status, body, dict(self.headers))


def refusal(status: int, message: str = "Refused", **headers: str) -> Reply:
    """An error with Riot's JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"status": {"status_code": status, "message": message}}
    return Reply(status, body, {**ROOMY, **named})


Script = Callable[[Request], Reply] | Reply | Sequence[Reply]
"""A function, the same reply always, or replies in turn, of which the last is repeated."""


class FakeRiot:
    """Answers by the first script whose pattern is found in the request's target; else 404."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self._scripts: list[tuple[re.Pattern[str], Script]] = []
        self._turns: dict[str, int] = {}

    def on(self, pattern: str, script: Script) -> None:
        """Later scripts go before earlier ones."""
        self._scripts.insert(0, (re.compile(pattern), script))

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [request.target for request in self.server.requests]

    def asked(self, pattern: str) -> list[str]:
        return [target for target in self.targets if re.search(pattern, target)]

    def reply(self, request: Request) -> Reply:
        for pattern, script in self._scripts:
            if not pattern.search(request.target):
                continue
            if isinstance(script, Reply):
                return script
            if callable(script):
                return script(request)
            turn = self._turns.get(pattern.pattern, 0)
            self._turns[pattern.pattern] = turn + 1
            return script[min(turn, len(script) - 1)]
        return refusal(404, "Data not found")


@contextlib.contextmanager
def fake_riot() -> Iterator[FakeRiot]:
    """A Riot that knows nothing yet."""

    def handle(request: Request, connection: Connection) -> None:
        connection.send(riot.reply(request).encoded())

    with raw_server(handle) as server:
        riot = FakeRiot(server)
        yield riot


@dataclass
class Time:
    """A clock and a sleep that belong together: nobody really waits."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client_of(
    server: RawServer, database: Database, time_: Time | None = None, **caller: Any
) -> RiotClient:
    """The client of that Riot, on a time of its own."""
    time_ = time_ or Time()
    key = SecretStr(KEY)
    limiter = RateLimiter(database, key_fingerprint(key), clock=time_.clock, rng=Random(1))
    return RiotClient(
        Caller(
            key,
            server.url("/{route}"),
            limiter,
            DeadlineSession("test/1", guard=assert_no_open_write),
            clock=time_.clock,
            sleep=time_.sleep,
            rng=Random(1),
            **caller,
        ),
        key_fingerprint=key_fingerprint(key),
    )


def query(target: str) -> dict[str, str]:
    """A target's parameters."""
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


class MatchList:
    """A script for the match-v5 list: `start` and `count` as Riot takes them."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)

    def __call__(self, request: Request) -> Reply:
        asked = query(request.target)
        start, count = int(asked["start"]), int(asked["count"])
        return Reply(200, self.ids[start : start + count])


def ids(first: int, last: int) -> list[str]:
    """Match ids with these numbers, newest first."""
    return [f"NA1_{number}" for number in range(last, first - 1, -1)]


class FixedWindows:
    """Riot's way of counting: a window begins with the first call that it counts, and is as long
    as it is, whenever the calls come. Written from the documentation, not from the limiter.
    """

    def __init__(self, limits: dict[int, int]) -> None:
        self._limits = limits
        self._began: dict[int, float] = {}
        self._counts: dict[int, int] = {}
        self._lock = threading.Lock()

    def count(self) -> tuple[bool, str]:
        """Count a call: whether it was within all limits, and the header with the counts."""
        now = time.monotonic()
        with self._lock:
            fits = True
            for seconds, limit in self._limits.items():
                if now - self._began.get(seconds, float("-inf")) >= seconds:
                    self._began[seconds], self._counts[seconds] = now, 0
                self._counts[seconds] += 1
                fits = fits and self._counts[seconds] <= limit
            return fits, ",".join(f"{self._counts[s]}:{s}" for s in self._limits)

    @property
    def header(self) -> str:
        return ",".join(f"{limit}:{seconds}" for seconds, limit in self._limits.items())
