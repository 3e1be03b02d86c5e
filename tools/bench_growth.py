"""What the questions that are asked again and again take with few games and with many; `bench.py` calls it.

Belongs here: which questions. The rows are those of the tests of hot queries; payloads, which are asked for by
their key alone, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lol_dagster.admin.app import create_app
from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.messages.announced_games import load_announced_games
from lol_dagster.monitoring.checks import check_all
from lol_dagster.monitoring.counts import count_everything
from lol_dagster.monitoring.health import read_health
from lol_dagster.pipeline.process import due_matches
from lol_dagster.riot.polling import due_accounts
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.retention import refresh_statistics
from lol_dagster.storage.schema import upgrade
from lol_dagster_tests._support.history_rows import fill_history
from lol_dagster_tests._support.postgres import find_binaries, running_postgres

FEW = 1_000
"""Games that the many are measured against."""


@contextmanager
def engines(folder: Path) -> Iterator[dict[str, Callable[[str], str]]]:
    """URLs of new databases, by a name for each: SQLite's, and PostgreSQL's where it is installed."""
    made = {"SQLite": lambda name: f"sqlite:///{folder / name}.sqlite3"}
    binaries = find_binaries()
    if binaries is None:
        yield made
        return
    with running_postgres(binaries) as server:
        yield made | {"PostgreSQL": lambda _: server.empty_database()}


@contextmanager
def with_history(url: str, settings: Settings, games: int, now: datetime) -> Iterator[Database]:
    """A database in which so many games were played, an hour apart, and which has had its night."""
    database = Database(url, keyring(settings))
    try:
        upgrade(database, lock_file=settings.home / "upgrade.lock")
        fill_history(database, games, newest=now - timedelta(days=10), apart=timedelta(hours=1))
        refresh_statistics(database)
        count_everything(database, now)
        yield database
    finally:
        database.dispose()


def questions(settings: Settings, now: datetime) -> dict[str, Callable[[Database], object]]:
    """What each question asks a database."""

    def reading(ask: Callable[[Session], object]) -> Callable[[Database], object]:
        def asked(database: Database) -> object:
            with database.reading() as session:
                return ask(session)

        return asked

    @cache
    def browser(database: Database) -> FlaskClient:
        return create_app(settings, database, now=lambda: now, demo=True).test_client()

    def page(address: str) -> Callable[[Database], object]:
        def asked(database: Database) -> None:
            answer = browser(database).get(address)
            assert answer.status_code == 200, (address, answer.status)

        return asked

    return {
        "what status reads": reading(lambda session: read_health(session, now, settings)),
        "a tick of the monitoring": lambda database: check_all(database, settings, now),
        "due matches": reading(lambda session: due_matches(session, now=now, limit=100)),
        "due accounts": reading(lambda session: due_accounts(session, now)),
        "a message about a game": reading(
            lambda session: load_announced_games(
                session, 900, ["XX1_0000000001"], with_remarks=True
            )
        ),
        "due messages": lambda database: Deliverer(
            database, all_transports(settings), clock_for(database)
        ).due_now(now),
        "the web view's first page": page("/"),
        "its list of games": page("/game/"),
        "its list of messages": page("/message/"),
    }
