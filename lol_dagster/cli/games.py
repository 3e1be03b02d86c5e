"""`lol-dagster game …`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.cli.run_requests import AFTERWARDS, follow, in_words, progress_json
from lol_dagster.explain.game import GameRows, Played, load_game
from lol_dagster.pipeline.run_requests import Progress, progress_of, request_run
from lol_dagster.riot.routing import validate_match_id
from lol_dagster.storage.models import Base, Message

_WAIT_S = 300.0
_MATCH = ("state", "listed_at", "next_try_at", "tries", "first_missing_at", "last_error",
          "processed_at", "run_id")  # fmt: skip
_PAYLOAD = ("sha256", "size", "fetched_at")
_GAME = ("platform", "queue_id", "queue_name", "game_mode", "game_type", "mode_family", "map_id",
         "game_version", "result", "started_at", "ended_at", "duration_s", "counts_in_form",
         "code_version")  # fmt: skip
_PARTICIPANT = ("champion", "position", "outcome", "placement", "side", "kills", "deaths",
                "assists", "cs", "gold", "damage")  # fmt: skip
_STAT = ("kda", "kill_participation", "cs_per_min", "gold_per_min", "damage_share", "highlights",
         "extra")  # fmt: skip
_MESSAGE = ("id", "kind", "state", "due_at", "attempts", "remote_id", "evidence", "delivered_at",
            "last_error")  # fmt: skip
_QUARANTINE = ("stage", "error", "traceback", "code_version", "tries", "quarantined_at", "run_id",
               "closed_at", "closed_as")  # fmt: skip


@click.group()
def game() -> None:
    """Games, from Riot's list to the messages about them."""


@game.command("show")
@click.argument("match_id")
@as_json_option
def show(match_id: str, as_json: bool) -> None:
    """Show how far a game has come, who played, and where it is announced or why not."""
    match_id = validate_match_id(match_id.strip().upper())
    with command_context() as app, app.database.reading() as session:
        stale_after = app.settings.stale_after
        known = load_game(session, match_id, stale_after=stale_after, now=app.now)
        value = game_json(known)
    print_either(value, as_json, lambda: _print(value))


@game.command("reprocess")
@click.argument("match_id")
@click.option("--wait", is_flag=True, help="Until it is done, for five minutes at most.")
@as_json_option
def reprocess(match_id: str, wait: bool, as_json: bool) -> None:
    """Take a game through all stages again; one that was announced already is corrected in place.

    Any game will do: processed, quarantined, ignored, given up, or one that nobody's list has shown.
    With --wait the exit status is 0 only if it was processed.
    """
    match_id = validate_match_id(match_id.strip().upper())
    with command_context() as app:
        with app.writing() as session:
            who = session.info["who"]
            request = request_run(session, match_id, who, "reprocess", now=app.now)
            found = progress_of(request)
        if wait:
            found = follow(app.database, found.request_id, seconds=_WAIT_S, quiet=as_json)
    print_either(progress_json(found), as_json, lambda: _say(found, wait))
    if wait and found.state != "processed":
        raise SystemExit(1)


def _say(found: Progress, waited: bool) -> None:
    click.echo(f"{found.match_id}: {in_words(found)}.")
    if not found.is_over:
        click.echo("It is not done yet." if waited else AFTERWARDS)


def game_json(known: GameRows) -> dict[str, Any]:
    """All that is known of a game, for programs."""
    return {
        "match_id": known.match.match_id,
        **_picked(known.match, _MATCH),
        "listed_by": known.listed_by and known.listed_by.riot_id,
        "stages": [asdict(each) for each in known.stages],
        "payload": known.payload and _picked(known.payload, _PAYLOAD),
        "game": known.game and _picked(known.game, _GAME),
        "players": [_player(each) for each in known.played],
        "decisions": [
            {
                "team": each.team.name,
                "channel": each.channel and each.channel.name,
                "announced": each.announced,
                "rule": each.rule,
                "reason": each.reason,
            }
            for each in known.decisions
        ],
        "messages": [_message(each) for each in known.messages],
        "quarantine": [_picked(each, _QUARANTINE) for each in known.quarantines],
    }


def _player(played: Played) -> dict[str, Any]:
    return {
        "player": played.player.name,
        "account": played.account.riot_id,
        **_picked(played.participant, _PARTICIPANT),
        **_picked(played.stat, _STAT),
    }


def _message(row: Message) -> dict[str, Any]:
    return {
        "team": row.channel.team.name,
        "channel": row.channel.name,
        **_picked(row, _MESSAGE),
    }


def _picked(row: Base, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _print(value: dict[str, Any]) -> None:
    print_fields(_heading(value))
    _print_section(
        ("STAGE", "STATE", "AT", ""),
        [(each["name"], each["state"], each["at"], each["detail"]) for each in value["stages"]],
    )
    _print_section(
        ("PLAYER", "ACCOUNT", "CHAMPION", "K/D/A", "OUTCOME", "KDA", "STOOD OUT"),
        [_line(each) for each in value["players"]],
    )
    _print_section(
        ("TEAM", "CHANNEL", "ANNOUNCED", "WHY"),
        [
            (each["team"], each["channel"], each["announced"], each["reason"])
            for each in value["decisions"]
        ],
    )
    _print_section(
        ("MESSAGE", "CHANNEL", "STATE", "DELIVERED", "LAST ERROR"),
        [
            (
                each["id"][:8],
                each["channel"],
                each["state"],
                each["delivered_at"],
                each["last_error"],
            )
            for each in value["messages"]
        ],
    )


def _print_section(headings: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if rows:
        click.echo()
        print_table(headings, rows, empty="")


def _heading(value: dict[str, Any]) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("game", value["match_id"]), ("state", value["state"])]
    if played := value["game"]:
        minutes, seconds = divmod(played["duration_s"], 60)
        fields += [
            ("mode", played["queue_name"]),
            ("result", played["result"]),
            ("ended", played["ended_at"]),
            ("length", f"{minutes}:{seconds:02}"),
        ]
    if payload := value["payload"]:
        fields.append(("sha256", payload["sha256"]))
    if value["run_id"]:
        fields.append(("run", value["run_id"]))
    return fields


def _line(player: dict[str, Any]) -> tuple[object, ...]:
    return (
        player["player"],
        player["account"],
        player["champion"],
        f"{player['kills']}/{player['deaths']}/{player['assists']}",
        f"place {player['placement']}" if player["placement"] else player["outcome"],
        f"{player['kda']:.1f}",
        [word.replace("_", " ") for word in player["highlights"]],
    )
