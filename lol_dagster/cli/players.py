"""`lol-dagster player …`"""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter
from typing import Any

import click

from lol_dagster.cli.accounts import known_account, platform_options, shown_error
from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.pipeline.forgetting import forget_player, what_goes
from lol_dagster.riot.routing import validate_platform
from lol_dagster.roster import players
from lol_dagster.roster.accounts import check_not_taken
from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.memberships import parse_since
from lol_dagster.roster.names import parse_riot_id
from lol_dagster.storage.models import Player


@click.group()
def player() -> None:
    """People, their accounts and their teams."""


@player.command("add")
@click.argument("name")
@click.option("--team", required=True, help="The team that gets the player's games.")
@click.option("--account", metavar="'NAME#TAG'", help="A new player's Riot ID.")
@platform_options
@click.option("--since", metavar="DATE", help="Games that ended earlier are not announced. [now]")
@as_json_option
def add(
    name: str,
    team: str,
    account: str | None,
    platform: str | None,
    puuid: str | None,
    since: str | None,
    as_json: bool,
) -> None:
    """Add a player to a team; a new player with an account.

    Riot is asked for the account unless its --puuid is given.
    """
    riot_id = None if account is None else parse_riot_id(account)
    if platform is not None:
        validate_platform(platform)
    if riot_id is None and (platform or puuid):
        raise RosterError("--platform and --puuid need --account")
    with command_context() as app:
        from_when = app.now if since is None else parse_since(since, app.now)
        # Checked before Riot is asked, which may take a while.
        with app.database.reading() as session:
            players.check_may_add(
                session, name, team=team, with_account=riot_id is not None, since=from_when
            )
            if riot_id is not None:
                check_not_taken(session, riot_id, puuid)
        known = None if riot_id is None else known_account(app, riot_id, platform, puuid)
        with app.writing() as session:
            added = players.add_player(
                session, name, team=team, account=known, since=from_when, now=app.now
            )
            session.refresh(added)
            value = _as_json(added)
    plays_as = ", ".join(f"{each['riot_id']} ({each['platform']})" for each in value["accounts"])
    since = f"{from_when:%Y-%m-%d %H:%M} UTC"
    said = f"{value['name']} is in the team {team!r} since {since}, with {plays_as}."
    print_either(value, as_json, said)


@player.command("rename")
@click.argument("name")
@click.argument("new_name")
@as_json_option
def rename(name: str, new_name: str, as_json: bool) -> None:
    """Give a player another name."""
    with command_context() as app, app.writing() as session:
        row = players.get_player(session, name)
        before = row.name
        value = _as_json(players.rename_player(session, row.id, new_name, version=row.version))
    print_either(value, as_json, f"The player {before!r} is now {value['name']!r}.")


@player.command("leave-out")
@click.argument("name")
@click.option("--team", required=True, help="The team whose messages are not to name them.")
@click.option("--undo", is_flag=True, help="Name them again.")
@as_json_option
def leave_out(name: str, team: str, undo: bool, as_json: bool) -> None:
    """Leave a player out of what a team's channels hear.

    No message names them, and a game in which nobody else of the team took part has none. It counts for what
    is sent from now on; their games are still recorded.
    """
    with command_context() as app, app.writing() as session:
        membership = players.leave_out(session, name, team=team, left_out=not undo, now=app.now)
        value = _as_json(membership.player)
        names = membership.player.name, membership.team.name
    does = "name {} again" if undo else "do not name {}"
    said = f"Messages of the team {names[1]!r} {does.format(names[0])}."
    print_either(value, as_json, said)


@player.command("list")
@as_json_option
def list_players(as_json: bool) -> None:
    """List the players."""
    with command_context() as app, app.database.reading() as session:
        values = [_as_json(each) for each in players.players(session)]
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("PLAYER", "TEAMS", "ACCOUNTS"),
            (
                (
                    value["name"],
                    [each["team"] for each in value["teams"] if each["until"] is None],
                    [f"{each['riot_id']} ({each['platform']})" for each in value["accounts"]],
                )
                for value in values
            ),
            empty="There is no player yet: add one with 'lol-dagster player add'.",
        ),
    )


@player.command("show")
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show a player, their accounts and their teams, past ones too."""
    with command_context() as app, app.database.reading() as session:
        value = _as_json(players.get_player(session, name))
    listed = itemgetter("riot_id", "platform", "last_played_at", "last_good_poll_at")

    def for_people() -> None:
        print_fields([("player", value["name"]), ("added", value["added_at"])])
        click.echo()
        print_table(
            ("ACCOUNT", "PLATFORM", "LAST PLAYED", "LAST POLLED", "ERROR"),
            ((*listed(each), shown_error(each)) for each in value["accounts"]),
            empty="No account.",
        )
        click.echo()
        print_table(
            ("TEAM", "SINCE", "UNTIL", "LEFT OUT"),
            map(itemgetter("team", "since", "until", "left_out"), value["teams"]),
            empty="In no team.",
        )

    print_either(value, as_json, for_people)


@player.command("remove")
@click.argument("name")
@click.option("--team", help="Only from this team. [all]")
@as_json_option
def remove(name: str, team: str | None, as_json: bool) -> None:
    """Take a player out of a team, or out of all.

    Past games and memberships are kept. A player without any game is deleted.
    """
    with command_context() as app, app.writing() as session:
        removed, for_good = players.remove_player(session, name, team=team, now=app.now)
    where = f"the team {team!r}" if team else "all teams"
    said = f"Removed {removed.name}" + (" for good." if for_good else f" from {where}.")
    print_either({"name": removed.name, "team": team, "for_good": for_good}, as_json, said)


@player.command("forget")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do it. Without it only what would go is shown.")
@as_json_option
def forget(name: str, yes: bool, as_json: bool) -> None:
    """Delete all that is known of a player, as they may ask for.

    Their accounts, ranks and figures go, and with them the games that nobody else who is watched took part in.
    Others' games stay without them; messages that named them are edited where their channel takes edits.
    """
    with command_context() as app:
        with app.database.reading() as session:
            player = players.get_player(session, name)
            goes = what_goes(session, player)
        if yes:
            goes = forget_player(app.database, player.id, who=app.who, now=app.now)

    def for_people() -> None:
        print_table(
            ("WHAT", "HOW MANY"),
            ((what.replace("_", " "), count) for what, count in asdict(goes).items()),
            empty="",
        )
        click.echo(
            "\nForgotten. Backups, logs and Dagster's history name them until they are deleted in their turn."
            if yes
            else f"\nNothing was deleted yet: lol-dagster player forget {name!r} --yes"
        )

    print_either({"forgotten": yes, **asdict(goes)}, as_json, for_people)


def _as_json(row: Player) -> dict[str, Any]:
    return {
        "name": row.name,
        "added_at": row.created_at,
        "accounts": [
            {
                "riot_id": each.riot_id,
                "platform": each.platform,
                "puuid": each.puuid,
                "last_played_at": each.poll and each.poll.last_played_at,
                "last_good_poll_at": each.poll and each.poll.last_good_poll_at,
                "last_error": each.poll and each.poll.last_error,
            }
            for each in row.accounts
        ],
        "teams": [
            {
                "team": each.team.name,
                "since": each.since,
                "until": each.until,
                "left_out": each.left_out,
            }
            for each in row.memberships
        ],
    }
