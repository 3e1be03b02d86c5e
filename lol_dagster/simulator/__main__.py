"""`python -m lol_dagster.simulator`: the simulated world, from the command line without the app."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from lol_dagster.simulator.faults import describe
from lol_dagster.simulator.main import DEFAULT_PACE, DEFAULT_PORT, Options, serve
from lol_dagster.simulator.riot import DEFAULT_LIMITS


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m lol_dagster.simulator",
        description="Riot, Discord and Slack on one local port, with faults.",
        epilog="faults SPEC: TARGET[@PLACE]=KIND[(ARGUMENT)][:PROBABILITY][*TIMES],…;…\n"
        + describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="[%(default)s]")
    parser.add_argument("--games", type=Path, help="folder of match-v5 payloads to serve")
    parser.add_argument("--keep-times", action="store_true", help="do not move them to end now")
    parser.add_argument(
        "--pace",
        type=float,
        default=DEFAULT_PACE,
        help="seconds between made-up games [%(default)s]",
    )
    parser.add_argument("--faults", default="", metavar="SPEC", help="what goes wrong, see below")
    parser.add_argument("--seed", type=int, default=0, help="[%(default)s]")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="append the truth log here")
    parser.add_argument("--riot-limits", default=DEFAULT_LIMITS, help="[%(default)s]")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = Options(given.seed, given.faults, given.riot_limits, truth_file=given.truth)
    try:
        serve(
            port=given.port,
            games=given.games,
            keep_times=given.keep_times,
            pace=given.pace,
            options=options,
        )
    except (ValueError, OSError) as wrong:
        parser.exit(2, f"{wrong}\n")


if __name__ == "__main__":
    main()
