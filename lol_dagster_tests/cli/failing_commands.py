"""Commands for tests: each ends in a different way."""

from __future__ import annotations

import errno
import os
import sqlite3

import click
from sqlalchemy.exc import OperationalError

from lol_dagster.errors import UserError
from lol_dagster.riot.errors import KeyRejected, ServerError

_CALL = {"method": "match-v5.match", "route": "europe"}


@click.command()
def well() -> None:
    click.echo("done")


@click.command()
def wrong() -> None:
    raise UserError("the name is taken:\n choose another")


@click.command()
def riot_failure() -> None:
    raise ServerError("no answer", status=503, **_CALL)


@click.command()
def refused_key() -> None:
    raise KeyRejected("unknown key", status=401, **_CALL)


@click.command()
def held_database() -> None:
    raise OperationalError(
        "UPDATE runs SET ...", {"name": "secret"}, sqlite3.OperationalError("database is locked")
    )


@click.command()
def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "backup.tmp")


@click.command()
def interrupted() -> None:
    raise KeyboardInterrupt


@click.command()
def bug() -> None:
    raise ZeroDivisionError
