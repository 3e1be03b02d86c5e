"""A click group whose commands are imported when they are used, and whose errors are one line.

Nothing here knows a particular command.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NoReturn

import click
from sqlalchemy.exc import OperationalError

from lol_dagster.errors import UserError
from lol_dagster.riot.errors import RiotError
from lol_dagster.storage.database import trouble_in_words

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_INTERRUPTED = 130  # what shells report of a program that SIGINT ended


class LazyGroup(click.Group):
    """Commands by the place where they are found."""

    def __init__(self, *, package: str, commands_at: Mapping[str, str], **attributes: Any) -> None:
        """
        Args:
            package: Where the commands' modules are.
            commands_at: Command name → `module:attribute`.
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
        module, _, attribute = self._commands_at[cmd_name].partition(":")
        command = getattr(import_module(f"{self._package}.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what a person has to read becomes a line and an exit status."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            _end(ctx, error, status=2)
        except RiotError as error:
            _end(ctx, error, status=1)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except OperationalError as error:  # locked, full, gone: its SQL helps nobody
            _end(ctx, trouble_in_words(error), status=1)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            _end(ctx, f"there is no room left on the disk: {error}", status=1)


def _end(ctx: click.Context, error: Exception | str, *, status: int) -> NoReturn:
    line = " ".join(str(error).split())
    click.echo(f"lol-dagster: {line}", err=True)
    ctx.exit(status)
