"""`lol-dagster simulate`: the simulated Riot, Discord and Slack alone."""

from __future__ import annotations

from pathlib import Path

import click

from lol_dagster.errors import UserError
from lol_dagster.simulator.faults import describe
from lol_dagster.simulator.main import DEFAULT_PACE, DEFAULT_PORT, Options, serve
from lol_dagster.simulator.riot import DEFAULT_LIMITS

# \b keeps click from running the lines together.
_FAULTS = "\b\nSPEC is TARGET[@PLACE]=KIND[(ARGUMENT)][:PROBABILITY][*TIMES],…;…\n" + describe()


@click.command(epilog=_FAULTS)
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option(
    "--games",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Serve the match-v5 payloads in this folder. [the world makes its own games]",
)
@click.option("--keep-times", is_flag=True, help="Do not move the payloads so that they end now.")
@click.option(
    "--pace",
    type=float,
    default=DEFAULT_PACE,
    show_default=True,
    help="Seconds between two made-up games that finish.",
)
@click.option("--faults", default="", metavar="SPEC", help="What goes wrong: see below.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of made-up games and faults.")
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Append here, as JSON lines, what the world was asked and what it accepted.",
)
@click.option(
    "--riot-limits",
    default=DEFAULT_LIMITS,
    show_default=True,
    metavar="CALLS:SECONDS,…",
    help="Riot's limits for the whole application.",
)
def simulate(
    port: int,
    games: Path | None,
    keep_times: bool,
    pace: float,
    faults: str,
    seed: int,
    truth: Path | None,
    riot_limits: str,
) -> None:
    """Riot, Discord and Slack on one local port, until Ctrl-C.

    Prints the settings with which the product reaches them, and has a page at / to watch.
    """
    options = Options(seed=seed, faults=faults, riot_limits=riot_limits, truth_file=truth)
    try:
        serve(port=port, games=games, keep_times=keep_times, pace=pace, options=options)
    except (ValueError, OSError) as wrong:
        raise UserError(str(wrong)) from wrong
