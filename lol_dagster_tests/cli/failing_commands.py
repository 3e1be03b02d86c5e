"""Commands for tests: each ends in a different way."""

from __future__ import annotations

import errno
import os
import sqlite3

import click
from sqlalchemy.exc import OperationalError

from lol_dagster.errors import UserError
from lol_dagster.riot.errors import Call, KeyRejected, ServerError

_CALL = Call("match-v5.match", "europe")


@click.command()
def well() -> None:
    click.echo("done")


@click.command()
def wrong() -> None:
    raise UserError("the name is taken:\n choose another")


@click.command()
def riot_failure() -> None:
    raise ServerError("no answer", _CALL, 503)


@click.command()
def refused_key() -> None:
    raise KeyRejected("unknown key", _CALL, 401)


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
