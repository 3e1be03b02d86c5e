"""`lol-dagster account …`"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeVar

import click

from lol_dagster.cli.context import CommandContext, command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.riot.client import riot_client
from lol_dagster.roster import accounts, players
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.names import RiotId, parse_riot_id
from lol_dagster.roster.riot_lookup import (
    KnownAccount,
    RiotUnavailableError,
    UnknownWhereError,
    WrongPlatformError,
    account_by_hand,
    account_to_be_resolved,
    ask_riot,
)
from lol_dagster.storage.models import Account

_F = TypeVar("_F", bound=Callable[..., None])


def platform_options(command: _F) -> _F:
    """`--platform` and `--puuid`."""
    command = click.option("--puuid", help="Riot's id of the account, instead of asking Riot.")(
        command
    )
    return click.option("--platform", help="Where it plays: na1, euw1, eun1, kr, … [as Riot says]")(
        command
    )


def known_account(
    app: CommandContext, riot_id: RiotId, platform: str | None, puuid: str | None
) -> KnownAccount:
    """The account that the options name; asks Riot unless its puuid was given.

    When Riot cannot be asked now, the account is one to be resolved later, and a line says so.

    Raises:
        UserError: Riot knows no such account, or refuses the key; an option is wrong or missing.
    """
    if puuid is not None and platform is not None:
        return account_by_hand(riot_id, platform, puuid)
    if puuid is not None:
        raise RosterError("--puuid needs --platform: Riot is not asked where it plays")
    try:
        return ask_riot(riot_client(app.settings, app.database), riot_id, platform)
    except WrongPlatformError as error:
        raise RosterError(
            f"{error}: give --platform {error.plays_on} (or, if you know better, its --puuid)"
        ) from None
    except UnknownWhereError as error:
        raise RosterError(f"{error}, with --platform na1, euw1, kr, …") from None
    except RiotUnavailableError as error:
        if platform is None:
            raise RosterError(f"{error}: try again later, or add --platform") from None
        click.echo(
            f"{error}. The account is kept and looked up later automatically: "
            "'lol-dagster account list' shows its state.",
            err=True,
        )
        return account_to_be_resolved(riot_id, platform)


@click.group()
def account() -> None:
    """Riot accounts of players."""


@account.command("add")
@click.argument("player")
@click.argument("riot_id", metavar="'NAME#TAG'")
@platform_options
@as_json_option
def add(player: str, riot_id: str, platform: str | None, puuid: str | None, as_json: bool) -> None:
    """Give a player another account.

    Riot is asked for it unless its --puuid is given.
    """
    named = parse_riot_id(riot_id)
    with command_context() as app:
        with app.database.reading() as session:
            players.get_player(session, player)
            accounts.check_not_taken(session, named, puuid)
        known = known_account(app, named, platform, puuid)
        with app.writing() as session:
            owner = players.get_player(session, player)
            value = _as_json(accounts.add_account(session, owner, known, now=app.now))
    said = f"{value['player']} also plays as {value['riot_id']} on {value['platform']}."
    print_either(value, as_json, said)


@account.command("correct")
@click.argument("riot_id", metavar="'NAME#TAG'")
@click.option("--riot-id", "new_riot_id", metavar="'NAME#TAG'", help="What it should have been.")
@platform_options
@as_json_option
def correct(
    riot_id: str,
    new_riot_id: str | None,
    platform: str | None,
    puuid: str | None,
    as_json: bool,
) -> None:
    """Correct an account's Riot ID or platform; or, with neither, confirm it.

    The entry stays, with the games that count for it. Riot is asked for the account unless its
    --puuid is given.
    """
    with command_context() as app:
        with app.database.reading() as session:
            row = accounts.get_account(session, riot_id)
            named = parse_riot_id(new_riot_id or row.riot_id)
            accounts.check_not_taken(session, named, puuid, but=row.id)
        known = known_account(app, named, platform or row.platform, puuid)
        with app.writing() as session:
            corrected = accounts.correct_account(session, row.id, known, version=row.version)
            session.refresh(corrected)
            value = _as_json(corrected)
    said = f"{value['player']} plays as {value['riot_id']} on {value['platform']}."
    print_either(value, as_json, said)


@account.command("move")
@click.argument("riot_id", metavar="'NAME#TAG'")
@click.argument("player")
@as_json_option
def move(riot_id: str, player: str, as_json: bool) -> None:
    """Give an account to another player, as it was entered for the wrong one.

    Refused once games count for it: remove it then, and add it to the other one.
    """
    with command_context() as app, app.writing() as session:
        row = accounts.get_account(session, riot_id)
        owner = players.get_player(session, player)
        value = _as_json(accounts.move_account(session, row.id, owner.id, version=row.version))
    print_either(value, as_json, f"{value['riot_id']} now belongs to {value['player']}.")


@account.command("list")
@as_json_option
def list_accounts(as_json: bool) -> None:
    """List all accounts."""
    with command_context() as app, app.database.reading() as session:
        values = [_as_json(each) for each in accounts.accounts(session)]
    listed = itemgetter("riot_id", "platform", "player", "last_played_at")
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("ACCOUNT", "PLATFORM", "PLAYER", "LAST PLAYED", "ERROR"),
            ((*listed(value), shown_error(value)) for value in values),
            empty="There is no account yet: add a player with 'lol-dagster player add'.",
        ),
    )


@account.command("show")
@click.argument("riot_id", metavar="'NAME#TAG'")
@as_json_option
def show(riot_id: str, as_json: bool) -> None:
    """Show an account, and when Riot was last asked about it."""
    with command_context() as app, app.database.reading() as session:
        value = _as_json(accounts.get_account(session, riot_id))
    fields = [(name.replace("_", " "), each) for name, each in value.items()]
    print_either(value, as_json, lambda: print_fields(fields))


@account.command("remove")
@click.argument("riot_id", metavar="'NAME#TAG'")
@as_json_option
def remove(riot_id: str, as_json: bool) -> None:
    """Take an account away from its player.

    Its games no longer count as theirs; messages about them stay.
    """
    with command_context() as app, app.writing() as session:
        row = accounts.get_account(session, riot_id)
        riot_id, player = row.riot_id, row.player.name
        count = accounts.remove_account(session, row)
    print_either(
        {"riot_id": riot_id, "player": player, "forgotten_games": count},
        as_json,
        f"{player} no longer plays as {riot_id}; {count} games no longer count.",
    )


def shown_error(account: dict[str, Any]) -> str | None:
    """What is wrong with an account, for a cell of a table."""
    if account["puuid"] is None:
        return f"to be resolved: {account['last_error'] or 'Riot is asked with the next poll'}"
    error: str | None = account["last_error"]
    return error


def _as_json(row: Account) -> dict[str, Any]:
    return {
        "riot_id": row.riot_id,
        "platform": row.platform,
        "player": row.player.name,
        "puuid": row.puuid,
        "added_at": row.created_at,
        "last_played_at": row.poll and row.poll.last_played_at,
        "last_good_poll_at": row.poll and row.poll.last_good_poll_at,
        "next_poll_at": row.poll and row.poll.next_poll_at,
        "last_error": row.poll and row.poll.last_error,
    }
