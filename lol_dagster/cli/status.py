"""`lol-dagster status`"""

from __future__ import annotations

from dataclasses import asdict

import click

from lol_dagster.cli.house import open_house
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table, shown
from lol_dagster.operations.health import Health, Waiting, read_health


@click.command()
@as_json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Is it working, and if not, what is wrong and what to do?

    Exits with 0 if all is well, with 1 if something is wrong.
    """
    with open_house() as house, house.database.reading() as session:
        health = read_health(session, house.now)
    value = {"healthy": health.healthy, "problems": health.problems, **asdict(health)}
    print_either(value, as_json, lambda: _print(health))
    context.exit(0 if health.healthy else 1)


def _print(health: Health) -> None:
    if health.healthy:
        click.echo("All is well.")
    for problem in health.problems:
        click.echo(f"! {shown(problem)}")
    click.echo()
    print_table(
        ("PLATFORM", "ACCOUNTS", "MATCH LISTS LAST SEEN"),
        ((each.platform, each.accounts, each.last_good_poll_at) for each in health.platforms),
        empty="Nobody is watched.",
    )
    click.echo()
    print_fields(
        [
            ("games", _by_state(health.games)),
            ("  last 24 h", f"{health.played_last_day} played, {health.gone_last_day} gone"),
            ("  late", health.late_games),
            ("  oldest due", _waiting(health.oldest_due_game)),
            ("messages", _by_state(health.messages)),
            ("  last 24 h", f"{health.delivered_last_day} delivered"),
            ("  oldest untold", _waiting(health.oldest_untold_message)),
        ]
    )


def _by_state(counts: dict[str, int]) -> str | None:
    known = [f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count]
    return ", ".join(known) or None


def _waiting(waiting: Waiting | None) -> str | None:
    return f"{waiting.id}, since {waiting.since:%Y-%m-%d %H:%M} UTC" if waiting else None
