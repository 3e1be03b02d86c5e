"""A click group whose commands are imported when they are used, and whose errors are one line.

Nothing here knows a particular command.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from lol_dagster.errors import UserError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_INTERRUPTED = 130  # what shells report of a program that SIGINT ended


class LazyGroup(click.Group):
    """Commands by the place where they are found. Its own help imports none of them."""

    def __init__(
        self, *, package: str, commands_at: Mapping[str, tuple[str, str]], **attributes: Any
    ) -> None:
        """
        Args:
            package: Where the commands' modules are.
            commands_at: Command name → `module:attribute`, and the first sentence of its help.
            attributes: A click group's.
        """
        super().__init__(**attributes)
        self._package = package
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which they were given."""
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in self._commands_at:
            return None
        place, _ = self._commands_at[cmd_name]
        module, _, attribute = place.partition(":")
        command = getattr(import_module(f"{self._package}.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command's name and what it does."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in self._commands_at.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what a person has to read becomes a line and an exit status."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except Exception as error:
            status = _status_of(error)
            if status is None:
                raise
            click.echo(f"lol-dagster: {message_for(error)}", err=True)
            ctx.exit(status)


def _status_of(error: Exception) -> int | None:
    """None: it is a bug, and keeps its traceback."""
    from lol_dagster.riot.errors import RiotError
    from lol_dagster.storage.database import is_unusable

    if isinstance(error, UserError):
        return 2
    is_known = isinstance(error, RiotError) or is_unusable(error)
    return 1 if is_known or _lacks_space(error) else None


def message_for(error: BaseException) -> str:
    """What a person has to read of what ended a command."""
    from sqlalchemy.exc import DBAPIError

    from lol_dagster.riot.errors import RiotError
    from lol_dagster.storage.database import describe_failure, is_unusable

    if isinstance(error, DBAPIError) and is_unusable(error):
        line = describe_failure(error)  # its SQL helps nobody
    elif _lacks_space(error):
        line = f"there is no space left on the disk: {error}"
    elif isinstance(error, UserError | RiotError):
        line = str(error)
    else:
        line = f"{type(error).__name__}: {error}".removesuffix(": ")
    return " ".join(line.split())


def _lacks_space(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_SPACE
