"""The schema's version: created, upgraded, compared with the models, refused when newer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from lol_dagster.services.home_lock import alone_in, alone_on
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage import schema
from lol_dagster.storage.database import Database, DatabaseError
from lol_dagster.storage.models import Base
from lol_dagster.storage.schema import open_database, schema_state, upgrade
from lol_dagster_tests._support.commands import run

_OPEN = """
import sys
from lol_dagster.settings import load_settings
from lol_dagster.storage.schema import open_database
print("ready", flush=True)
sys.stdin.read()  # until both are
open_database(load_settings())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/empty.sqlite3"
    else:
        url = request.getfixturevalue("empty_postgres_url")
    database = Database(url)
    yield database
    database.dispose()


def _lock(tmp_path: Path) -> Path:
    return tmp_path / "upgrade.lock"


def test_an_empty_database_becomes_current_and_stays_so(
    empty_database: Database, tmp_path: Path
) -> None:
    assert schema_state(empty_database) == "empty"
    upgrade(empty_database, lock_file=_lock(tmp_path))
    assert schema_state(empty_database) == "current"
    upgrade(empty_database, lock_file=_lock(tmp_path))
    assert schema_state(empty_database) == "current"


# SQLite's reflection leaves out the indexes on lower(name); PostgreSQL's has them.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
def test_the_migrations_make_exactly_what_the_models_say(any_database: Database) -> None:
    with any_database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_check_constraints_are_made_by_the_migrations_too(any_database: Database) -> None:
    """Alembic's comparison leaves them out."""
    inspector = inspect(any_database.engine)
    for table in Base.metadata.sorted_tables:
        # Only named ones: every constraint has a name by the naming convention.
        meant = {
            str(each.name) for each in table.constraints if type(each).__name__ == "CheckConstraint"
        }
        made = {each["name"] for each in inspector.get_check_constraints(table.name)}
        assert made == meant, table.name


def test_going_down_leaves_nothing_behind(any_database: Database) -> None:
    with any_database.engine.connect() as connection:
        command.downgrade(schema.alembic_config(connection), "base")
        connection.commit()
    left = set(inspect(any_database.engine).get_table_names())
    assert left == {"alembic_version"}
    assert schema_state(any_database) == "empty"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_processes_that_open_a_new_database_together_both_succeed(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "postgresql":
        monkeypatch.setenv("LOL_DATABASE_URL", request.getfixturevalue("empty_postgres_url"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    database = open_database(load_settings())
    with database.engine.connect() as connection:
        heads = connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one()
    assert heads == 1
    database.dispose()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    any_database: Database, tmp_path: Path
) -> None:
    with any_database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert schema_state(any_database) == "newer"
    with pytest.raises(DatabaseError, match="written by a newer version of lol_dagster: install"):
        upgrade(any_database, lock_file=_lock(tmp_path))
    assert schema_state(any_database) == "newer"


def test_the_tables_of_an_older_up_that_runs_are_left_as_it_knows_them(
    any_database: Database, tmp_path: Path
) -> None:
    with any_database.engine.connect() as connection:
        command.downgrade(schema.alembic_config(connection), "0001")
        connection.commit()
    with an_up_running(any_database, tmp_path), pytest.raises(DatabaseError, match="older version"):
        upgrade(any_database, lock_file=_lock(tmp_path), unless_up_in=tmp_path)
    assert schema_state(any_database) == "behind"
    upgrade(any_database, lock_file=_lock(tmp_path), unless_up_in=tmp_path)
    assert schema_state(any_database) == "current"
    with an_up_running(any_database, tmp_path):
        upgrade(any_database, lock_file=_lock(tmp_path), unless_up_in=tmp_path)


@contextmanager
def an_up_running(database: Database, home: Path) -> Iterator[None]:
    with ExitStack() as held:
        if database.is_sqlite:
            held.enter_context(alone_in(home))
        else:
            held.enter_context(alone_on(database, lost=print))
        yield


@pytest.mark.parametrize("words", [["status"], ["db", "upgrade"], ["db", "rotate-key"]])
def test_commands_leave_them_too(settings: Settings, database: Database, words: list[str]) -> None:
    with database.engine.connect() as connection:
        command.downgrade(schema.alembic_config(connection), "0001")
        connection.commit()
    with an_up_running(database, settings.home):
        shown = run(*words)
    assert shown.exit_code == 2
    assert "is still running: end it, and start it again with this version" in shown.output
    assert schema_state(database) == "behind"


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    # A Unix socket folder without a server in it: refused at once, with no port to find.
    database = Database(f"postgresql://lol:s3cret@/lol?host={tmp_path}")
    with pytest.raises(DatabaseError, match="cannot be opened: ") as caught:
        schema_state(database)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "lol.sqlite3"
    file.write_text("this is a shopping list, and no database at all\n" * 100)
    monkeypatch.setenv("LOL_DATABASE_URL", f"sqlite:///{file}")
    with pytest.raises(DatabaseError, match="file is not a database"):
        open_database(load_settings())
