"""The schema's version: bringing a database up to it, and refusing one that is ahead of it.

Alembic is imported by whoever upgrades: every command looks whether it has to, and hardly ever has.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DatabaseError as DriverError

from lol_dagster.settings import Settings, SettingsError, ensure_home
from lol_dagster.storage.database import (
    Database,
    DatabaseError,
    describe_failure,
    is_damage,
    normalized_url,
    take_your_time,
)
from lol_dagster.storage.file_locks import UP_FILE, alone, is_held
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.models import Channel
from lol_dagster.storage.moved import refuse_if_moved
from lol_dagster.storage.server_locks import UP, owner_of

if TYPE_CHECKING:
    from alembic.config import Config

_log = logging.getLogger(__name__)

SchemaState = Literal["empty", "behind", "current", "newer"]
_MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 0x6C6F6C  # "lol"
_UPGRADED_WITHIN = 600
"""Seconds that are waited for somebody else's upgrade."""


def open_database(settings: Settings, *, is_up: bool = False) -> Database:
    """The product's database, created or upgraded to this version's schema.

    Args:
        is_up: This is `lol-dagster up`, which holds its locks: no other one runs.

    Raises:
        SettingsError: LOL_HOME cannot be written.
        DatabaseError: it cannot be reached, is damaged, was moved into another one, or a newer version of
            lol_dagster has written it; or an older one has, and runs.
        SecretKeyError: secrets in it were encrypted with another key.
    """
    try:
        ensure_home(settings)
    except SettingsError:
        if (database := _opened_without_home(settings)) is None:
            raise
        return database
    database = Database(
        settings.effective_database_url, keyring(settings), slow_query_ms=settings.slow_query_ms
    )
    home = None if is_up else settings.home
    upgrade(database, lock_file=settings.home / "upgrade.lock", unless_up_in=home)
    try:
        refuse_if_moved(database)
    except DatabaseError:
        database.dispose()  # whoever repeats the copy must find it unused
        raise
    with database.reading() as session:
        session.scalars(select(Channel.address)).all()  # which decrypts them
    return database


def _opened_without_home(settings: Settings) -> Database | None:
    """A database of this version where the home cannot be written: enough to see how things stand.

    SQLite's file cannot be written either. SQLite takes it that nobody changes it, as it could write
    nothing beside it to coordinate.
    """
    url = normalized_url(settings.effective_database_url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not file.is_file():
            return None
        url = url.set(database=file.absolute().as_uri()).update_query_dict(
            {"mode": "ro", "immutable": "1", "uri": "true"}
        )
    database = Database(url, keyring(settings))
    if schema_state(database) != "current":
        database.dispose()
        return None
    if database.is_sqlite:
        _log.warning("%s cannot be written: what is shown may lack the newest", settings.home)
    return database


def schema_state(database: Database) -> SchemaState:
    """How the database's schema stands to this version's.

    Raises:
        DatabaseError: the database cannot be reached.
    """
    with _connection(database, read_only=True) as connection:
        return _state(connection)


def known_revision(revision: str) -> bool:
    """Whether it is this version's schema or an older one."""
    return revision in _revisions()


def upgrade(database: Database, *, lock_file: Path, unless_up_in: Path | None = None) -> None:
    """Create the tables or bring them up to date; does nothing where they are.

    Args:
        lock_file: Keeps two processes from upgrading the same SQLite database together.
        unless_up_in: The home; tables are not changed under an `up` of it, or of another host. None: the
            caller sees to it that there is none.

    Raises:
        DatabaseError: it cannot be reached, a newer version of lol_dagster has written it, or an older one has,
            and runs.
        UserError: somebody else has been upgrading it for ten minutes.
    """
    state = _checked_state(schema_state(database))
    if state == "current":
        return
    if state == "behind" and unless_up_in is not None:
        _refuse_beside_up(database, unless_up_in)
    with alone(lock_file, within=_UPGRADED_WITHIN), _connection(database) as connection:
        take_your_time(connection)
        if not database.is_sqlite:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_UPGRADED_WITHIN}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        # Somebody else may have done it while we waited for the lock.
        if _checked_state(_state(connection)) != "current":
            from alembic import command

            command.upgrade(alembic_config(connection), "head")
        connection.commit()
        driver = connection.connection.dbapi_connection
        if database.is_sqlite and driver is not None:
            # Let the file have what the migrations wrote: they may have encrypted what stood in it.
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _refuse_beside_up(database: Database, home: Path) -> None:
    who: str | None = None
    if not database.is_sqlite:
        owner = owner_of(database, UP)
        who = owner and owner.who
    elif (file := home / UP_FILE).exists() and is_held(file):
        who = f"{UP} in {home}"
    if who:
        raise DatabaseError(
            f"the database was written by an older version of lol_dagster, and {who} is still running: "
            "end it, and start it again with this version"
        )


def _checked_state(state: SchemaState) -> SchemaState:
    if state == "newer":
        raise DatabaseError(
            "the database was written by a newer version of lol_dagster: "
            "install that version, or restore a backup made by this one"
        )
    return state


@contextlib.contextmanager
def _connection(database: Database, *, read_only: bool = False) -> Iterator[Connection]:
    # A reader must not wait for a writer.
    engine = database.read_only_engine if read_only else database.engine
    try:
        with engine.connect() as connection:
            yield connection
    except DriverError as error:
        if is_damage(error):
            raise DatabaseError(describe_failure(error)) from error
        where = database.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise DatabaseError(f"the database {where} cannot be opened: {reason}") from error


def _state(connection: Connection) -> SchemaState:
    # As Alembic keeps it.
    if not inspect(connection).has_table("alembic_version"):
        return "empty"
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is None:
        return "empty"
    if revision == _revisions()[-1]:
        return "current"
    return "behind" if known_revision(revision) else "newer"


@cache
def _revisions() -> list[str]:
    """Of all migrations, the newest last: what their files' names begin with."""
    return sorted(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def alembic_config(connection: Connection | None = None) -> Config:
    """What Alembic's commands need, to run on this connection."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
