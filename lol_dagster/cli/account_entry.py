"""The options that name a Riot account, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from lol_dagster.cli.context import CommandContext
from lol_dagster.riot.client import riot_client
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.names import RiotId
from lol_dagster.roster.riot_lookup import (
    KnownAccount,
    RiotUnavailableError,
    WrongPlatformError,
    account_by_hand,
    account_to_be_resolved,
    ask_riot,
)

_F = TypeVar("_F", bound=Callable[..., None])


def platform_options(command: _F) -> _F:
    """`--platform` and `--puuid`."""
    command = click.option("--puuid", help="Riot's id of the account, instead of asking Riot.")(
        command
    )
    return click.option("--platform", help="Where it plays: na1, euw1, eun1, kr, …")(command)


def known_account(
    app: CommandContext, riot_id: RiotId, platform: str | None, puuid: str | None
) -> KnownAccount:
    """The account that the options name; asks Riot unless its puuid was given.

    When Riot cannot be asked now, the account is one to be resolved later, and a line says so.

    Raises:
        UserError: Riot knows no such account, or refuses the key; an option is wrong or missing.
    """
    if platform is None:
        raise RosterError(
            f"on which platform does '{riot_id}' play? Say --platform na1, euw1, kr, …"
        )
    if puuid is not None:
        return account_by_hand(riot_id, platform, puuid)
    try:
        return ask_riot(riot_client(app.settings, app.database), riot_id, platform)
    except WrongPlatformError as error:
        raise RosterError(
            f"{error}: give --platform {error.plays_on} (or, if you know better, its --puuid)"
        ) from None
    except RiotUnavailableError as error:
        click.echo(
            f"{error}. The account is kept and asked for again by itself: "
            "'lol-dagster account list' shows how it stands.",
            err=True,
        )
        return account_to_be_resolved(riot_id, platform)
