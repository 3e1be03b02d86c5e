"""The benchmarks: `make bench` prints a table and writes bench.json. Some of them alone, and with other numbers:

    .venv/bin/python tools/bench.py growth --history 1000000

Belongs here: what design decisions are based on, each as two or more ways measured against one another
in the same run. A figure by itself says more about the machine than about the project; the ratio
between two ways does not. The ways take turns, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from lol_dagster.monitoring.disk import read_disk
from lol_dagster.pipeline.process import due_matches
from lol_dagster.riot.limiter import RateLimiter, Reservation
from lol_dagster.riot.rate_headers import read_rate_headers
from lol_dagster.settings import Settings
from lol_dagster.simulator.games import Game as MadeUpGame
from lol_dagster.simulator.generator import Generator
from lol_dagster.stats.reading import read_game
from lol_dagster.stats.record import read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Base, Game, Match, Participant, Payload
from lol_dagster.storage.schema import open_database

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 1, tzinfo=UTC)
_PACE = 20.0  # seconds between two made-up games


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    repeats: int = 7
    games: int = 100
    batch: int = 50
    matches: int = 50_000
    history: int = 100_000
    calls: int = 50


@dataclass(frozen=True)
class Figure:
    """One way's time for one of its units, in milliseconds."""

    way: str
    median: float
    least: float
    most: float
    ratio: float
    """The median over that of the first way."""


@dataclass(frozen=True)
class Comparison:
    """Ways measured against one another; a time is that of one `unit`."""

    title: str
    unit: str
    figures: tuple[Figure, ...]


def compare(
    title: str, unit: str, ways: Mapping[str, tuple[int, Callable[[], object]]], repeats: int
) -> Comparison:
    """Measure the ways in turns, after one turn that does not count.

    Args:
        ways: Name → how many units a call does, and the call.
    """
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats + 1):
        for way, (units, call) in ways.items():
            start = time.perf_counter()
            call()
            if turn:
                times[way].append((time.perf_counter() - start) * 1000 / units)
    return compared(title, unit, times)


def compared(title: str, unit: str, times: Mapping[str, list[float]]) -> Comparison:
    """What was measured of each way, in milliseconds."""
    medians = {way: statistics.median(measured) for way, measured in times.items()}
    first = next(iter(medians.values()))
    figures = (
        Figure(way, medians[way], min(measured), max(measured), medians[way] / first)
        for way, measured in times.items()
    )
    return Comparison(title, unit, tuple(figures))


def payloads(_folder: Path, size: Size) -> Comparison:
    """What the archive's compression costs beside what is done with a payload anyway."""
    games = made_up_games(size.games)
    packed = [zlib.compress(game.body) for game in games]
    raw, small = sum(len(game.body) for game in games), sum(map(len, packed))
    return compare(
        f"Payloads of {raw / len(games) / 1000:.0f} kB, archived in {small / raw:.0%} of that",
        "payload",
        {
            "json.loads": (len(games), lambda: [json.loads(game.body) for game in games]),
            "read_game": (
                len(games),
                lambda: [read_game(game.match_id, game.body, fetched_at=NOW) for game in games],
            ),
            "compress": (len(games), lambda: [zlib.compress(game.body) for game in games]),
            "decompress": (len(games), lambda: [zlib.decompress(body) for body in packed]),
        },
        size.repeats,
    )


def due_list(folder: Path, size: Size) -> Comparison:
    """What the sensor asks the database on every tick."""
    database = fresh_database(folder / "due")
    with database.writing() as session:
        session.execute(insert(Match), [match_row(number) for number in range(size.matches)])
    database.dispose()
    copy = folder / "without-index.sqlite3"
    shutil.copy(str(database.url.database), copy)
    without_index = Database(f"sqlite:///{copy}")
    with without_index.writing() as session:
        session.execute(text("DROP INDEX ix_matches_due"))

    def listed(source: Database) -> None:
        with source.reading() as session:
            due_matches(session, now=NOW, limit=100)

    return compare(
        f"Listing due matches among {size.matches:,}",
        "list",
        {
            "with the index": (1, partial(listed, database)),
            "without": (1, partial(listed, without_index)),
        },
        size.repeats,
    )


