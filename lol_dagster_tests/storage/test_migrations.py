"""Every released version upgrades to this one, with data in it.

What a version was is in released/<version>.json, which tools/migrations.py wrote at its release.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    Integer,
    LargeBinary,
    String,
    TableClause,
    column,
    insert,
    inspect,
    select,
    table,
)

from lol_dagster.storage import schema
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import damage
from lol_dagster.storage.keys import Keyring
from lol_dagster.storage.models import Base, Channel
from lol_dagster.storage.types import UtcDateTime

RELEASED = sorted(Path(__file__).with_name("released").glob("*.json"))
VERSIONS = Path(schema.__file__).with_name("migrations") / "versions"
TYPES = {
    "instant": UtcDateTime(),
    "bytes": LargeBinary(),
    "json": JSON(none_as_null=True),
    "boolean": Boolean(),
    "integer": Integer(),
    "float": Float(),
    "text": String(),
}

Release = dict[str, Any]
Move = Callable[[Callable[[Config, str], None], str, str], list[Any]]


@pytest.fixture(params=RELEASED, ids=[file.stem for file in RELEASED])
def release(request: pytest.FixtureRequest) -> Release:
    released: Release = json.loads(request.param.read_text())
    return released


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(
    request: pytest.FixtureRequest, release: Release, tmp_path: Path
) -> Iterator[Database]:
    """A database that was filled at the release and upgraded to this version, once of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/lol.sqlite3"
    else:
        url = request.getfixturevalue("empty_postgres_url")
    database = Database(url, Keyring(release["secret_key"], tmp_path / "secret.key"))
    with database.engine.connect() as connection:
        command.upgrade(schema.alembic_config(connection), release["revision"])
        for name, content in release["tables"].items():
            connection.execute(insert(as_released(name, content)), list(rows(content)))
        connection.commit()
    schema.upgrade(database, lock_file=tmp_path / "upgrade.lock")
    yield database
    database.dispose()


def as_released(name: str, content: Release) -> TableClause:
    return table(name, *(column(each, TYPES[kind]) for each, kind in content["columns"].items()))


def rows(content: Release) -> Iterator[dict[str, Any]]:
    for row in content["rows"]:
        yield {
            name: value_of(kind, value)
            for (name, kind), value in zip(content["columns"].items(), row, strict=True)
        }


def value_of(kind: str, value: Any) -> Any:
    if value is not None and kind == "instant":
        return datetime.fromisoformat(value)
    if value is not None and kind == "bytes":
        return base64.b64decode(value)
    return value


def test_every_row_is_there_and_says_what_it_said(release: Release, upgraded: Database) -> None:
    with upgraded.engine.connect() as connection:
        for name, content in release["tables"].items():
            still_there = {each["name"] for each in inspect(connection).get_columns(name)}
            released = as_released(name, content)
            kept = [each for each in released.columns if each.name in still_there]
            found = [dict(row) for row in connection.execute(select(*kept)).mappings()]
            wanted = [{each.name: row[each.name] for each in kept} for row in rows(content)]
            assert sorted(found, key=repr) == sorted(wanted, key=repr), name


def test_the_models_can_read_every_row(release: Release, upgraded: Database) -> None:
    with upgraded.reading() as session:
        for mapper in Base.registry.mappers:
            released = release["tables"].get(mapper.class_.__tablename__, {"rows": []})
            found = session.scalars(select(mapper.class_)).all()
            assert len(found) >= len(released["rows"]), mapper.class_.__tablename__
        addresses = set(session.scalars(select(Channel.address)))
    assert addresses == {"420420420420420420", "https://discord.com/api/webhooks/1/secret"}


# SQLite's reflection leaves out the indexes on lower(name); PostgreSQL's has them.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
def test_the_tables_are_those_of_this_version(upgraded: Database) -> None:
    with upgraded.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    assert damage(upgraded) == []
    assert schema.schema_state(upgraded) == "current"


def test_no_released_migration_was_edited(release: Release) -> None:
    for name, digest in release["migrations"].items():
        assert hashlib.sha256((VERSIONS / name).read_bytes()).hexdigest() == digest, (
            f"{name} is released: write another migration instead"
        )


def test_there_is_a_release_and_each_has_a_row_in_every_table(release: Release) -> None:
    assert RELEASED[0].stem == "0.1.0"
    assert all(content["rows"] for content in release["tables"].values())


# --- what 0002 does to rows ------------------------------------------------------------------------


