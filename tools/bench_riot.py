"""How much of Riot's limits is used while there is work: of a personal and of a production key, by one
process and by four, beside riotwatcher and pulsefire where those are installed.

    .venv/bin/python tools/bench_riot.py

Takes seven minutes, and twenty with both; the machine should do nothing else. pulsefire needs Python 3.12.

A Riot of its own process counts in fixed windows that begin with the first call in them, answers after
50 ms, and refuses what exceeds them. 100 % is a window that is full and follows another without a pause.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from lol_dagster.pipeline.at_once import AT_ONCE, as_they_come
from lol_dagster.riot.client import riot_client
from lol_dagster.riot.errors import RiotError
from lol_dagster.settings import Settings
from lol_dagster.storage.schema import open_database

KEYS = {
    "a personal key (20:1, 100:120)": ({1: 20, 120: 100}, 125.0),
    "a production key (500:10, 30000:600)": ({10: 500, 600: 30_000}, 62.0),
}
"""What a key allows, seconds → calls; for how many seconds it is used."""
_METHOD = {10: 2000}
_ANSWERS_AFTER_S = 0.05
_KEY = "RGAPI-bench"


@dataclass(frozen=True)
class Use:
    """What a way of calling made of a key."""

    way: str
    share: float
    """Of the calls that the limits allow in the long run."""
    refused: int
    """Answers 429."""


@dataclass
class _Windows:
    limits: Mapping[int, int]
    begun: dict[int, float] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def count(self, now: float) -> bool:
        for seconds in self.limits:
            if now - self.begun.get(seconds, float("-inf")) >= seconds:
                self.begun[seconds], self.counts[seconds] = now, 0
            self.counts[seconds] += 1
        return all(self.counts[seconds] <= limit for seconds, limit in self.limits.items())

    def said(self, name: str) -> str:
        pairs = ",".join(f"{limit}:{seconds}" for seconds, limit in self.limits.items())
        counted = ",".join(f"{self.counts[seconds]}:{seconds}" for seconds in self.limits)
        return f"X-{name}-Rate-Limit: {pairs}\r\nX-{name}-Rate-Limit-Count: {counted}\r\n"


def binding(limits: Mapping[int, int]) -> int:
    """The length of the window that allows least in the long run."""
    return min(limits, key=lambda seconds: (limits[seconds] / seconds, seconds))


def serve(limits: Mapping[int, int], port: Any) -> None:
    """Riot, until the process is ended; tells its port, and its counts at /counts."""
    app, method = _Windows(limits), _Windows(_METHOD)
    answers = {200: 0, 429: 0}
    window = binding(limits)
    begun: list[tuple[float, int]] = []
    """When each binding window began, and how many calls had been answered by then."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET /counts"):
                (first, _), (last, accepted) = (begun[0], begun[-1]) if begun else ((0.0, 0),) * 2
                share = accepted * window / limits[window] / (last - first) if accepted else 0.0
                body = f"{share} {answers[429]}"
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                continue
            now = time.monotonic()
            status = 200 if app.count(now) & method.count(now) else 429
            if not begun or app.begun[window] > begun[-1][0]:
                begun.append((now, answers[200]))
            answers[status] += 1
            headers = app.said("App") + method.said("Method")
            if status == 429:
                headers += "Retry-After: 1\r\nX-Rate-Limit-Type: application\r\n"
            await asyncio.sleep(_ANSWERS_AFTER_S)
            writer.write(
                f"HTTP/1.1 {status} So\r\nContent-Type: application/json\r\n{headers}"
                "Content-Length: 2\r\n\r\n{}".encode()
            )

    async def main() -> None:
        server = await asyncio.start_server(_quiet(client), "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _quiet(client: Callable[..., Any]) -> Callable[..., Any]:
    async def quiet(*streams: Any) -> None:
        try:
            await client(*streams)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    return quiet


def ours(url: str, home: Path, until: float) -> None:
    """As many games as the limits let through, the way a run fetches them."""
    settings = Settings(
        home=home, database_url=None, riot_api_key=SecretStr(_KEY), riot_url=f"{url}/{{route}}"
    )
    database = open_database(settings)
    riot = riot_client(settings, database)

    def fetch(number: int) -> None:
        if time.time() < until:
            riot.match(f"NA1_{number}")

    numbers = itertools.count()
    while time.time() < until:
        for each in as_they_come(fetch, list(itertools.islice(numbers, 100)), lambda _: "americas"):
            if each is not None and (error := each[1].exception()) is not None:
                assert isinstance(error, RiotError), error


def riotwatcher(url: str, _home: Path, until: float) -> None:
    import requests
    from riotwatcher import LolWatcher  # type: ignore[import-not-found]

    request = requests.Session.request

    def redirected(session: requests.Session, method: str, address: str, **how: Any) -> Any:
        path = address.removeprefix("https://americas.api.riotgames.com")
        return request(session, method, url + path, **how)

    requests.Session.request = redirected  # type: ignore[method-assign,assignment]
    watcher = LolWatcher(_KEY)

    def fetch(_: int) -> None:
        while time.time() < until:
            try:
                watcher.match.by_id("americas", "NA1_1")
            except Exception:  # noqa: BLE001 - it raises on 429
                time.sleep(1)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(fetch, range(AT_ONCE)))


