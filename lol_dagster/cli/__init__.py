"""The command line: which commands there are, and how each of them ends.

A command's module is imported when the command is used, and slow libraries inside its function:
`lol-dagster team list` never pays for Dagster. What a command prints goes through `cli.output`; what
it does belongs into the rooms below.
"""

from __future__ import annotations

import logging

import click

from lol_dagster.cli.lazy import LazyGroup

_COMMANDS = {
    "team": "lol_dagster.cli.roster:team",
    "player": "lol_dagster.cli.roster:player",
    "account": "lol_dagster.cli.roster:account",
    "channel": "lol_dagster.cli.roster:channel",
    "game": "lol_dagster.cli.game:game",
    "message": "lol_dagster.cli.message:message",
    "status": "lol_dagster.cli.status:status",
    "once": "lol_dagster.cli.services:once",
    "up": "lol_dagster.cli.services:up",
    "demo": "lol_dagster.cli.services:demo",
    "simulate": "lol_dagster.cli.simulate:simulate",
    "db": "lol_dagster.cli.db:db",
}


@click.command(cls=LazyGroup, commands_at=_COMMANDS)
@click.version_option(package_name="lol-dagster", message="%(prog)s %(version)s")
def app() -> None:
    """Watches a group of friends' League of Legends games and tells their channel, once per game.

    Exit status: 0 done; 1 it could not be done now, or not all is well; 2 something is wrong with
    the command, a setting or an entry, and the line says what; 130 ended by Ctrl-C.
    """


def main() -> None:
    """Run the command that the process was started with."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    app(prog_name="lol-dagster")
