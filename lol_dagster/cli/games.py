"""`lol-dagster game …`"""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter
from typing import Any

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import (
    as_json_option,
    columns_of,
    print_either,
    print_fields,
    print_section,
)
from lol_dagster.cli.run_requests import AFTERWARDS, follow, in_words, progress_json
from lol_dagster.explain.game import GameRows, load_game
from lol_dagster.pipeline.run_requests import check_there_is, progress_of, request_run
from lol_dagster.riot.client import riot_client
from lol_dagster.riot.routing import validate_match_id
from lol_dagster.storage.models import Match

_WAIT_S = 300.0
_MATCH = ("state", "listed_at", "next_try_at", "tries", "first_missing_at", "last_error",
          "processed_at", "run_id")  # fmt: skip
_PAYLOAD = ("sha256", "size", "fetched_at")
_GAME = ("platform", "queue_id", "queue_name", "queue_kind", "game_mode", "game_type", "mode_family", "map_id",
         "game_version", "result", "started_at", "ended_at", "duration_s", "counts_in_form",
         "code_version")  # fmt: skip
_PARTICIPANT = ("champion", "position", "outcome", "placement", "side", "kills", "deaths",
                "assists", "cs", "gold", "damage")  # fmt: skip
_STAT = ("kda", "kill_participation", "cs_per_min", "gold_per_min", "damage_share", "gold_share",
         "vision_per_min", "opponent_id", "gold_at_15", "gold_lead_at_15", "highlights", "extra")  # fmt: skip
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

    Any game will do: processed, quarantined, ignored, given up, or one that nobody's list has shown,
    for which Riot is asked first. With --wait the exit status is 0 only if it was processed.
    """
    match_id = validate_match_id(match_id.strip().upper())
    with command_context() as app:
        with app.database.reading() as session:
            is_known = session.get(Match, match_id) is not None
        if not is_known:
            check_there_is(riot_client(app.settings, app.database), match_id)
        with app.writing() as session:
            who = session.info["who"]
            request = request_run(session, match_id, who, "reprocess", now=app.now)
            found = progress_of(request)
        if wait:
            found = follow(app.database, found.request_id, seconds=_WAIT_S, quiet=as_json)
    said = f"{found.match_id}: {in_words(found)}."
    if not found.is_over:
        said += "\nIt is not done yet." if wait else f"\n{AFTERWARDS}"
    print_either(progress_json(found), as_json, said)
    if wait and found.state != "processed":
        raise SystemExit(1)


def game_json(known: GameRows) -> dict[str, Any]:
    """All that is known of a game, for programs."""
    return {
        "match_id": known.match.match_id,
        **columns_of(known.match, _MATCH),
        "listed_by": known.listed_by and known.listed_by.riot_id,
        "stages": [asdict(each) for each in known.stages],
        "payload": known.payload and columns_of(known.payload, _PAYLOAD),
        "game": known.game and columns_of(known.game, _GAME),
        "players": [
            {
                "player": each.player.name,
                "account": each.account.riot_id,
                **columns_of(each.participant, _PARTICIPANT),
                **columns_of(each.stat, _STAT),
            }
            for each in known.played
        ],
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
        "messages": [
            {
                "team": each.channel.team.name,
                "channel": each.channel.name,
                **columns_of(each, _MESSAGE),
            }
            for each in known.messages
        ],
        "quarantine": [columns_of(each, _QUARANTINE) for each in known.quarantines],
    }


def _print(value: dict[str, Any]) -> None:
    print_fields(_heading(value))
    delivery = itemgetter("channel", "state", "delivered_at", "last_error")
    print_section(
        ("STAGE", "STATE", "AT", ""),
        map(itemgetter("name", "state", "at", "detail"), value["stages"]),
    )
    print_section(
        ("PLAYER", "ACCOUNT", "CHAMPION", "K/D/A", "OUTCOME", "KDA", "STOOD OUT"),
        [_line(each) for each in value["players"]],
    )
    print_section(
        ("TEAM", "CHANNEL", "ANNOUNCED", "WHY"),
        map(itemgetter("team", "channel", "announced", "reason"), value["decisions"]),
    )
    print_section(
        ("MESSAGE", "CHANNEL", "STATE", "DELIVERED", "LAST ERROR"),
        [(each["id"][:8], *delivery(each)) for each in value["messages"]],
    )


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