def pulsefire(url: str, _home: Path, until: float) -> None:
    from pulsefire.clients import RiotAPIClient  # type: ignore[import-not-found]

    async def fetch(client: Any) -> None:
        while time.time() < until:
            with suppress(Exception):  # it raises on 429, after its own tries
                await client.get_lol_match_v5_match(region="americas", id="NA1_1")

    async def main() -> None:
        async with RiotAPIClient(base_url=url, default_headers={"X-Riot-Token": _KEY}) as client:
            # What waits for a window would wait past the end.
            with suppress(TimeoutError):
                async with asyncio.timeout(until - time.time()):
                    await asyncio.gather(*(fetch(client) for _ in range(AT_ONCE)))

    asyncio.run(main())


def use(way: str, worker: Callable[..., None], processes: int, key: str) -> Use:
    """Let a way use a key for a while."""
    limits, seconds = KEYS[key]
    spawn = get_context("spawn")
    port = spawn.Queue()
    server = spawn.Process(target=serve, args=(limits, port), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port.get()}"
    with tempfile.TemporaryDirectory() as home:
        open_database(Settings(home=Path(home), database_url=None)).dispose()
        # All have started by then.
        until = time.time() + 8 + seconds
        workers = [
            spawn.Process(target=worker, args=(url, Path(home), until)) for _ in range(processes)
        ]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
            # One that failed has made no use of the key, which would read as a figure.
            assert each.exitcode == 0, f"{way} failed, see above"
        with urllib.request.urlopen(f"{url}/counts") as answer:  # noqa: S310 - our own server
            share, refused = answer.read().split()
    server.terminate()
    return Use(way, float(share), int(refused))


def ways() -> dict[str, tuple[Callable[..., None], int]]:
    found: dict[str, tuple[Callable[..., None], int]] = {
        "lol_dagster, 1 process": (ours, 1),
        "lol_dagster, 4 processes": (ours, 4),
    }
    for worker in (riotwatcher, pulsefire):
        if importlib.util.find_spec(worker.__name__) is not None:
            found[f"{worker.__name__}, 1 process"] = worker, 1
            found[f"{worker.__name__}, 4 processes"] = worker, 4
    return found


def main() -> None:
    for key, (_, seconds) in KEYS.items():
        print(f"{key}, for {seconds:.0f} s")
        for way, (worker, processes) in ways().items():
            found = use(way, worker, processes, key)
            print(f"  {found.way:28}{found.share:7.1%}   {found.refused} times 429")


if __name__ == "__main__":
    main()
