"""`lol-dagster db …`: the product's database itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, shown
from lol_dagster.cli.secret_input import SecretInput
from lol_dagster.cli.slow_queries import slow
from lol_dagster.errors import UserError
from lol_dagster.services.home_lock import alone_in
from lol_dagster.settings import Settings, ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import damage
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.moved import unmark_moved
from lol_dagster.storage.rotation import rotate
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


db.add_command(slow)


@db.command()
@as_json_option
def upgrade(as_json: bool) -> None:
    """Make the tables, or bring them up to this version.

    Every command does so by itself; this is for doing it alone, before anything else starts.
    """
    settings = load_settings()
    ensure_home(settings)
    database = Database(settings.effective_database_url, keyring(settings))
    before = _state(database)
    upgrade_schema(database, lock_file=settings.home / "upgrade.lock", unless_up_in=settings.home)
    value = {"database": _shown_url(database), "before": before, "state": schema_state(database)}
    database.dispose()
    is_new = "was up to date already." if before == "current" else "is up to date now."
    print_either(value, as_json, f"{value['database']} {is_new}")


@db.command()
@as_json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Whether the database fits this version and is sound; changes nothing.

    The state is current, behind, newer or empty. The exit status is 1 unless it is current and
    nothing is damaged.
    """
    settings = load_settings()
    database = Database(settings.effective_database_url, keyring(settings))
    state = _state(database)
    found = damage(database) if state == "current" else []
    where = _shown_url(database)
    database.dispose()
    lines = [f"{state}: {where} {_MEANING[state]}.", *(f"! {line}" for line in found)]
    if found:
        lines.append("The database is damaged: restore a backup.")
    value = {"database": where, "state": state, "damage": found}
    print_either(value, as_json, "\n".join(lines))
    if state != "current" or found:
        ctx.exit(1)


@db.command()
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="This file instead of one in LOL_HOME/backups.",
)
@as_json_option
def backup(to: Path | None, as_json: bool) -> None:
    """A copy of the database as it is now, while everything goes on.

    It is opened and counted before it counts as a backup. Of those in LOL_HOME/backups the last of
    each of seven days and of four weeks are kept.
    """
    from lol_dagster.backups.take import take_backup

    with command_context() as context:
        target = None if to is None else to.absolute()
        made = take_backup(context.database, context.settings.home, context.now, to=target)
        not_inside = _not_inside(context.settings)
    value = {
        "file": str(made.file),
        "taken_at": made.taken_at,
        "bytes": made.size,
        "schema": made.revision,
        "rows": made.rows,
        "removed": [str(path) for path in made.removed],
        "not_inside": not_inside,
    }
    lines = [
        f"{made.file}: {made.size:,} bytes, {sum(made.rows.values()):,} rows, verified.",
        *(f"Removed {path}, which need not be kept." for path in made.removed),
        f"Not inside, keep copies elsewhere: {'; '.join(not_inside)}.",
    ]
    print_either(value, as_json, "\n".join(lines))


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--put-aside", is_flag=True, help="Rename a damaged SQLite database that is there.")
@as_json_option
def restore(file: Path, put_aside: bool, as_json: bool) -> None:
    """Bring a backup back into an empty home, or into an empty PostgreSQL database.

    Messages that were not delivered when it was taken may have been since: their channels are
    checked first, and where a channel cannot be read they are held for review.
    """
    from lol_dagster.backups.restore import restore_backup

    settings = load_settings()
    database = Database(settings.effective_database_url, keyring(settings))
    with alone_in(ensure_home(settings)):
        if not put_aside:
            _state(database)  # says in a line if it cannot be reached
        restored = restore_backup(database, file.absolute(), datetime.now(UTC), put_aside=put_aside)
        upgrade_schema(database, lock_file=settings.home / "upgrade.lock")
    value = {
        "database": _shown_url(database),
        "taken_at": restored.taken_at,
        "rows": restored.rows,
        "maybe_delivered": restored.doubtful,
        "put_aside": restored.put_aside and str(restored.put_aside),
        "not_inside": _not_inside(settings),
    }
    database.dispose()
    rows = sum(restored.rows.values())
    lines = [f"{value['database']} holds {rows:,} rows as of {shown(restored.taken_at)}."]
    if restored.put_aside:
        lines.append(f"The damaged database is {restored.put_aside} now.")
    if restored.doubtful:
        lines.append(
            f"{restored.doubtful} messages were not delivered then: they are searched for in their "
            "channels before anything is sent."
        )
    lines += [
        f"Did these come along? {'; '.join(_not_inside(settings))}.",
        "Go on with 'lol-dagster up', in one installation only: two would announce everything twice.",
    ]
    print_either(value, as_json, "\n".join(lines))


