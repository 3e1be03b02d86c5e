"""What Dagster's UI shows of a stage's work: metadata on materializations, tables, previews.

Only reading and wording; everything shown is read back from the tables, so it is what was stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.text import markdown
from lol_dagster.orchestration.house import House
from lol_dagster.orchestration.processing import Outcome, Processed, SetAside
from lol_dagster.stats.form import Form, form_of
from lol_dagster.storage.models import (
    Channel,
    Game,
    Message,
    MessageGame,
    Participant,
    Payload,
    Player,
    PlayerStat,
)

FRESH_WARN = timedelta(minutes=45)
"""No account is asked less often than every 30 minutes."""
FRESH_FAIL = timedelta(hours=2)

Metadata = Mapping[str, Any]
_ROWS_SHOWN = 100


def explain(outcome: Outcome) -> str:
    """In a line, why a match was not processed."""
    if isinstance(outcome, SetAside):
        return f"{outcome.match_id} is set aside: {outcome.stage} failed: {outcome.error!r}"
    if isinstance(outcome, Processed):
        return f"{outcome.match_id} is processed"
    return f"{outcome.match_id} is not there: {outcome.fetched.reason}"


def of_outcome(house: House, outcome: Outcome) -> dict[str, Metadata]:
    """Per asset that the match materialized, its metadata; empty for one that brought nothing."""
    if not isinstance(outcome, Processed):
        return {}
    match_id = outcome.match_id
    with house.database.reading() as session:
        return {
            "games": _of_payload(session, match_id),
            "player_stats": _of_stats(session, match_id),
            "messages": _of_messages(session, match_id),
        }


def _of_payload(session: Session, match_id: str) -> Metadata:
    payload = session.get_one(Payload, match_id)
    game = session.get_one(Game, match_id)
    return {
        "sha256": payload.sha256,
        "bytes": payload.size,
        "fetched_at": dg.MetadataValue.timestamp(payload.fetched_at),
        "mode": game.queue_name,
        "patch": game.game_version,
        "ended_at": dg.MetadataValue.timestamp(game.ended_at),
    }


def _of_stats(session: Session, match_id: str) -> Metadata:
    game = session.get_one(Game, match_id)
    rows = _tracked(session, [match_id])
    forms = {
        player.name: form_of(session, player.id, until=game.ended_at) for _, _, player, _ in rows
    }
    return {
        "players": ", ".join(player.name for _, _, player, _ in rows) or "nobody tracked",
        "result": game.result,
        "mode": game.queue_name,
        "minutes": round(game.duration_s / 60, 1),
        "lines": dg.MetadataValue.md(_table(_LINE_HEADS, [_line(*row) for row in rows])),
        "form": dg.MetadataValue.md(
            _table(_FORM_HEADS, [_form_line(name, form) for name, form in forms.items()])
        ),
    }


def _of_messages(session: Session, match_id: str) -> Metadata:
    messages = _messages_of(session, match_id)
    if not messages:
        return {"channels": "none: nobody is to be told"}
    return {
        "channels": ", ".join(channel.name for _, channel in messages),
        "preview": dg.MetadataValue.md(
            "\n\n---\n\n".join(
                f"*{channel.name}*\n\n{markdown(MessageContent.from_json(message.content))}"
                for message, channel in messages
            )
        ),
    }


def of_batch(house: House, outcomes: Sequence[Outcome]) -> Metadata:
    """A batch run's table of its games."""
    processed = [each.match_id for each in outcomes if isinstance(each, Processed)]
    with house.database.reading() as session:
        lines: dict[str, list[str]] = {}
        for game, participant, player, _ in _tracked(session, processed):
            lines.setdefault(game.match_id, []).append(
                f"{player.name} ({participant.champion} {_kda(participant)}, "
                f"{_outcome(participant)})"
            )
        games = {
            game.match_id: game
            for game in session.scalars(select(Game).where(Game.match_id.in_(processed)))
        }
    rows = []
    for outcome in outcomes[:_ROWS_SHOWN]:
        game = games.get(outcome.match_id)
        if game is None:
            rows.append((outcome.match_id, "", "", explain(outcome)))
        else:
            players = "; ".join(lines.get(game.match_id, ["nobody tracked"]))
            rows.append((game.match_id, game.queue_name, game.result, players))
    return {
        "games": dg.MetadataValue.md(_table(("Match", "Mode", "Result", "Players"), rows)),
        "processed": len(processed),
        "set_aside": sum(isinstance(each, SetAside) for each in outcomes),
        "not_there": len(outcomes)
        - len(processed)
        - sum(isinstance(each, SetAside) for each in outcomes),
    }


def _tracked(
    session: Session, match_ids: Sequence[str]
) -> list[tuple[Game, Participant, Player, PlayerStat]]:
    return [
        row._tuple()
        for row in session.execute(
            select(Game, Participant, Player, PlayerStat)
            .join(PlayerStat, PlayerStat.match_id == Game.match_id)
            .join(
                Participant,
                (Participant.match_id == PlayerStat.match_id)
                & (Participant.participant_id == PlayerStat.participant_id),
            )
            .join(Player, Player.id == PlayerStat.player_id)
            .where(Game.match_id.in_(match_ids))
            .order_by(Game.ended_at, Participant.participant_id)
        )
    ]


def _messages_of(session: Session, match_id: str) -> list[tuple[Message, Channel]]:
    return [
        row._tuple()
        for row in session.execute(
            select(Message, Channel)
            .join(MessageGame, MessageGame.message_id == Message.id)
            .join(Channel, Channel.id == Message.channel_id)
            .where(MessageGame.match_id == match_id)
            .order_by(Channel.name)
        )
    ]


_LINE_HEADS = ("Player", "Champion", "K/D/A", "Outcome", "KDA", "CS/min", "KP", "Stood out")


def _line(
    game: Game, participant: Participant, player: Player, stat: PlayerStat
) -> tuple[str, ...]:
    return (
        player.name,
        participant.champion,
        _kda(participant),
        _outcome(participant),
        f"{stat.kda:.1f}",
        "" if stat.cs_per_min is None else f"{stat.cs_per_min:.1f}",
        "" if stat.kill_participation is None else f"{stat.kill_participation:.0%}",
        ", ".join(highlight.replace("_", " ") for highlight in stat.highlights),
    )


_FORM_HEADS = ("Player", "Last games", "Won", "Streak", "KDA", "CS/min", "KP")


def _form_line(name: str, form: Form) -> tuple[str, ...]:
    raise NotImplementedError


def _kda(participant: Participant) -> str:
    return f"{participant.kills}/{participant.deaths}/{participant.assists}"


def _outcome(participant: Participant) -> str:
    if participant.outcome != "placement":
        return participant.outcome
    return "place unknown" if participant.placement is None else f"place {participant.placement}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; names are hostile input, so what would end a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines
    )


def _cell(text: str) -> str:
    for special in "\\|*_`[]<>~":
        text = text.replace(special, "\\" + special)
    return " ".join(text.split())
