"""`lol-dagster status`"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_section, shown
from lol_dagster.monitoring.disk import size
from lol_dagster.monitoring.health import Health, Oldest, read_health


@click.command()
@as_json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Is it working, and if not, what is wrong and what is there to do?

    Exits with 0 if all is well, with 1 if something is wrong.
    """
    with command_context() as app, app.database.reading() as session:
        health = read_health(session, app.now, app.settings)
    print_either(_for_programs(health), as_json, lambda: _print(health))
    context.exit(0 if health.healthy else 1)


def _for_programs(health: Health) -> dict[str, Any]:
    figures = asdict(replace(health, checks=()))
    del figures["checks"]
    return {
        "healthy": health.healthy,
        "errors": health.errors,
        "warnings": health.warnings,
        "checks": {
            result.check.id: {
                "count": result.count,
                "affected": [each.id for each in result.affected if each.id],
                "severity": result.check.severity,
            }
            for result in health.checks
        },
        **figures,
    }


def _print(health: Health) -> None:
    if health.healthy:
        click.echo("All is well.")
    for error in health.errors:
        click.echo(f"! {shown(error)}")
    for warning in health.warnings:
        click.echo(f"  {shown(warning)}")
    print_section(
        ("PLATFORM", "ACCOUNTS", "LAST MATCH LIST"),
        ((each.platform, each.accounts, each.last_good_poll_at) for each in health.platforms),
        empty="Nobody is tracked.",
    )
    print_section(
        ("PART", "LAST HEARTBEAT", "RUNNING SINCE"),
        ((each.part, each.at, each.started_at) for each in health.heartbeats.values()),
        empty="Nothing has run yet.",
    )
    click.echo()
    free = size(health.disk.free)
    print_fields(
        [
            ("games", _by_state(health.games)),
            (
                "  last 24 h",
                f"{health.played_last_day} played, {health.not_found_last_day} not found",
            ),
            ("  delayed", health.delayed_games),
            ("  oldest due", _oldest(health.oldest_due_game)),
            ("messages", _by_state(health.messages)),
            ("  last 24 h", f"{health.delivered_last_day} delivered"),
            ("  oldest undelivered", _oldest(health.oldest_undelivered_message)),
            ("Riot's limits", _most_used(health)),
            ("disk", f"{free} free, the database has {size(health.disk.database)}"),
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


def _oldest(oldest: Oldest | None) -> str | None:
    return f"{oldest.id}, since {oldest.since:%Y-%m-%d %H:%M} UTC" if oldest else None
