"""A click group whose commands are imported when they are used, and whose errors are one line.

Nothing here knows a particular command.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from lol_dagster.errors import UserError
from lol_dagster.riot.errors import RiotError

_INTERRUPTED = 130  # what shells report for a program that SIGINT ended


class Failure(click.ClickException):
    """The end of a command that could not do its work, told in one line."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def show(self, file: Any = None) -> None:
        """Print the line on standard error."""
        click.echo(f"lol-dagster: {self.format_message()}", file=file or sys.stderr)


class LazyGroup(click.Group):
    """Commands by the place where they are found."""

    def __init__(self, *, commands_at: Mapping[str, str], **attributes: Any) -> None:
        """
        Args:
            commands_at: Command name → `module:attribute`.
            attributes: A click group's.
        """
        super().__init__(**attributes)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which they were given: the order in which they are needed."""
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in self._commands_at:
            return None
        module, attribute = self._commands_at[cmd_name].split(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            Failure: it ended with an error that a person has to read.
        """
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise Failure(str(error), exit_code=2) from error
        except RiotError as error:
            raise Failure(str(error), exit_code=1) from error
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
