"""`lol-dagster game …`"""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.cli.house import House, open_house
from lol_dagster.cli.output import as_json_option, print_either, print_fields, print_table
from lol_dagster.errors import UserError
from lol_dagster.messages.rules import decide
from lol_dagster.riot.routing import validate_match_id
from lol_dagster.storage.models import (
    Account,
    Game,
    Match,
    Message,
    MessageGame,
    Participant,
    PlayerStat,
    Quarantine,
)


@click.group()
def game() -> None:
    """Games, from Riot's list to the messages about them."""


@game.command("show")
@click.argument("match_id")
@as_json_option
def show(match_id: str, as_json: bool) -> None:
    """Show how far a game has come, who played, and where it is told."""
    match_id = validate_match_id(match_id.strip().upper())
    with open_house() as house, house.database.reading() as session:
        match = session.get(Match, match_id)
        if match is None:
            raise UserError(
                f"{match_id} is not known: Riot has listed it for nobody who is watched"
            )
        value = _as_json(house, session, match)
    print_either(value, as_json, lambda: _print(value))


def _as_json(house: House, session: Session, match: Match) -> dict[str, Any]:
    return {
        "match_id": match.match_id,
        "state": match.state,
        "listed_at": match.listed_at,
        "next_try_at": match.next_try_at,
        "tries": match.tries,
        "last_error": match.last_error,
        "run_id": match.run_id,
        "payload": match.payload
        and {
            "sha256": match.payload.sha256,
            "size": match.payload.size,
            "fetched_at": match.payload.fetched_at,
        },
        "processed_at": match.processed_at,
        "game": match.game and _game(match.game),
        "players": _players(session, match.match_id),
        "quarantine": _quarantine(session, match.match_id),
        "decisions": [
            {
                "team": each.team.name,
                "channel": each.channel and each.channel.name,
                "told": each.told,
                "rule": each.rule,
                "reason": each.reason,
            }
            for each in decide(
                session, match.match_id, stale_after=house.settings.stale_after, now=house.now
            )
        ],
        "messages": _messages(session, match.match_id),
    }


def _game(row: Game) -> dict[str, Any]:
    return {
        "queue": row.queue_name,
        "queue_id": row.queue_id,
        "mode": row.game_mode,
        "result": row.result,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "duration_s": row.duration_s,
        "game_version": row.game_version,
        "code_version": row.code_version,
    }


def _players(session: Session, match_id: str) -> list[dict[str, Any]]:
    rows = session.execute(
        select(PlayerStat, Participant, Account)
        .join(
            Participant,
            (Participant.match_id == PlayerStat.match_id)
            & (Participant.participant_id == PlayerStat.participant_id),
        )
        .join(Account, Account.id == PlayerStat.account_id)
        .where(PlayerStat.match_id == match_id)
        .order_by(PlayerStat.participant_id)
    )
    return [
        {
            "player": account.player.name,
            "account": account.riot_id,
            "champion": person.champion,
            "kills": person.kills,
            "deaths": person.deaths,
            "assists": person.assists,
            "outcome": person.outcome,
            "placement": person.placement,
            "side": person.side,
            "highlights": stat.highlights,
        }
        for stat, person, account in rows
    ]


def _quarantine(session: Session, match_id: str) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(Quarantine).where(Quarantine.match_id == match_id).order_by(Quarantine.id)
    )
    return [
        {
            "stage": row.stage,
            "error": row.error,
            "code_version": row.code_version,
            "run_id": row.run_id,
            "set_aside_at": row.set_aside_at,
            "tries": row.tries,
            "closed_at": row.closed_at,
            "closed_as": row.closed_as,
        }
        for row in rows
    ]


def _messages(session: Session, match_id: str) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(Message)
        .join(MessageGame, MessageGame.message_id == Message.id)
        .where(MessageGame.match_id == match_id)
        .order_by(Message.created_at)
    )
    return [
        {
            "id": row.id,
            "channel": row.channel.name,
            "kind": row.kind,
            "state": row.state,
            "remote_id": row.remote_id,
            "delivered_at": row.delivered_at,
        }
        for row in rows
    ]


def _print(value: dict[str, Any]) -> None:
    names = ("match_id", "state", "listed_at", "processed_at", "next_try_at", "last_error")
    print_fields((name.replace("_", " "), value[name]) for name in names)
    if payload := value["payload"]:
        print_fields([("payload", f"{payload['size']} bytes, sha256 {payload['sha256']}")])
    if played := value["game"]:
        minutes, seconds = divmod(played["duration_s"], 60)
        print_fields(
            [
                ("mode", played["queue"]),
                ("result", played["result"]),
                ("ended at", played["ended_at"]),
                ("length", f"{minutes}:{seconds:02}"),
            ]
        )
    click.echo()
    print_table(
        ("PLAYER", "ACCOUNT", "CHAMPION", "K/D/A", "OUTCOME", "STOOD OUT"),
        (
            (
                each["player"],
                each["account"],
                each["champion"],
                f"{each['kills']}/{each['deaths']}/{each['assists']}",
                (each["placement"] and f"place {each['placement']}") or each["outcome"],
                [word.replace("_", " ") for word in each["highlights"]],
            )
            for each in value["players"]
        ),
        empty="Nobody who is watched is known to have played.",
    )
    for each in value["quarantine"]:
        until = each["closed_as"] or "still"
        click.echo(f"\nSet aside in {each['stage']} ({until}): {each['error']}")
    click.echo()
    print_table(
        ("TEAM", "CHANNEL", "TOLD", "WHY"),
        (
            (each["team"], each["channel"], each["told"], each["reason"])
            for each in value["decisions"]
        ),
        empty="No team is concerned.",
    )
    click.echo()
    print_table(
        ("MESSAGE", "CHANNEL", "STATE", "DELIVERED AT"),
        (
            (each["id"], each["channel"], each["state"], each["delivered_at"])
            for each in value["messages"]
        ),
        empty="No message.",
    )
