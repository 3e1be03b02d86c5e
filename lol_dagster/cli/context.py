"""What every command that reads or changes the database begins with."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from lol_dagster.errors import UserError
from lol_dagster.logs.writing import start_logging
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.schema import open_database


@dataclass(frozen=True)
class CommandContext:
    """The settings and the database, opened for one command."""

    settings: Settings
    database: Database
    now: datetime

    @property
    def who(self) -> str:
        """Who typed the command, for the audit trail."""
        try:
            return f"{getpass.getuser()} (command line)"
        except (OSError, KeyError):  # a user id without a name, as in containers
            return "command line"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction in the name of whoever typed the command.

        Raises:
            UserError: somebody else changed the same entry meanwhile.
        """
        try:
            with self.database.writing(who=self.who) as session:
                yield session
        except StaleDataError:
            raise UserError(
                "somebody else changed this at the same moment: check it and try again"
            ) from None


@contextmanager
def command_context() -> Iterator[CommandContext]:
    """
    Raises:
        SettingsError: a setting is wrong, or LOL_HOME cannot be written.
        DatabaseError: the database cannot be opened.
    """
    settings = load_settings()
    start_logging(settings, "command")
    database = open_database(settings)
    try:
        yield CommandContext(settings, database, datetime.now(UTC))
    finally:
        database.dispose()