def recording(folder: Path, size: Size) -> Comparison:
    """What understanding a game costs beside the least that could be done with it, and what a transaction
    per game does: it is why one malformed game stops no other.
    """
    database = fresh_database(folder / "recording")
    games = made_up_games(size.games)
    empty = bytes_on_disk(database)
    with database.writing() as session:
        for number, game in enumerate(games):
            session.add(Match(**match_row(number) | {"match_id": game.match_id}))
            session.add(archived(game))

    def record(session: Session, game: MadeUpGame) -> None:
        record_game(
            session,
            read_archived(session, game.match_id),
            code_version="bench",
            now=NOW,
            run_id="bench",
        )

    def one_by_one() -> None:
        for game in games:
            with database.writing() as session:
                record(session, game)

    def together() -> None:
        with database.writing() as session:
            for game in games:
                record(session, game)

    together()
    each = (bytes_on_disk(database) - empty) / len(games) / 1000
    return compare(
        f"Recording {len(games)} archived games, {each:.1f} kB on disk each",
        "game",
        {
            "json.loads and executemany": (
                len(games),
                least_work(database, games),
            ),
            "a transaction for all": (len(games), together),
            "a transaction each": (len(games), one_by_one),
        },
        size.repeats,
    )


def least_work(database: Database, games: list[MadeUpGame]) -> Callable[[], None]:
    """Parsing the games, and writing the rows that they have: nothing is understood."""
    tables = [Base.metadata.tables[model.__tablename__] for model in (Game, Participant)]
    with database.reading() as session:
        rows = {
            each: [dict(row) for row in session.execute(select(each)).mappings()] for each in tables
        }

    def work() -> None:
        for game in games:
            json.loads(game.body)
        with database.writing() as session:
            for each in reversed(tables):
                session.execute(delete(each))
            for each in tables:
                session.connection().execute(insert(each), rows[each])

    return work


def batch(folder: Path, size: Size) -> Comparison:
    """What a game takes of the processor, from Riot's answer to its message, beside what Dagster takes to store
    that it was materialized.
    """
    # Here, so that the processes of `limiter` need not load Dagster.
    from bench_batch import Batches

    games = made_up_games((size.repeats + 1) * size.batch)
    batches = Batches(folder / "batch", games, NOW + timedelta(seconds=len(games) * _PACE))
    used: dict[str, list[float]] = {way: [] for way in batches.ways}
    for turn in range(size.repeats + 1):
        some = games[turn * size.batch : (turn + 1) * size.batch]
        match_ids = tuple(game.match_id for game in some)
        for way, measured in used.items():
            seconds = batches.run(way, match_ids)
            if turn:
                measured.append(seconds * 1000 / len(match_ids))
    events = ", ".join(f"{each:.1f}" for each in batches.events.values())
    title = f"Processor time of a batch of {size.batch} games; events a game: {events}"
    return compared(title, "game", used)


def limiter(folder: Path, size: Size) -> Comparison:
    """How far the shared limiter is from being what slows calls to Riot down."""
    database = fresh_database(folder / "limiter")
    url = database.url.render_as_string(hide_password=False)
    database.dispose()
    # Spawned, as a connection to SQLite must not survive a fork.
    with get_context("spawn").Pool(4) as pool:

        def by(processes: int) -> None:
            route = f"route-{random.getrandbits(64)}"
            task = partial(make_calls, url, route, size.calls)
            pool.map(task, range(processes), chunksize=1)

        return compare(
            "A call's way through the limiter (reserve, observe), all processes together",
            "call",
            {
                "1 process": (size.calls, partial(by, 1)),
                "4 processes": (4 * size.calls, partial(by, 4)),
            },
            size.repeats,
        )


def make_calls(url: str, route: str, calls: int, _process: int) -> None:
    """As many calls as are asked for, with limits that none of them meets."""
    database = Database(url)
    rates = RateLimiter(database, "bench")
    said = {"X-App-Rate-Limit": "1000000:1", "X-Method-Rate-Limit": "1000000:10"}
    headers = read_rate_headers(said)
    made = 0
    while made < calls:
        leave = rates.reserve(route, "match", "live")
        # Only the very first call is kept waiting, and those that come before its answer.
        if isinstance(leave, Reservation):
            rates.observe(leave, 200, headers)
            made += 1
    database.dispose()


def lists(folder: Path, size: Size) -> Comparison:
    """What pages of the web view take, lists above all: here the figure itself matters."""
    # Here, so that the processes of `limiter` need not load the web view.
    from bench_lists import LIMIT_MS, list_pages

    settings = Settings(home=folder / "lists", database_url=None)
    pages = list_pages(settings, open_database(settings), size.matches)
    ways = {name: (1, page) for name, page in pages.items()}
    measured = compare("", "page", ways, size.repeats)
    slow = [each.way for each in measured.figures if each.median >= LIMIT_MS]
    verdict = (
        f"not under {LIMIT_MS:.0f} ms: {', '.join(slow)}"
        if slow
        else (f"all under {LIMIT_MS:.0f} ms")
    )
    return replace(measured, title=f"Pages with {size.matches:,} rows, {verdict}")


