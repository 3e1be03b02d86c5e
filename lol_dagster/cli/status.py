"""`lol-dagster status`"""

from __future__ import annotations

from dataclasses import asdict

import click

from lol_dagster.cli.house import open_house
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.operations.health import Health, Waiting, look


@click.command()
@as_json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Is it working, and if not, what is wrong?

    Exits with 0 if all is well, with 1 if something is wrong.
    """
    with open_house() as house, house.database.reading() as session:
        health = look(session, house.now)
    value = {"healthy": health.healthy, **asdict(health)}
    print_either(value, as_json, lambda: _print(health))
    context.exit(0 if health.healthy else 1)


def _print(health: Health) -> None:
    if health.healthy:
        click.echo("All is well.")
    for problem in health.problems:
        click.echo(f"! {problem}")
    click.echo()
    print_table(
        ("PLATFORM", "ACCOUNTS", "LAST ASKED"),
        ((each.platform, each.accounts, each.last_good_poll_at) for each in health.platforms),
        empty="Nobody is watched.",
    )
    click.echo()
    print_fields(
        [
            ("oldest due game", _waiting(health.oldest_unprocessed)),
            ("oldest untold message", _waiting(health.oldest_untold)),
            ("games set aside", health.set_aside),
            ("games that are late", health.late),
            ("messages parked", health.parked),
            ("blocked", [each.name for each in health.blocked]),
        ]
    )


def _waiting(waiting: Waiting | None) -> str | None:
    return f"{waiting.key}, since {waiting.since:%Y-%m-%d %H:%M} UTC" if waiting else None
