"""The command line `lol-dagster`: reads what was typed, calls the other packages, prints the result.

Belongs here: options, their wording, output for people and as JSON. Decisions do not. A command's
module is imported when the command is used, and slow libraries inside its function: `lol-dagster
team list` never pays for Dagster.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import click

from lol_dagster.cli.lazy import LazyGroup

# In the order in which they are needed.
_COMMANDS = {
    "up": "services:up",
    "once": "services:once",
    "demo": "demo:demo",
    "status": "status:status",
    "doctor": "doctor:doctor",
    "team": "teams:team",
    "player": "players:player",
    "account": "accounts:account",
    "channel": "channels:channel",
    "why": "why:why",
    "game": "games:game",
    "quarantine": "quarantine:quarantine",
    "message": "messages:message",
    "logs": "logs:logs",
    "simulate": "simulate:simulate",
    "admin": "admin:admin",
    "db": "databases:db",
}


@click.command(
    cls=LazyGroup,
    package=__name__,
    commands_at=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="lol-dagster", message="%(prog)s %(version)s")
def cli() -> None:
    """Watches a group's League of Legends games and posts each to their channel, once.

    Exit status: 0 done; 1 it could not be done now, or not all is well; 2 the command, a setting
    or an entry is wrong, and one line says how; 130 ended by Ctrl-C.
    """
    from lol_dagster.settings import unknown_variables

    for name, nearest in unknown_variables().items():
        meant = f": did you mean {nearest}?" if nearest else ""
        click.echo(f"lol-dagster: {name} is no setting{meant}", err=True)


def main() -> None:
    """What the script `lol-dagster` runs."""
    from lol_dagster.logs.writing import warn_on_terminal

    # Whatever a command or a service of its own writes is its owner's alone.
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What a terminal's encoding lacks, such as a dash or a name, must not end a command.
            stream.reconfigure(errors="replace")
    warn_on_terminal()
    cli(prog_name="lol-dagster")
