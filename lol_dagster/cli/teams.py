"""`lol-dagster team …`"""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.orm import Session

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.messages.language import LANGUAGES
from lol_dagster.roster import teams
from lol_dagster.storage.models import Team


@click.group()
def team() -> None:
    """Groups of players whose games are announced together."""


@team.command("add")
@click.argument("name")
@click.option(
    "--language",
    type=click.Choice(list(LANGUAGES)),
    default="en",
    show_default=True,
    help="The language of its messages.",
)
@click.option(
    "--time-zone",
    metavar="Europe/Berlin",
    default="UTC",
    show_default=True,
    help="Of its messages' times and its channels' quiet hours, by IANA's name.",
)
@as_json_option
def add(name: str, language: str, time_zone: str, as_json: bool) -> None:
    """Add a team."""
    with command_context() as app, app.writing() as session:
        added = teams.add_team(session, name, language=language, time_zone=time_zone, now=app.now)
        value = _as_json(session, added)
    print_either(value, as_json, f"Added the team {value['name']!r}.")


@team.command("rename")
@click.argument("name")
@click.argument("new_name")
@as_json_option
def rename(name: str, new_name: str, as_json: bool) -> None:
    """Give a team another name."""
    with command_context() as app, app.writing() as session:
        row = teams.get_team(session, name)
        before = row.name
        renamed = teams.change_team(
            session, row.id, name=new_name, version=row.version, now=app.now
        )
        value = _as_json(session, renamed)
    print_either(value, as_json, f"The team {before!r} is now {value['name']!r}.")


@team.command("edit")
@click.argument("name")
@click.option(
    "--language",
    type=click.Choice(list(LANGUAGES)),
    help="The language of its messages. What was posted stays as it is until it is edited.",
)
@click.option(
    "--time-zone",
    metavar="Europe/Berlin",
    help="Of its messages' times and its channels' quiet hours, by IANA's name.",
)
@as_json_option
def edit(name: str, language: str | None, time_zone: str | None, as_json: bool) -> None:
    """Change a team; what is not named stays."""
    with command_context() as app, app.writing() as session:
        row = teams.get_team(session, name)
        changed = teams.change_team(
            session,
            row.id,
            language=language,
            time_zone=time_zone,
            version=row.version,
            now=app.now,
        )
        value = _as_json(session, changed)
    said = f"Messages of the team {value['name']!r} are in {LANGUAGES[value['language']]}"
    print_either(value, as_json, f"{said} and tell times of {value['time_zone']}.")


@team.command("list")
@as_json_option
def list_teams(as_json: bool) -> None:
    """List the teams."""
    with command_context() as app, app.database.reading() as session:
        values = [_as_json(session, each) for each in teams.teams(session)]
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("TEAM", "PLAYERS", "CHANNELS"),
            (
                (value["name"], _names(value["players"]), _names(value["channels"]))
                for value in values
            ),
            empty="There is no team yet: add one with 'lol-dagster team add NAME'.",
        ),
    )


@team.command("show")
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show a team, its players and its channels."""
    with command_context() as app, app.database.reading() as session:
        value = _as_json(session, teams.get_team(session, name))

    def for_people() -> None:
        print_fields(
            [
                ("team", value["name"]),
                ("language", value["language"]),
                ("time zone", value["time_zone"]),
                ("added", value["added_at"]),
            ]
        )
        click.echo()
        print_table(
            ("PLAYER", "SINCE"),
            ((each["name"], each["since"]) for each in value["players"]),
            empty="No players: add one with 'lol-dagster player add'.",
        )
        click.echo()
        print_table(
            ("CHANNEL", "KIND"),
            ((each["name"], each["kind"]) for each in value["channels"]),
            empty="No channel, so that nothing is announced: add one with 'lol-dagster channel add'.",
        )

    print_either(value, as_json, for_people)


@team.command("remove")
@click.argument("name")
@click.option("--force", is_flag=True, help="Also end its memberships and remove its channels.")
@as_json_option
def remove(name: str, force: bool, as_json: bool) -> None:
    """Remove a team. Its history is kept."""
    with command_context() as app, app.writing() as session:
        removed = teams.remove_team(session, name, even_if_used=force, now=app.now)
    value = {"name": removed.name, "removed_at": removed.removed_at}
    print_either(value, as_json, f"Removed the team {removed.name!r}.")


def _names(values: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in values]


def _as_json(session: Session, row: Team) -> dict[str, Any]:
    return {
        "name": row.name,
        "language": row.language,
        "time_zone": row.time_zone,
        "added_at": row.created_at,
        "players": [
            {"name": each.player.name, "since": each.since}
            for each in teams.current_members(session, row)
        ],
        "channels": [
            {"name": each.name, "kind": each.kind} for each in teams.live_channels(session, row)
        ],
    }
