"""`lol-dagster quarantine …`"""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import (
    as_json_option,
    columns_of,
    print_either,
    print_fields,
    print_section,
    print_table,
    shown,
)
from lol_dagster.cli.run_requests import AFTERWARDS, progress_json
from lol_dagster.errors import UserError
from lol_dagster.pipeline import quarantine as games
from lol_dagster.pipeline.quarantine import QuarantineRecord, Which
from lol_dagster.pipeline.run_requests import progress_of
from lol_dagster.pipeline.scenario import export_scenario
from lol_dagster.riot.routing import validate_match_id

_LISTED = itemgetter("match_id", "stage", "quarantined_at", "tries", "closed_as", "error")
_ROW = ("match_id", "stage", "error", "code_version", "tries", "quarantined_at", "run_id",
        "shown_run_id", "closed_at", "closed_as")  # fmt: skip


@click.group()
def quarantine() -> None:
    """Games on which a stage failed: seen, tried again, or ignored for good."""


@quarantine.command("list")
@click.option(
    "--which",
    type=click.Choice(["open", "closed", "all"]),
    default="open",
    show_default=True,
    help="Quarantined now, at some time, or both.",
)
@as_json_option
def list_games(which: str, as_json: bool) -> None:
    """List the games that are quarantined, the newest first."""
    with command_context() as app, app.database.reading() as session:
        values = [
            columns_of(each, _ROW) for each in games.list_quarantined(session, cast("Which", which))
        ]
    print_either(
        values,
        as_json,
        lambda: print_table(
            ("GAME", "STAGE", "QUARANTINED", "TRIES", "CLOSED AS", "ERROR"),
            map(_LISTED, values),
            empty="No game is quarantined." if which == "open" else "No game was ever quarantined.",
        ),
    )


@quarantine.command("show")
@click.argument("match_id")
@as_json_option
def show(match_id: str, as_json: bool) -> None:
    """Show what is wrong with a game, with the traceback."""
    match_id = validate_match_id(match_id.strip().upper())
    with command_context() as app, app.database.reading() as session:
        value = _as_json(games.show_quarantined(session, match_id))
    print_either(value, as_json, lambda: _print(value))


@quarantine.command("retry")
@click.argument("match_id", required=False)
@click.option("--all", "everything", is_flag=True, help="All games that are quarantined.")
@as_json_option
def retry(match_id: str | None, everything: bool, as_json: bool) -> None:
    """Have a quarantined or ignored game tried again, or all that are quarantined."""
    if (match_id is None) != everything:
        raise UserError("name the game to try again, or --all")
    with command_context() as app, app.writing() as session:
        who = session.info["who"]
        if match_id is None:
            requests = games.retry_all(session, who, now=app.now)
        else:
            found = validate_match_id(match_id.strip().upper())
            requests = [games.retry(session, found, who, now=app.now)]
        values = [progress_json(progress_of(each)) for each in requests]

    lines = [f"{v['match_id']}: will be tried again (request {v['request']})." for v in values]
    said = "\n".join([*lines, AFTERWARDS]) if lines else "No game is quarantined."
    print_either(values, as_json, said)


@quarantine.command("ignore")
@click.argument("match_id")
@click.option("--reason", default="", help="Why, for the audit trail.")
@as_json_option
def ignore(match_id: str, reason: str, as_json: bool) -> None:
    """Ignore a game for good that is quarantined, or that Riot does not give.

    `quarantine retry` takes that back.
    """
    match_id = validate_match_id(match_id.strip().upper())
    with command_context() as app, app.writing() as session:
        match = games.ignore(session, match_id, session.info["who"], reason, now=app.now)
        value = columns_of(match, ("match_id", "state"))
    print_either(value, as_json, f"{match_id}: ignored.")


@quarantine.command("export")
@click.argument("match_id")
@click.option(
    "--to",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead of standard output.",
)
def export(match_id: str, file: Path | None) -> None:
    """Write a game's payload as a scenario for the test suite, with nobody's name in it."""
    match_id = validate_match_id(match_id.strip().upper())
    with command_context() as app, app.database.reading() as session:
        scenario = export_scenario(session, match_id)
    text = json.dumps(scenario, indent=1, allow_nan=True)
    if file is None:
        click.echo(text)
        return
    try:
        file.write_text(text + "\n")
    except OSError as error:
        raise UserError(f"{str(file)!a} cannot be written: {error.strerror}") from None
    click.echo(f"Written to {file}: say in it what is wrong with the game, and what is expected.")


def _as_json(game: QuarantineRecord) -> dict[str, Any]:
    payload = game.payload
    return {
        **columns_of(game.row, _ROW),
        "state": game.match.state,
        "current_code_version": game.current_code_version,
        "traceback": game.row.traceback,
        "payload": payload and columns_of(payload, ("sha256", "size", "fetched_at")),
        "request": game.request and progress_json(game.request),
        "earlier": [columns_of(each, _ROW) for each in game.earlier],
        "decisions": [
            columns_of(each, ("at", "who", "action", "after")) for each in game.decisions
        ],
    }


def _print(value: dict[str, Any]) -> None:
    payload, request = value["payload"], value["request"]
    archived = f"{payload['size']} bytes, sha256 {payload['sha256']}" if payload else "none"
    print_fields(
        [
            ("game", value["match_id"]),
            ("state", value["state"]),
            ("stage", value["stage"]),
            ("error", value["error"]),
            ("code version", f"{value['code_version']} (now {value['current_code_version']})"),
            ("payload", archived),
            ("quarantined", value["quarantined_at"]),
            ("tries", value["tries"]),
            ("quarantined in run", value["run_id"]),
            ("failed visibly in run", value["shown_run_id"]),
            ("closed", value["closed_at"] and f"{value['closed_as']}, {value['closed_at']:%F %T}"),
            ("last request", request and f"{request['state']} {request['detail']}".strip()),
        ]
    )
    print_section(
        ("AT", "DECISION", "BY", "WHY"),
        [
            (each["at"], each["action"], each["who"], (each["after"] or {}).get("reason"))
            for each in value["decisions"]
        ],
    )
    click.echo()
    for line in value["traceback"].splitlines():
        click.echo(shown(line))
