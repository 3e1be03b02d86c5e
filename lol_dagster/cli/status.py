"""`lol-dagster status`"""

from __future__ import annotations

from dataclasses import asdict

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table, shown
from lol_dagster.monitoring.health import Health, Waiting, read_health
from lol_dagster.monitoring.problems import size


@click.command()
@as_json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Is it working, and if not, what is wrong and what to do?

    Exits with 0 if all is well, with 1 if something is wrong.
    """
    with command_context() as app, app.database.reading() as session:
        health = read_health(session, app.now, app.settings)
    value = {
        "healthy": health.healthy,
        "problems": health.problems,
        "notices": health.notices,
        **asdict(health),
    }
    print_either(value, as_json, lambda: _print(health))
    context.exit(0 if health.healthy else 1)


def _print(health: Health) -> None:
    if health.healthy:
        click.echo("All is well.")
    for problem in health.problems:
        click.echo(f"! {shown(problem)}")
    for notice in health.notices:
        click.echo(f"  {shown(notice)}")
    click.echo()
    print_table(
        ("PLATFORM", "ACCOUNTS", "MATCH LISTS LAST SEEN"),
        ((each.platform, each.accounts, each.last_good_poll_at) for each in health.platforms),
        empty="Nobody is watched.",
    )
    click.echo()
    print_table(
        ("PART", "LAST SIGN OF LIFE", "RUNNING SINCE"),
        ((each.part, each.at, each.started_at) for each in health.signs.values()),
        empty="Nothing has run yet.",
    )
    click.echo()
    print_fields(
        [
            ("games", _by_state(health.games)),
            ("  last 24 h", f"{health.played_last_day} played, {health.not_found_last_day} gone"),
            ("  late", health.delayed_games),
            ("  oldest due", _waiting(health.oldest_due_game)),
            ("messages", _by_state(health.messages)),
            ("  last 24 h", f"{health.delivered_last_day} delivered"),
            ("  oldest untold", _waiting(health.oldest_undelivered_message)),
            ("Riot's limits", _most_used(health)),
            (
                "disk",
                f"{size(health.disk.free)} free, the database has {size(health.disk.database)}",
            ),
        ]
    )


def _most_used(health: Health) -> str | None:
    most = max(health.riot_limits, key=lambda each: each.share, default=None)
    if most is None:
        return None
    return (
        f"{most.share:.0%} used of {most.limit} in {most.seconds} s ({most.route}, {most.method})"
    )


def _by_state(counts: dict[str, int]) -> str | None:
    known = [f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count]
    return ", ".join(known) or None


def _waiting(waiting: Waiting | None) -> str | None:
    return f"{waiting.id}, since {waiting.since:%Y-%m-%d %H:%M} UTC" if waiting else None