@contextmanager
def moving(tmp_path: Path, into: str, row: str, values: list[tuple[Any, ...]]) -> Iterator[Move]:
    """A database of 0.1.0 with these rows, and the function that moves it to another revision."""
    file = tmp_path / "old.sqlite3"
    database = Database(f"sqlite:///{file}", Keyring(None, tmp_path / "secret.key"))

    def move(to: Callable[[Config, str], None], revision: str, query: str) -> list[Any]:
        with database.engine.connect() as connection:
            to(schema.alembic_config(connection), revision)
            connection.commit()
            return list(connection.exec_driver_sql(query))

    move(command.upgrade, "0001", "SELECT 1")
    with (
        closing(sqlite3.connect(file)) as rows_alone,
        rows_alone,
    ):  # no row that they refer to is needed
        rows_alone.executemany(f"INSERT INTO {into} VALUES ({row})", values)
    yield move
    database.dispose()


def test_filters_that_were_expanded_from_a_name_are_that_name_again(tmp_path: Path) -> None:
    written = {
        # Only a name can have become all of these; of the others each may have been typed.
        "names": [420, 1700, 1710, 1750, 1810, 1820, 1830, 1840],
        "ids": [420, 450, 1700, 1710, 2300],
        "bots": [830, 850, 870, 890],
        "none": [],
        "all": None,
    }
    wanted = {
        **written,
        "names": ["arena", "Swarm", 420],
        "bots": ["Co-op vs. AI Intro", "Co-op vs. AI Intermediate"],
    }
    row = "?, 1, ?, 'discord-bot', '1', NULL, ?, 'review', '2026-11-01', NULL, 1"
    values = [
        (number, name, None if queues is None else json.dumps(queues))
        for number, (name, queues) in enumerate(written.items())
    ]
    query = "SELECT name, queues FROM channels"
    with moving(tmp_path, "channels", row, values) as move:
        for to, revision, expected in (
            (command.upgrade, "0002", wanted),
            (command.downgrade, "0001", written),
        ):
            found = move(to, revision, query)
            assert {name: text and json.loads(text) for name, text in found} == expected


def test_games_that_are_there_learn_their_kind_and_keep_creep_score_where_it_was_shown(
    tmp_path: Path,
) -> None:
    games = {
        # queue, mode, type, name, family, map → kind, and whether creep score was shown
        "A": (420, "CLASSIC", "MATCHED_GAME", "Ranked Solo", "rift", 11, "ranked", True),
        "B": (400, "CLASSIC", "MATCHED_GAME", "Normal Draft", "rift", 11, "normal", True),
        "C": (0, "CLASSIC", "CUSTOM_GAME", "Tournament", "rift", 11, "tournament", True),
        "D": (0, "CLASSIC", "CUSTOM_GAME", "Custom", "rift", 11, "custom", True),
        "E": (700, "CLASSIC", "MATCHED_GAME", "Clash", "rift", 11, "tournament", True),
        "F": (890, "CLASSIC", "MATCHED_GAME", "Co-op", "rift", 11, "bots", True),
        "G": (4220, "RUBY", "MATCHED_GAME", "Ruby", "other", 11, "bots", True),
        "H": (450, "ARAM", "MATCHED_GAME", "ARAM", "aram", 12, "aram", False),
        "I": (1740, "CHERRY", "MATCHED_GAME", "Arena", "arena", 30, "arena", False),
        "J": (900, "URF", "MATCHED_GAME", "ARURF", "other", 11, "other", True),
        "K": (2300, "BRAWL", "MATCHED_GAME", "Brawl", "other", 35, "other", False),
    }
    row = "?, 'na1', ?, ?, ?, ?, ?, ?, '16', 'played', '2026-11-01', '2026-11-01', 1800, 1, '1', ''"
    values = [
        (match_id, queue, name, mode, type_, family, map_id)
        for match_id, (queue, mode, type_, name, family, map_id, *_) in games.items()
    ]
    with moving(tmp_path, "games", row, values) as move:
        with closing(sqlite3.connect(tmp_path / "old.sqlite3")) as stats, stats:
            stats.executemany(
                "INSERT INTO player_stats VALUES "
                "(?, 1, 1, 1, '2026-11-01', 3.0, 0.5, 7.5, 300.0, 0.2, '[]', NULL)",
                [(match_id,) for match_id in games],
            )
        query = (
            "SELECT match_id, queue_kind, cs_per_min FROM games JOIN player_stats USING (match_id)"
        )
        found = move(command.upgrade, "0002", query)
    assert {match_id: (kind, rate) for match_id, kind, rate in found} == {
        match_id: (game[6], 7.5 if game[7] else None) for match_id, game in games.items()
    }
