"""No query that is made for every game, every minute or at every evaluation of the checks reads a whole
table that grows.

The statements are those that the code really makes as a few games are processed and shown, caught on
their way to the database; then the database is asked for the plan of each. Delivery's own are examined
over a year's history (delivery/test_queries.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import event, select

from lol_dagster.explain.game import load_game
from lol_dagster.monitoring.health import read_health
from lol_dagster.orchestration.partitions import BATCH_LIMIT
from lol_dagster.orchestration.planning import plan_quarantined, plan_requested
from lol_dagster.orchestration.resources import AppContext
from lol_dagster.pipeline.process import due_matches
from lol_dagster.riot.polling import due_accounts
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.stats.form import form
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Player
from lol_dagster.storage.models.base import Base
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

SMALL = {
    # As many rows as there are friends, and what is noted about each.
    "players", "accounts", "account_polls", "memberships",
    # As many as somebody has set up, and what is noted about each.
    "teams", "channels", "channel_probes", "breakers", "send_buckets",
    # A row for each process, route or thing that is remembered; calls of the last two minutes.
    "heartbeats", "facts", "rate_windows", "rate_holds", "rate_calls", "alembic_version",
    "failed_jobs",
}  # fmt: skip
"""Tables that may be read from end to end, as they do not grow with the games."""

GROWING = set(Base.metadata.tables) - SMALL

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
        yield World(simulator, app, instance)
        app.database.dispose()


@pytest.fixture
def asked(world: World) -> Iterator[list[Statement]]:
    """Every statement that reads or changes rows, from now on."""
    caught: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, many: bool) -> None:
        if re.match(r"(SELECT|UPDATE|DELETE|WITH)\b", statement):
            caught.setdefault(statement, parameters[0] if many else parameters)

    engine = world.app.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield caught.items()  # type: ignore[misc]
    event.remove(engine, "before_cursor_execute", note)


def _ways_through(database: Database, asked: list[Statement]) -> dict[str, list[str]]:
    """By statement: the steps of its plan that read a growing table from end to end."""
    found = {}
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            # Of tables as small as these PostgreSQL would always read the whole.
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in list(asked):
            explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
            if steps := [
                str(row[-1]).strip() for row in rows if _reads_all(str(row[-1]), statement)
            ]:
                found[" ".join(statement.split())] = steps
    return found


def _reads_all(step: str, statement: str) -> bool:
    sqlite = re.match(r"SCAN (\w+)(?! USING)\b", step)
    if sqlite is not None and " USING " not in step:
        return _table(sqlite[1], statement) in GROWING
    postgresql = re.search(r"Seq Scan on (\w+)", step)
    return postgresql is not None and postgresql[1] in GROWING


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


def test_no_frequent_query_reads_a_whole_table(world: World, asked: list[Statement]) -> None:
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
        # What monitoring asks, and people.
        read_health(session, now, app.settings)
        for match_id in ("NA1_5000000001", "NA1_5000000003"):
            load_game(session, match_id, stale_after=app.settings.stale_after, now=now)
        for player_id in session.scalars(select(Player.id)):
            form(session, player_id, until=now - timedelta(hours=1))
    assert len(asked) > 80
    assert _ways_through(app.database, asked) == {}


def test_a_query_that_reads_a_whole_table_is_found(world: World, asked: list[Statement]) -> None:
    with world.app.database.reading() as session:
        session.execute(select(Match.match_id).where(Match.last_error == "x"))
    (found,) = _ways_through(world.app.database, asked).values()
    assert "matches" in found[0]
