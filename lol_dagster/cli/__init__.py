"""The command line `lol-dagster`: reads what was typed, calls the other packages, prints the result.

Belongs here: options, their wording, output for people and as JSON. Decisions do not. A command's
module is imported when the command is used, and slow libraries inside its function: `lol-dagster
team list` never pays for Dagster.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from io import TextIOWrapper

import click

from lol_dagster.cli.lazy import LazyGroup
from lol_dagster.logs.terminal import warn_on_terminal

# In the order in which they are needed: where each is, and the first sentence of its help.
_COMMANDS = {
    "up": (
        "services:up",
        "Everything, until Ctrl-C: Dagster's web server, daemon and code server, and the web view.",
    ),
    "once": (
        "services:once",
        "One whole cycle in this process: discover, process, deliver.",
    ),
    "demo": ("demo:demo", "See it work: no key, no account, no server."),
    "status": (
        "status:status",
        "Is it working, and if not, what is wrong and what is there to do?",
    ),
    "doctor": (
        "doctor:doctor",
        "Try out what is set up: each channel with a test message, or those named.",
    ),
    "team": ("teams:team", "Groups of players whose games are announced together."),
    "player": ("players:player", "People, their accounts and their teams."),
    "account": ("accounts:account", "Riot accounts of players."),
    "channel": ("channels:channel", "Where a team's games are announced."),
    "icons": ("icons:icons", "The champions' icons in messages."),
    "why": (
        "why:why",
        "Say why a game was announced or not, or what happened to a player's last games.",
    ),
    "game": ("games:game", "Games, from Riot's list to the messages about them."),
    "quarantine": (
        "quarantine:quarantine",
        "Games on which a stage failed: seen, tried again, or ignored for good.",
    ),
    "message": ("messages:message", "What is said, and how far its delivery has come."),
    "logs": ("logs:logs", "Show what every process has logged."),
    "simulate": (
        "simulate:simulate",
        "Riot, Discord and Slack on one local port, until Ctrl-C.",
    ),
    "admin": ("admin:admin", "The web view alone, until Ctrl-C."),
    "db": ("databases:db", "The database itself."),
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

    if not gc.isenabled():
        # The command's modules, that is, nearly all that a short command makes, are there and stay until its end.
        gc.freeze()
        gc.enable()
    for name, nearest in unknown_variables().items():
        meant = f": did you mean {nearest}?" if nearest else ""
        click.echo(f"lol-dagster: {name} is no setting{meant}", err=True)


def main() -> None:
    """What the script `lol-dagster` runs."""
    # Looking through modules for garbage again and again, and once more at the end, would take a third of a short
    # command's time: it begins when they are there.
    gc.disable()
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Whatever a command or a service of its own writes is its owner's alone.
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What a terminal's encoding lacks, such as a dash or a name, must not end a command.
            stream.reconfigure(errors="replace")
    warn_on_terminal()
    cli(prog_name="lol-dagster")