def growth(folder: Path, size: Size) -> list[Comparison]:
    """Whether what is asked again and again takes longer with the years, on each database."""
    from bench_growth import FEW, engines, questions, with_history

    settings = Settings(home=folder, database_url=None)
    found = []
    with engines(folder) as databases:
        for engine, new in databases.items():
            with (
                with_history(new("few"), settings, min(FEW, size.history), NOW) as few,
                with_history(new("many"), settings, size.history, NOW) as many,
            ):
                for question, ask in questions(settings, NOW).items():
                    ways = {
                        f"{FEW:,} games": (1, partial(ask, few)),
                        f"{size.history:,} games": (1, partial(ask, many)),
                    }
                    found.append(compare(f"{engine}: {question}", "question", ways, size.repeats))
    return found


def workers(folder: Path, size: Size) -> list[Comparison]:
    """What a run costs before it does anything: its worker's start, and the rest of what Dagster does."""
    from bench_workers import code_servers

    started: dict[str, list[float]] = {}
    used: dict[str, list[float]] = {}
    with code_servers(folder / "workers") as servers:
        for _ in range(size.repeats):
            for way, server in servers.items():
                first_step, processor = server.run()
                started.setdefault(way, []).append(first_step * 1000)
                used.setdefault(way, []).append(processor * 1000)
    return [
        compared("From the request of a run to its first step", "run", started),
        compared("Processor time of a run that has nothing to do", "run", used),
    ]


def made_up_games(number: int) -> list[MadeUpGame]:
    start = NOW.timestamp()
    generator = Generator(seed=1, pace=_PACE, start=start)
    return [game for game, _ in generator.live(start + number * _PACE)][:number]


def fresh_database(home: Path) -> Database:
    return open_database(Settings(home=home, database_url=None))


def bytes_on_disk(database: Database) -> int:
    with database.reading() as session:
        return read_disk(session, Settings(home=ROOT)).database


def match_row(number: int) -> dict[str, object]:
    """A match that is done; every five hundredth is due."""
    due = number % 500 == 0
    return {
        "match_id": f"NA1_{5_000_000_000 + number}",
        "state": "listed" if due else "processed",
        "listed_at": NOW - timedelta(minutes=number),
        "next_try_at": NOW - timedelta(minutes=1) if due else None,
        "tries": 0,
    }


def archived(game: MadeUpGame) -> Payload:
    return Payload(
        match_id=game.match_id,
        encoding="zlib",
        body=zlib.compress(game.body),
        sha256=sha256(game.body).hexdigest(),
        size=len(game.body),
        fetched_at=NOW,
    )


def table(comparisons: list[Comparison]) -> Table:
    shown = Table("", "median", "least – most", "ratio", title="Milliseconds each", box=None)
    for column in shown.columns[1:]:
        column.justify = "right"
    for comparison in comparisons:
        shown.add_section()
        shown.add_row(f"[bold]{comparison.title}[/]")
        for each in comparison.figures:
            spread = f"{each.least:.3f} – {each.most:.3f}"
            shown.add_row(f"  {each.way}", f"{each.median:.3f}", spread, f"{each.ratio:.2f}")
    return shown


BENCHES: dict[str, Callable[[Path, Size], Comparison | list[Comparison]]] = {
    each.__name__: each
    for each in (payloads, due_list, recording, batch, limiter, lists, growth, workers)
}


def run(size: Size, names: Sequence[str] = tuple(BENCHES)) -> dict[str, object]:
    """Measure these and print it; what is returned is bench.json's content."""
    # In the checkout, as the folder for temporary files may be in memory.
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as folder:
        console = Console(stderr=True)
        comparisons: list[Comparison] = []
        for name in names:
            with console.status(f"measuring: {name}"):
                measured = BENCHES[name](Path(folder), size)
            comparisons += [measured] if isinstance(measured, Comparison) else measured
    Console().print(table(comparisons))
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "size": asdict(size),
        "milliseconds": [asdict(comparison) for comparison in comparisons],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures, and writes bench.json.")
    parser.add_argument("names", nargs="*", help=f"only these of {', '.join(BENCHES)}")
    parser.add_argument(
        "--history", type=int, default=Size.history, help="games in the database that has many"
    )
    given = parser.parse_args()
    measured = run(Size(history=given.history), given.names or tuple(BENCHES))
    (ROOT / "bench.json").write_text(json.dumps(measured, indent=2) + "\n")
    sys.stdout.write("\nbench.json holds the same for programs.\n")


if __name__ == "__main__":
    main()
