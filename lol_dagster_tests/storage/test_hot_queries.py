"""No query that is made for every game, every minute or at every evaluation of the checks reads a whole
table that grows, nor a whole index of one.

The statements are those that the code really makes as a few games are processed and shown, caught on
their way to the database. Then they are made once more over years of history: with statistics of it, and
on SQLite, which has none before the first night, without. It is counted what each of them has read. Delivery's own are examined
over a year's history (delivery/test_queries.py).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.explain.game import load_game
from lol_dagster.monitoring.alerts import evaluate
from lol_dagster.monitoring.checks import check_all
from lol_dagster.monitoring.counts import count_everything
from lol_dagster.monitoring.health import read_health
from lol_dagster.orchestration.partitions import BATCH_LIMIT
from lol_dagster.orchestration.planning import plan_quarantined, plan_requested
from lol_dagster.orchestration.resources import AppContext
from lol_dagster.pipeline.process import due_matches
from lol_dagster.riot.polling import due_accounts
from lol_dagster.riot.turns import read_turns
from lol_dagster.settings import Settings, ensure_home, load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.stats.form import form
from lol_dagster.storage import retention
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Player
from lol_dagster.storage.models.base import Base
from lol_dagster.storage.plans import read_by_index
from lol_dagster.storage.retention import prune_attempts, refresh_statistics
from lol_dagster_tests._support.history_rows import fill_history, take_it_for_many
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

SMALL = {
    # As many rows as there are friends, and what is noted about each.
    "players", "accounts", "account_polls", "memberships",
    # As many as somebody has set up, and what is noted about each.
    "teams", "channels", "channel_probes", "breakers", "send_buckets",
    # A row for each process, route or thing that is remembered; calls of the last two minutes.
    "heartbeats", "facts", "rate_windows", "rate_holds", "rate_calls", "alembic_version",
    "failed_jobs", "run_workers",
}  # fmt: skip
"""Tables that may be read from end to end, as they do not grow with the games."""

GROWING = set(Base.metadata.tables) - SMALL

GAMES = 5_000
"""Of the history; each has two messages. So many that PostgreSQL would rather not read them all."""
MOST_STEPS = GAMES
"""Of SQLite's machine, which takes several for each row that it comes by."""
MOST_ROWS = GAMES // 20

