"""The options that name a Riot account, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from lol_dagster.cli.house import House
from lol_dagster.riot.client import riot_client
from lol_dagster.roster.accounts import KnownAccount, account_by_hand, ask_riot
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.names import RiotId

_F = TypeVar("_F", bound=Callable[..., None])


def platform_options(command: _F) -> _F:
    """`--platform` and `--puuid`."""
    command = click.option("--puuid", help="Riot's id of the account, instead of asking Riot.")(
        command
    )
    return click.option("--platform", help="Where it plays: na1, euw1, eun1, kr, …")(command)


def known_account(
    house: House, riot_id: RiotId, platform: str | None, puuid: str | None
) -> KnownAccount:
    """The account that the options name; asks Riot unless its puuid was given.

    Raises:
        UserError: Riot knows no such account, or cannot be asked; an option is wrong or missing.
    """
    if platform is None:
        raise RosterError(
            f"on which platform does '{riot_id}' play? Say --platform na1, euw1, kr, …"
        )
    if puuid is not None:
        return account_by_hand(riot_id, platform, puuid)
    return ask_riot(riot_client(house.settings, house.database), riot_id, platform)
