"""Every released version upgrades to this one, with data in it.

What a version was is in released/<version>.json, which tools/migrations.py wrote at its release.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
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