Statement = tuple[str, Any]


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with a team of two, on each kind of database."""
    if request.param == "postgresql":
        monkeypatch.setenv("LOL_DATABASE_URL", request.getfixturevalue("postgres_url"))
    with Simulator() as simulator, dg.DagsterInstance.ephemeral() as instance:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        app = AppContext(load_settings())
        count_everything(app.database, app.clock.now())  # as each night
        yield World(simulator, app, instance)
        app.database.dispose()


@pytest.fixture
def asked(world: World) -> Iterator[Iterable[Statement]]:
    with _caught(world.app.database) as caught:
        yield caught


@contextlib.contextmanager
def _caught(database: Database) -> Iterator[Iterable[Statement]]:
    """Every statement that reads or changes rows, from now on."""
    caught: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, many: bool) -> None:
        if re.match(r"(SELECT|UPDATE|DELETE|WITH)\b", statement):
            caught.setdefault(statement, parameters[0] if many else parameters)

    event.listen(database.engine, "before_cursor_execute", note)
    yield caught.items()
    event.remove(database.engine, "before_cursor_execute", note)


def _too_much(
    database: Database, asked: list[Statement], *, by_index: bool = False
) -> dict[str, list[str]]:
    """By statement: what it reads of a growing table from end to end.

    Args:
        by_index: It was asked by index: `storage.plans.read_by_index`.
    """
    found = {}
    for statement, parameters in asked:
        with database.engine.connect() as connection:
            if by_index:
                read_by_index(Session(connection))
            read = _read_by_sqlite if database.is_sqlite else _read_by_postgresql
            if steps := list(read(connection, statement, parameters)):
                found[" ".join(statement.split())] = steps
            connection.rollback()
    return found


def _read_by_sqlite(connection: Connection, statement: str, parameters: Any) -> Iterator[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    for step in (str(row[-1]) for row in plan):
        scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
        if scan and _table(scan[1], statement) in GROWING and scan[2] not in _small(connection):
            yield step
    driver: Any = connection.connection.dbapi_connection
    hundreds = 0

    def count() -> None:
        nonlocal hundreds
        hundreds += 1

    driver.set_progress_handler(count, 100)
    with contextlib.suppress(IntegrityError):  # what refers to the row was deleted first
        connection.exec_driver_sql(statement, parameters).close()
    driver.set_progress_handler(None, 0)
    if hundreds * 100 > MOST_STEPS:
        yield f"{hundreds * 100} steps"


def _read_by_postgresql(connection: Connection, statement: str, parameters: Any) -> Iterator[str]:
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
    try:
        (explained,) = connection.exec_driver_sql(explain, parameters).scalar_one()
    except IntegrityError:  # what refers to the row was deleted first
        return
    for node in _nodes(explained["Plan"]):
        removed = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
        rows = (node["Actual Rows"] + removed) * node["Actual Loops"]
        if node["Node Type"].endswith("Scan") and rows > MOST_ROWS:
            where = node.get("Relation Name") or node.get("Index Name")
            if where not in SMALL:
                yield f"{node['Node Type']} of {where}: {rows:.0f} rows"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _small(connection: Connection) -> set[str | None]:
    """The partial indexes that hold few rows of a growing table: of what is open, say."""
    partial = [
        (index.name, select(func.count()).select_from(table).where(where))
        for table in Base.metadata.sorted_tables
        for index in table.indexes
        if (where := index.dialect_options["sqlite"]["where"]) is not None
    ]
    return {name for name, few in partial if (connection.scalar(few) or 0) <= MOST_ROWS}


def _table(name: str, statement: str) -> str:
    """The table behind an alias of the statement."""
    alias = re.search(rf"\b(\w+) AS {name}\b", statement)
    return alias[1] if alias else name


def _play(world: World) -> None:
    world.add_team("Gamers", "Ann", "Ben")
    for number, deaths in ((1, 3), (2, 5), (3, "many")):
        people = [participant("Ann", deaths=deaths), participant("Ben")]
        world.finish(f"NA1_500000000{number}", minutes_ago=number, participants=people)
    world.finish("NA1_5000000009", minutes_ago=60 * 24, participants=[participant("Ann")])


def test_no_frequent_query_reads_a_whole_table(world: World, asked: Iterable[Statement]) -> None:
    _play(world)
    assert world.once()["processed"] == 3
    world.process("NA1_5000000001")  # again
    for job in ("check_everything", "deliver_messages"):
        world._run(job)
    app, now = world.app, world.app.clock.now()
    # What sensors and the schedule ask every few seconds.
    plan_requested(world.instance, app.database, app.settings, now)
    plan_quarantined(world.instance, app.database, limit=5)
    world.key_refused_until()
    app.deliverer.due_now(now)
    with app.database.reading() as session:
        due_matches(session, now=now, limit=BATCH_LIMIT)
        due_accounts(session, now)
        read_turns(session, now, {"americas": 0.01})
        # What monitoring asks, and people.
        read_health(session, now, app.settings)
        for match_id in ("NA1_5000000001", "NA1_5000000003"):
            load_game(session, match_id, stale_after=app.settings.stale_after, now=now)
        for player_id in session.scalars(select(Player.id)):
            form(session, player_id, until=now - timedelta(hours=1))
    evaluate(app.database, app.settings, check_all(app.database, app.settings, now), now)
    statements = list(asked)
    assert len(statements) > 80
    _let_years_pass(app.database, now)
    if app.database.is_sqlite:  # PostgreSQL measures a new table by itself, within a minute
        assert _too_much(app.database, statements) == {}
    refresh_statistics(app.database)
    assert _too_much(app.database, statements) == {}
    if app.database.is_sqlite:
        take_it_for_many(app.database, 200)
        assert _too_much(app.database, statements) == {}


def test_monitoring_reads_by_index_even_without_statistics(
    any_database: Database, settings: Settings
) -> None:
    now = datetime(2026, 8, 1, tzinfo=UTC)
    ensure_home(settings)
    _let_years_pass(any_database, now)
    count_everything(any_database, now)
    with _caught(any_database) as asked, any_database.reading() as session:
        read_health(session, now, settings)
    assert _too_much(any_database, list(asked), by_index=True) == {}


def _let_years_pass(database: Database, now: datetime) -> None:
    long_ago = now - timedelta(days=10)
    fill_history(database, GAMES, newest=long_ago, apart=timedelta(hours=1))


READ_ALL = (
    "SELECT match_id FROM matches WHERE last_error = 'x'",  # a table
    "SELECT id FROM messages WHERE delivered_at > '2001-01-01' AND last_error = 'x'",  # an index
    "SELECT state, count(*) FROM messages GROUP BY state",
    "SELECT count(*) FROM attempts",
    "SELECT id FROM messages WHERE state = 'delivered' AND last_error = 'x'",  # by its key
)


@pytest.mark.sqlite
def test_what_the_night_deletes_is_found_page_by_page_without_sorting_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page would take as long as all of them: with a million games a night deleted 16,500 of a million rows."""
    newest = datetime(2026, 1, 1, tzinfo=UTC)
    fill_history(database, GAMES, newest=newest, apart=timedelta(hours=1))
    refresh_statistics(database)
    # The step begins, has time for a page, for another one, and no more.
    clock = partial(next, iter((0.0, 1.0, 2.0, 2 * retention.BUDGET_S)))
    monkeypatch.setattr(retention, "time", SimpleNamespace(monotonic=clock))
    with _caught(database) as asked:
        assert prune_attempts(database, newest + timedelta(days=365)) == 2 * retention.BATCH
    pages = [each for each in asked if each[0].startswith("SELECT")]
    assert len(pages) == 2
    with database.engine.connect() as connection:
        for statement, parameters in pages:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert "TEMP B-TREE" not in str(plan)


def test_queries_that_read_all_there_is_are_found(any_database: Database) -> None:
    _let_years_pass(any_database, datetime(2026, 8, 1, tzinfo=UTC))
    found = _too_much(any_database, [(question, ()) for question in READ_ALL])
    assert tuple(found) == READ_ALL
