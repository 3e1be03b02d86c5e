"""The commands that make things run: `once`, `up`, `demo`."""

from __future__ import annotations

import json
import warnings

import click
from rich.console import Console

from lol_dagster.errors import UserError
from lol_dagster.settings import load_settings


@click.command()
@click.option("--until-idle", is_flag=True, help="Go on until nothing is left to do now.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON: what was done.")
def once(until_idle: bool, as_json: bool) -> None:
    """One whole cycle in this process: discover, process, deliver.

    Every run is recorded in Dagster. Exits with 0 also when games were set aside.
    """
    settings = load_settings()
    settings.require_riot_api_key()
    console = Console(stderr=True)
    with console.status("starting Dagster") as status:
        from lol_dagster.definitions import build_definitions
        from lol_dagster.orchestration.house import House
        from lol_dagster.orchestration.instance import prepare_instance
        from lol_dagster.orchestration.once import Once

        warnings.simplefilter("ignore")  # Dagster's beta notices are for us, not for the operator
        house = House(settings)
        calls = Once(
            build_definitions(house),
            prepare_instance(settings),
            house,
            show=status.update,
        )
        trouble: UserError | None = None
        try:
            calls.until_idle() if until_idle else calls.cycle()
        except UserError as error:
            trouble = error
    counts = house.tally.counts()
    if as_json:
        click.echo(json.dumps(counts))
    else:
        click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))
    if trouble is not None:
        click.echo(f"lol-dagster: {trouble}", err=True)
        raise SystemExit(1)