@db.command()
@click.argument("to_url", type=SecretInput("The database's URL"))
@as_json_option
def copy(to_url: str, as_json: bool) -> None:
    """Copy everything into an empty database, such as postgresql://user@host/name.

    Each table is compared afterwards. Nobody else may use either of the two; from then on nothing starts on
    the old one. Cut short, it can be repeated. '-' asks for the URL, or reads it from the standard input: one
    with a password in it is a secret.
    """
    from lol_dagster.backups.move import move

    settings = load_settings()
    source = Database(settings.effective_database_url, keyring(settings))
    target = Database(to_url, source.keyring)
    if target.url == source.url:
        raise UserError("that is the database itself: give another one")
    with alone_in(ensure_home(settings)):
        for database in (source, target):
            upgrade_schema(database, lock_file=settings.home / "upgrade.lock")
        moved = move(source, target, show=lambda table: click.echo(f"copying {table}", err=True))
    value = {
        "from": _shown_url(source),
        "to": _shown_url(target),
        "rows": moved.rows,
        "digests": moved.digests,
    }
    source.dispose()
    target.dispose()
    said = (
        f"{sum(moved.rows.values()):,} rows were copied to {value['to']} and are the same there.\n"
        f"Set LOL_DATABASE_URL to it: nothing starts on {value['from']} any more."
    )
    print_either(value, as_json, said)


@db.command()
@as_json_option
def reopen(as_json: bool) -> None:
    """Let a database be used again that was copied into another one.

    Only where nothing has been started on that other one, or everything would be announced twice.
    """
    settings = load_settings()
    database = Database(settings.effective_database_url, keyring(settings))
    with alone_in(ensure_home(settings)):
        upgrade_schema(database, lock_file=settings.home / "upgrade.lock")
        with database.writing() as session:
            was_marked = unmark_moved(session)
    value = {"database": _shown_url(database), "reopened": was_marked}
    database.dispose()
    is_open = "is open again." if was_marked else "was open already."
    print_either(value, as_json, f"{value['database']} {is_open}")


@db.command("rotate-key")
@click.option(
    "--give-up-lost", is_flag=True, help="Go on without addresses that no key opens any more."
)
@as_json_option
def rotate_key(give_up_lost: bool, as_json: bool) -> None:
    """Encrypt the addresses of webhooks with a new key.

    It is made in the file secret.key, or is the first of LOL_SECRET_KEY=NEW,OLD. Killed half way,
    nothing is lost: run it again. Signs everybody out of the web view when that is started again.
    """
    settings = load_settings()
    keys = keyring(settings)
    database = Database(settings.effective_database_url, keys)
    home = ensure_home(settings)
    upgrade_schema(database, lock_file=home / "upgrade.lock", unless_up_in=home)
    rotated = rotate(database, keys, give_up_lost=give_up_lost)
    database.dispose()
    value = {
        "rewritten": rotated.rewritten,
        "given_up": list(rotated.given_up),
        "file": str(keys.in_file) if keys.in_file else None,
    }
    lines = [
        f"{rotated.rewritten} addresses are encrypted with the new key.",
        *(
            f"The address of channel {name!r} is lost: give it a new one."
            for name in rotated.given_up
        ),
        "The older keys may go from LOL_SECRET_KEY; older backups need them."
        if keys.in_file is None
        else f"{keys.in_file} keeps the older keys for older backups. Keep a copy of it.",
    ]
    print_either(value, as_json, "\n".join(lines))


def _not_inside(settings: Settings) -> list[str]:
    """What else an installation needs to go on elsewhere."""
    found = [".env with the keys and tokens"]
    if settings.secret_key is None:
        found.append(f"{settings.home / 'secret.key'}, with which addresses of webhooks are read")
    return found


def _state(database: Database) -> SchemaState:
    # Connecting to a SQLite file that is not there would make it.
    file = database.url.database if database.is_sqlite else None
    if file and file != ":memory:" and not Path(file).exists():
        return "empty"
    return schema_state(database)


def _shown_url(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)
