"""What the web view's lists take with as many rows as ten years bring; `bench.py` calls it.

Belongs here: the made-up rows, and which pages are asked for. A page is asked for as a browser does
it: sign-in apart, everything from the request to the last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import insert
from sqlalchemy.orm import Session

from lol_dagster.admin.app import create_app
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    Base,
    Channel,
    Game,
    Match,
    Membership,
    Message,
    MessageGame,
    Participant,
    Player,
    PlayerStat,
    Team,
)

LIMIT_MS = 200.0
"""What a page of a list may take."""
_NOW = datetime(2026, 11, 1, tzinfo=UTC)
_TEAMS, _MEMBERS, _AT_ONCE = 5, 50, 5_000
"""Teams that play, with so many players; rows in one statement."""
_QUEUES = ("Ranked Solo", "ARAM", "Normal Draft", "Arena")
_CONTENT = MessageContent(
    title="Ann and Bob won · Ranked Solo",
    summary="Ann and Bob won Ranked Solo",
    sections=(
        Section(
            tuple(
                Line(
                    name, ("Jinx", "12/1/7"), ("6.3 CS/min", "61 % kill participation"), ("penta",)
                )
                for name in ("Ann", "Bob")
            ),
            "Amigos",
        ),
    ),
    footer="32:10 · Summoner's Rift",
).to_json()
_PAGES = {
    "start page": "/",
    "games": "/game/",
    "games of a team": "/game/?flt0_team=1",
    "games of a player": "/game/?flt0_player=7",
    "games in a queue, lost": "/game/?flt0_queue=ARAM&flt0_outcome=loss",
    "games, remakes": "/game/?flt0_outcome=remake",
    "games by a part of the id": "/game/?search=99",
    "messages": "/message/",
    "messages that need review": "/message/?flt0_state=needs_review",
    "messages of a channel": "/message/?flt0_channel=3&flt0_kind=game",
    "messages, alerts": "/message/?flt0_kind=alert",
    "teams": "/team/",
    "teams by a part of the name": "/team/?search=4999",
    "teams, the newest": "/team/?sort=3&desc=1",
    "players": "/player/",
    "players by a part of the name": "/player/?search=4999",
    "players by a common part of the name": "/player/?search=1",
    "players by a name that nobody has": "/player/?search=nobody",
    "players of a team": "/player/?flt0_in_the_team=Team+1",
    "accounts": "/account/",
    "accounts by a part of the name": "/account/?search=4999",
    "accounts by player": "/account/?sort=1",
    "channels": "/channel/",
    "channels by a part of the name": "/channel/?search=4999",
    "channels by team": "/channel/?sort=1",
    "form: add a player": "/account/add/",
    "form: add a channel": "/channel/new/",
    "form: edit a team": "/team/edit/?id=1",
    "form: edit a player": "/player/edit/?id=1",
}


def list_pages(
    settings: Settings, database: Database, rows: int
) -> dict[str, Callable[[], object]]:
    """Fill the database, and how each page is asked for.

    Args:
        rows: Of games, messages, teams, players, accounts and channels, each.
    """
    with database.writing() as session:
        _fill(session, rows)
    client = create_app(settings, database, now=lambda: _NOW, demo=True).test_client()
    return {name: partial(_ask, client, address) for name, address in _PAGES.items()}


def _ask(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status)


def _fill(session: Session, rows: int) -> None:
    for model, made in (
        (Team, _teams(rows)),
        (Player, _players(rows)),
        (Account, _accounts(rows)),
        (Membership, _memberships()),
        (Channel, _channels(rows)),
        (Match, _matches(rows)),
        (Game, _games(rows)),
        (Participant, _participants(rows)),
        (PlayerStat, _stats(rows)),
        (Message, _messages(rows)),
        (MessageGame, _message_games(rows)),
    ):
        _insert(session, model, made)


def _insert(session: Session, model: type[Base], made: Iterator[dict[str, Any]]) -> None:
    some: list[dict[str, Any]] = []
    for row in made:
        some.append(row)
        if len(some) == _AT_ONCE:
            session.execute(insert(model), some)
            some = []
    if some:
        session.execute(insert(model), some)


def _match_id(number: int) -> str:
    return f"NA1_{5_000_000_000 + number}"


def _ended_at(number: int) -> datetime:
    return _NOW - timedelta(hours=2 * number)


def _two(number: int) -> tuple[int, int]:
    """Ids of those of us who played."""
    return 1 + number % _MEMBERS, 1 + (number * 7 + 1) % _MEMBERS


def _teams(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(1, max(rows, _TEAMS) + 1):
        yield {"id": number, "name": f"Team {number}", "created_at": _NOW}


def _players(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(1, max(rows, _MEMBERS) + 1):
        yield {"id": number, "name": f"Player {number}", "created_at": _NOW, "version": 1}


def _accounts(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(1, max(rows, _MEMBERS) + 1):
        yield {
            "id": number, "player_id": number, "puuid": f"puuid-{number}", "platform": "na1",
            "game_name": f"Summoner {number}", "tag_line": "NA1", "created_at": _NOW, "version": 1,
        }  # fmt: skip


def _memberships() -> Iterator[dict[str, Any]]:
    for number in range(1, _MEMBERS + 1):
        yield {
            "team_id": 1 + number % _TEAMS, "player_id": number, "version": 1,
            "since": _NOW - timedelta(days=36_500),
        }  # fmt: skip


def _channels(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(1, max(rows, _TEAMS) + 1):
        yield {
            "id": number, "team_id": number, "name": f"channel-{number}", "kind": "discord-bot",
            "address": f"{10**17 + number}", "created_at": _NOW, "version": 1,
        }  # fmt: skip


def _matches(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        yield {
            "match_id": _match_id(number), "state": "processed", "listed_at": _ended_at(number),
            "processed_at": _ended_at(number), "tries": 0,
        }  # fmt: skip


def _games(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        ended_at = _ended_at(number)
        yield {
            "match_id": _match_id(number), "platform": "na1", "queue_id": 420,
            "queue_name": _QUEUES[number % len(_QUEUES)], "game_mode": "CLASSIC",
            "game_type": "MATCHED_GAME", "mode_family": "rift", "map_id": 11,
            "game_version": "16.15.1", "result": "remake" if number % 997 == 0 else "played",
            "started_at": ended_at - timedelta(minutes=32), "ended_at": ended_at,
            "duration_s": 1930, "counts_in_form": True, "code_version": "1",
            "payload_sha256": "0" * 64,
        }  # fmt: skip


def _participants(rows: int) -> Iterator[dict[str, Any]]:
    plain = {
        "is_bot": False, "team_id": 100, "side": "team-100", "champion_id": 222,
        "champion": "Jinx", "champ_level": 16, "kills": 5, "deaths": 4, "assists": 7, "cs": 200,
        "gold": 12_000, "damage": 20_000, "vision_score": 20, "time_played_s": 1930,
        "double_kills": 0, "triple_kills": 0, "quadra_kills": 0, "penta_kills": 0,
        "first_blood": False,
    }  # fmt: skip
    for number in range(rows):
        outcome = "loss" if number % 3 == 0 else "win"
        for place, player in enumerate(sorted(set(_two(number))), start=1):
            yield {
                **plain, "match_id": _match_id(number), "participant_id": place,
                "puuid": f"puuid-{player}", "display_name": f"Summoner {player}",
                "outcome": outcome,
            }  # fmt: skip


def _stats(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        for place, player in enumerate(sorted(set(_two(number))), start=1):
            yield {
                "match_id": _match_id(number), "account_id": player, "player_id": player,
                "participant_id": place, "ended_at": _ended_at(number), "kda": 3.0,
                "highlights": [],
            }  # fmt: skip


def _messages(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        in_review, at = number % 9_973 == 0, _ended_at(number)
        yield {
            "id": _message_id(number), "channel_id": 1 + number % _TEAMS,
            "subject": _match_id(number), "kind": "alert" if number % 499 == 0 else "game",
            "order_at": at, "created_at": at, "content": _CONTENT, "desired_hash": "0" * 64,
            "state": "needs_review" if in_review else "delivered", "nonce": f"{number}",
            "delivered_at": None if in_review else at, "remote_id": None if in_review else f"{number}",
        }  # fmt: skip


def _message_games(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        yield {
            "channel_id": 1 + number % _TEAMS, "match_id": _match_id(number),
            "message_id": _message_id(number),
        }  # fmt: skip


def _message_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"
