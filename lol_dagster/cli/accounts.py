"""`lol-dagster account …`"""

from __future__ import annotations

from typing import Any

import click

from lol_dagster.cli.account_entry import known_account, platform_options
from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.roster import accounts, players
from lol_dagster.roster.names import parse_riot_id
from lol_dagster.storage.models import Account


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
    print_either(
        value,
        as_json,
        lambda: click.echo(
            f"{value['player']} also plays as {value['riot_id']} on {value['platform']}."
        ),
    )


@account.command("list")
@as_json_option
def list_accounts(as_json: bool) -> None:
    """List all accounts."""
    with command_context() as app, app.database.reading() as session:
        values = [_as_json(each) for each in accounts.accounts(session)]
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("ACCOUNT", "PLATFORM", "PLAYER", "LAST PLAYED", "TROUBLE"),
            (
                (
                    value["riot_id"],
                    value["platform"],
                    value["player"],
                    value["last_played_at"],
                    trouble(value),
                )
                for value in values
            ),
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
    print_either(
        value,
        as_json,
        lambda: print_fields((name.replace("_", " "), each) for name, each in value.items()),
    )


@account.command("remove")
@click.argument("riot_id", metavar="'NAME#TAG'")
@as_json_option
def remove(riot_id: str, as_json: bool) -> None:
    """Take an account away from its player.

    Its games no longer count as theirs; what has been told stays told.
    """
    with command_context() as app, app.writing() as session:
        row = accounts.get_account(session, riot_id)
        value: dict[str, Any] = {"riot_id": row.riot_id, "player": row.player.name}
        value["forgotten_games"] = accounts.remove_account(session, row)
    print_either(
        value,
        as_json,
        lambda: click.echo(
            f"{value['player']} no longer plays as {value['riot_id']}; "
            f"{value['forgotten_games']} games no longer count."
        ),
    )


def trouble(account: dict[str, Any]) -> str | None:
    """What is wrong with an account, for a table's cell."""
    if account["puuid"] is None:
        return f"to be resolved: {account['last_error'] or 'Riot is asked at the next look'}"
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
