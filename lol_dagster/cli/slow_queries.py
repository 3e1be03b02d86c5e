"""`lol-dagster db slow`"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from lol_dagster.cli.output import as_json_option, print_either, shown
from lol_dagster.cli.since import since_option
from lol_dagster.settings import load_settings

if TYPE_CHECKING:
    from lol_dagster.logs.slow_queries import SlowStatement


@click.command()
@since_option("Those since then")
@as_json_option
def slow(since: datetime | None, as_json: bool) -> None:
    """Which statements were slow: how often, how long, by which plan, called from where.

    Executions that took LOL_SLOW_QUERY_MS or longer are in the log; these are summed up by statement, the
    greatest total first. All times, the percentiles among them, are of these alone. The plan is that of
    the slowest.
    """
    # Not above: the other commands of `db` are quick, and reading a log loads structlog.
    from lol_dagster.logs.slow_queries import slow_queries

    settings = load_settings()
    statements = slow_queries(settings.logs_dir, since)
    threshold = settings.slow_query_ms
    print_either(
        [asdict(each) for each in statements], as_json, lambda: _print(statements, threshold)
    )


def _print(statements: Sequence[SlowStatement], threshold: float | None) -> None:
    if not statements:
        is_off = " LOL_SLOW_QUERY_MS is off, so that none is logged." if threshold is None else ""
        click.echo(f"No slow queries.{is_off}")
    for each in statements:
        click.echo(
            f"{each.count} times, {each.total_ms:.0f} ms in all, p50 {each.p50_ms:.0f} ms, "
            f"p95 {each.p95_ms:.0f} ms, {each.worst_ms:.0f} ms at worst ({each.rows} rows), "
            f"last {shown(each.last_at)}"
        )
        click.echo(f"  {shown(each.statement)}")
        for line in each.plan:
            click.echo(f"    {shown(line)}")
        click.echo(f"  called from {shown(each.callers)}\n")
