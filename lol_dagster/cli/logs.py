"""`lol-dagster logs`"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lol_dagster.cli.output import as_json_option, shown
from lol_dagster.cli.since import since_option
from lol_dagster.logs.reading import LEVELS, Follower, LogFilter, LogLine, newest, read_log
from lol_dagster.settings import load_settings

_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines, until Ctrl-C.")
@click.option("--game", metavar="MATCH_ID", help="Only lines about this game.")
@click.option("--run", metavar="RUN_ID", help="Only lines of this run; its first letters will do.")
@click.option("--player", metavar="NAME#TAG", help="Only lines about this account.")
@click.option("--channel", metavar="NAME", help="Only lines about this channel.")
@click.option("--message", metavar="ID", help="Only lines about this message.")
@click.option("--level", type=click.Choice(LEVELS), help="Only this level and more severe ones.")
@since_option("All lines since then")
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=200, show_default=True,
    help="How many of the last lines, where no --since is given.",
)  # fmt: skip
@as_json_option
def logs(follow: bool, since: datetime | None, lines: int, as_json: bool, **wanted: Any) -> None:
    """Show what every process has logged.

    With --json each line is printed as it stands in the log: a JSON object.
    """
    settings = load_settings()
    logs_dir = settings.logs_dir
    if _are_runs_elsewhere(settings.dagster_home / "dagster.yaml"):
        click.echo(
            f"These are lines of {socket.gethostname()} alone. Runs work on other hosts, too: Dagster's UI shows "
            "the lines of each run, and the log of its worker's host the rest.",
            err=True,
        )
    matching = LogFilter(since=since, **wanted)
    most = None if since else lines
    try:
        if follow:
            follower = Follower(logs_dir, matching)
            _print_lines(deque(follower.new_lines(), maxlen=most), as_json)
            _print_lines(follower.lines(), as_json)
        elif most is None:
            _print_lines(read_log(logs_dir, matching), as_json)
        else:
            _print_lines(newest(logs_dir, matching, limit=most), as_json)
    except BrokenPipeError:
        # The program that this is piped into (`head`, a pager) has ended. Python would complain once
        # more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _are_runs_elsewhere(dagster_yaml: Path) -> bool:
    """Whether it names one of the launchers that deploy/ has for several hosts."""
    with suppress(OSError):
        return bool(
            re.search(r"module: \S+\.(celery|kubernetes)_launcher\b", dagster_yaml.read_text())
        )
    return False


def _print_lines(lines: Iterable[LogLine], as_json: bool) -> None:
    for line in lines:
        if as_json:
            sys.stdout.write(f"{line.raw}\n")
        else:
            _print_for_people(line)
        sys.stdout.flush()


def _print_for_people(line: LogLine) -> None:
    level = click.style(f"{line.level:<8}", fg=_COLOURS.get(line.level))
    fields = " ".join(f"{name}={shown(value)}" for name, value in line.fields.items())
    click.echo(
        f"{line.at:%Y-%m-%d %H:%M:%S} {level} {shown(line.event)}  "
        + click.style(f"{line.process}[{line.pid}] {fields}", dim=True)
    )
    if line.exception is not None:
        for part in line.exception.splitlines():
            click.echo(f"    {shown(part)}")
