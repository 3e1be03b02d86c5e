"""Games as the stats stage leaves them; the people in them come from _support/roster_rows.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Account, Game, Match, Participant, Player, PlayerStat

ENDED = datetime(2026, 8, 1, 20, 0, tzinfo=UTC)
"""When games end unless a test says otherwise."""
NOW = ENDED + timedelta(minutes=3)
"""When they are processed."""


def as_delivery_leaves_it(state: str, at: datetime) -> dict[str, Any]:
    """The columns of a message in this state that cannot be otherwise."""
    return {
        "pending": {"due_at": at},
        "blocked": {"due_at": at},
        "sending": {"due_at": at, "lease_until": 0.0},
        "uncertain": {"due_at": at, "sent_maybe": True},
        "delivered": {
            "evidence": "response",
            "remote_id": "1",
            "remote_rev": 1,
            "delivered_at": at,
        },
        "needs_review": {},
        "dropped": {},
    }[state] | {"state": state}


def played(
    player: Player,
    champion: str = "Jinx",
    kda: tuple[int, int, int] = (10, 2, 8),
    *,
    account: int = 0,
    team_id: int = 100,
    outcome: str = "win",
    **values: Any,
) -> dict[str, Any]:
    """One member's part in a game, for `add_game`.

    Args:
        account: Which of the player's accounts, from 0.
        values: Columns of Participant and PlayerStat.
    """
    kills, deaths, assists = kda
    return {
        "player": player,
        "account": account,
        "champion": champion,
        "kills": kills,
        "deaths": deaths,
        "assists": assists,
        "team_id": team_id,
        "side": f"team-{team_id}",
        "outcome": outcome,
        "kda": (kills + assists) / max(1, deaths),
        **values,
    }


_PARTICIPANT: dict[str, Any] = {
    "is_bot": False,
    "subteam_id": None,
    "placement": None,
    "champion_id": 222,
    "position": None,
    "champ_level": 16,
    "cs": 200,
    "gold": 12_000,
    "damage": 20_000,
    "vision_score": 20,
    "time_played_s": 1930,
    "double_kills": 0,
    "triple_kills": 0,
    "quadra_kills": 0,
    "penta_kills": 0,
    "first_blood": False,
}
_STAT: dict[str, Any] = {
    "kill_participation": 0.6,
    "cs_per_min": 6.25,
    "gold_per_min": 370.0,
    "damage_share": 0.25,
    "highlights": [],
    "extra": None,
}
_GAME: dict[str, Any] = {
    "platform": "euw1",
    "queue_id": 420,
    "queue_name": "Ranked Solo",
    "game_mode": "CLASSIC",
    "game_type": "MATCHED_GAME",
    "mode_family": "rift",
    "map_id": 11,
    "game_version": "16.15.1",
    "result": "played",
    "duration_s": 1930,
    "counts_in_form": True,
    "code_version": "1",
    "payload_sha256": "0" * 64,
}


def add_game(
    session: Session,
    match_id: str,
    *members: dict[str, Any],
    ended_at: datetime = ENDED,
    processed_at: datetime | None = None,
    **values: Any,
) -> Game:
    """A worked-out game.

    Args:
        processed_at: When it was first processed; None: it is being processed now.
        values: Columns of Game.
    """
    session.add(
        Match(match_id=match_id, state="fetched", listed_at=ended_at, processed_at=processed_at)
    )
    session.flush()
    game = Game(
        match_id=match_id,
        ended_at=ended_at,
        **{
            **_GAME,
            "started_at": ended_at - timedelta(seconds=values.get("duration_s", 1930)),
            **values,
        },
    )
    session.add(game)
    session.flush()
    for number, member in enumerate(members, start=1):
        _add_member(session, game, number, member)
    session.flush()
    return game


def _add_member(session: Session, game: Game, number: int, member: dict[str, Any]) -> None:
    player: Player = member["player"]
    accounts = select(Account).where(Account.player_id == player.id).order_by(Account.id)
    account = session.scalars(accounts).all()[member["account"]]
    session.add(_participant(game.match_id, number, account.riot_id, member))
    session.flush()
    session.add(
        PlayerStat(
            match_id=game.match_id,
            account_id=account.id,
            player_id=player.id,
            participant_id=number,
            ended_at=game.ended_at,
            kda=member["kda"],
            **{name: member.get(name, default) for name, default in _STAT.items()},
        )
    )


def _participant(match_id: str, number: int, name: str, values: dict[str, Any]) -> Participant:
    columns = {"kills", "deaths", "assists", "champion", "team_id", "side", "outcome"}
    return Participant(
        match_id=match_id,
        participant_id=number,
        puuid=f"puuid-{match_id}-{number}",
        display_name=name,
        **{column: values[column] for column in columns},
        **{column: values.get(column, default) for column, default in _PARTICIPANT.items()},
    )
