"""`lol-dagster db …`: the product's database itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lol_dagster.cli.output import as_json_option, print_either
from lol_dagster.settings import ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import damage
from lol_dagster.storage.schema import SchemaState, schema_state
from lol_dagster.storage.schema import upgrade as upgrade_schema

_MEANING: dict[SchemaState, str] = {
    "current": "has the tables of this version",
    "behind": "was written by an older version: 'lol-dagster db upgrade' brings it up to date",
    "newer": "was written by a newer version of lol_dagster: install that version",
    "empty": "has no tables yet: 'lol-dagster db upgrade' makes them",
}


@click.group()
def db() -> None:
    """The database itself."""


@db.command()
@as_json_option
def upgrade(as_json: bool) -> None:
    """Make the tables, or bring them up to this version.

    Every command does so by itself; this is for doing it alone, before anything else starts.
    """
    settings = load_settings()
    ensure_home(settings)
    database = Database(settings.effective_database_url)
    before = _state(database)
    upgrade_schema(database, lock_file=settings.home / "upgrade.lock")
    value = {"database": _shown_url(database), "before": before, "state": schema_state(database)}
    database.dispose()
    print_either(
        value,
        as_json,
        lambda: click.echo(
            f"{value['database']} "
            + ("was up to date already." if before == "current" else "is up to date now.")
        ),
    )


@db.command()
@as_json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Whether the database fits this version and is sound; changes nothing.

    The state is current, behind, newer or empty. The exit status is 1 unless it is current and
    nothing is damaged.
    """
    database = Database(load_settings().effective_database_url)
    state = _state(database)
    found = damage(database) if state == "current" else []
    value = {"database": _shown_url(database), "state": state, "damage": found}
    database.dispose()
    print_either(value, as_json, lambda: _print_check(value))
    if state != "current" or found:
        ctx.exit(1)


def _print_check(value: dict[str, Any]) -> None:
    click.echo(f"{value['state']}: {value['database']} {_MEANING[value['state']]}.")
    for line in value["damage"]:
        click.echo(f"! {line}")
    if value["damage"]:
        click.echo("The database is damaged: restore a backup.")


def _state(database: Database) -> SchemaState:
    # Connecting to a SQLite file that is not there would make it.
    file = database.url.database if database.is_sqlite else None
    if file and file != ":memory:" and not Path(file).exists():
        return "empty"
    return schema_state(database)


def _shown_url(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)
