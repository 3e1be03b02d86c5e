"""What Dagster's UI shows of a stage's work: metadata on materializations, tables, previews.

Only reading and wording; everything shown is read back from the tables, so it is what was stored.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.worker import DeliveryReport, DeliveryResult
from lol_dagster.explain.game import gold_at_15
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.language import language
from lol_dagster.messages.text import markdown, plain_markdown
from lol_dagster.messages.wording import rank_in_words
from lol_dagster.pictures.artist import Artist
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.pipeline.discovery import DiscoveryReport
from lol_dagster.pipeline.failures import is_the_games, summary
from lol_dagster.pipeline.process import (
    CODE_VERSIONS,
    STAGES,
    IgnoredGame,
    NotGiven,
    Outcome,
    ProcessedGame,
    QuarantinedGame,
)
from lol_dagster.riot.polling import poll_times
from lol_dagster.stats.form import Form, form, game_table
from lol_dagster.stats.played import select_played
from lol_dagster.stats.rank_history import curve, moves_of
from lol_dagster.stats.ranks import RANKED_QUEUES, Moved
from lol_dagster.storage.database import Database
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

_UNCHANGED = "1"
"""Every data version: what is due is known to our own tables."""
MATCH_LISTS_VERSION = dg.DataVersion(_UNCHANGED)
_MADE_OF = {"games": "match_lists", "deliveries": "messages"}
"""Of the others Dagster's comparison of times is right: they are made together, one after the other."""

log = logging.getLogger(__name__)

Metadata = Mapping[str, Any]
_CELL = 300
_CURVE = 10
"""Steps of a rank that are shown."""
_ACCOUNTS = 200
MOST_CARDS = 20
"""Of one run: each takes some 50 ms."""
_CARD_WIDTH = 360
"""Half of a card's pixels, as on a phone: Dagster keeps its metadata for good."""
_NO_CHANNEL = "none: the game is announced nowhere"


def materialization(
    asset: str, values: Metadata, match_id: str | None = None
) -> dg.AssetMaterialization:
    """That an asset was materialized, and from what.

    Without it Dagster compares times: every game would be shown as out of sync, "redo me", as soon as the
    match lists bring another one, and every delivery as soon as its game is processed once more, also
    where there is nothing new to say.
    """
    tags = {DATA_VERSION_TAG: _UNCHANGED}
    if asset in _MADE_OF:
        made_of = dg.AssetKey(_MADE_OF[asset])
        tags |= {
            CODE_VERSION_TAG: CODE_VERSIONS.get(asset, _UNCHANGED),
            get_input_data_version_tag(made_of): _UNCHANGED,
            get_input_event_pointer_tag(made_of): NULL_EVENT_POINTER,
        }
    return dg.AssetMaterialization(asset, partition=match_id, metadata=values, tags=tags)


def explain(outcome: Outcome) -> str:
    """In a line, why a match was not processed."""
    if isinstance(outcome, QuarantinedGame):
        return (
            f"{outcome.match_id} is quarantined: {outcome.stage} failed: {summary(outcome.error)}"
        )
    if isinstance(outcome, ProcessedGame):
        return f"{outcome.match_id} is processed"
    return f"{outcome.match_id} is not there: {outcome.reason}"


def of_polling(database: Database, found: DiscoveryReport, now: datetime) -> Metadata:
    """What a poll of the match lists brought, and when each account was last asked."""
    with database.reading() as session:
        times = poll_times(session, now)
    return {
        "accounts": len(found.polls),
        "new_matches": len(found.new_match_ids),
        "failed": len(found.failures),
        "left_due": found.not_asked,
        "accounts_asked": dg.MetadataValue.md(
            _table(
                ("Account", "New games", "Failure"),
                [
                    (poll.riot_id, ", ".join(poll.new_match_ids), poll.error or "")
                    for poll in found.polls
                ],
            )
        ),
        "all_accounts": dg.MetadataValue.md(
            _table(
                ("Account", "Last answer (UTC)", "Next turn (UTC)", "Failure"),
                [
                    (
                        each.riot_id,
                        _moment(each.answered_at),
                        _moment(each.due_at),
                        each.error or "",
                    )
                    for each in times[:_ACCOUNTS]
                ],
            )
        ),
    }


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def of_outcome(database: Database, outcome: Outcome) -> dict[str, Metadata]:
    """Per asset that the match materialized, its metadata; empty for one that brought nothing.

    Among them is `deliveries` if the game is announced nowhere: no delivery run will ever report it.
    """
    if not isinstance(outcome, ProcessedGame):
        return {}
    match_id = outcome.match_id
    try:
        with database.reading() as session:
            messages = messages_of(session, match_id)
            return {
                "games": _of_payload(session, match_id),
                "player_stats": _of_stats(session, match_id),
                "messages": _of_messages(messages),
                **({} if messages else {"deliveries": {"channels": _NO_CHANNEL}}),
            }
    except Exception as error:
        if not is_the_games(error):
            raise
        # It is done all the same, and the other games of the batch are none the worse.
        log.exception("%s is processed and cannot be shown", match_id)
        return {stage: {} for stage in STAGES}


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
    rows = session.execute(
        select_played(Participant, Player, PlayerStat)
        .join(Player, Player.id == PlayerStat.player_id)
        .where(PlayerStat.match_id == match_id)
        .order_by(Participant.participant_id)
    ).all()
    moves = moves_of(session, [match_id])
    forms = {player.name: form(session, player.id, until=game.ended_at) for _, player, _ in rows}
    return {
        "players": ", ".join(player.name for _, player, _ in rows) or "nobody tracked",
        "result": game.result,
        "mode": game.queue_name,
        "minutes": round(game.duration_s / 60, 1),
        "lines": dg.MetadataValue.md(
            _table(
                _LINE_HEADS,
                [
                    _line(participant, player, stat, moves.get((match_id, stat.account_id)))
                    for participant, player, stat in rows
                ],
            )
        ),
        **_of_ranks(session, game, rows),
        "form": dg.MetadataValue.md(
            _table(_FORM_HEADS, [_form_line(name, form) for name, form in forms.items()])
        ),
    }


def _of_ranks(
    session: Session, game: Game, rows: Sequence[Row[Participant, Player, PlayerStat]]
) -> Metadata:
    """Of a ranked game: the curve of each account's rank in its queue."""
    if game.queue_id not in RANKED_QUEUES.values():
        return {}
    curves = (
        (player.name, curve(session, stat.account_id, game.queue_id, limit=_CURVE))
        for _, player, stat in rows
    )
    lines = [
        (name, " → ".join(each.rank.standing for each in snapshots))
        for name, snapshots in curves
        if snapshots
    ]
    if not lines:
        return {}
    return {"ranks": dg.MetadataValue.md(_table(("Player", game.queue_name), lines))}


def _of_messages(messages: Sequence[Row[Message, Channel]]) -> Metadata:
    if not messages:
        return {"channels": _NO_CHANNEL}
    return {
        "channels": ", ".join(channel.name for _, channel in messages),
        "preview": dg.MetadataValue.md(
            "\n\n---\n\n".join(
                f"*{channel.name}*\n\n{markdown(MessageContent.from_json(message.content))}"
                for message, channel in messages
            )
        ),
    }


def of_batch(database: Database, outcomes: Sequence[Outcome]) -> Metadata:
    """A batch run's table of its games."""
    processed = [each.match_id for each in outcomes if isinstance(each, ProcessedGame)]
    quarantined = [each for each in outcomes if isinstance(each, QuarantinedGame)]
    waiting = [each for each in outcomes if isinstance(each, NotGiven | IgnoredGame)]
    rows = _rows_of(database, processed)
    rows += [(each.match_id, "", "quarantined", explain(each)) for each in quarantined]
    rows += [
        (each.match_id, "", getattr(each, "outcome", "ignored"), each.reason) for each in waiting
    ]
    return {
        "games": dg.MetadataValue.md(_table(("Match", "Mode", "Result", "Players"), rows)),
        "processed": len(processed),
        "quarantined": len(quarantined),
        "not_there": len(waiting),
    }


def _rows_of(database: Database, match_ids: Sequence[str]) -> list[tuple[str, ...]]:
    try:
        with database.reading() as session:
            games = game_table(session, match_ids)
        return [tuple(map(str, row)) for row in games.itertuples(index=False)]
    except Exception as error:
        if not is_the_games(error):
            raise
        log.exception("The table of a batch cannot be shown")
        return [(match_id, "", "processed", "") for match_id in match_ids]


def of_deliveries(
    found: DeliveryReport, artist: Artist | None = None
) -> Iterator[tuple[str, Metadata]]:
    """Per game that a delivery run announced, where it did, and with which card.

    Args:
        artist: Draws the cards of the first `MOST_CARDS` games that have one: a run that sends what an outage
            has held up draws each only once.
    """
    drawn = 0
    by_match: dict[str, list[DeliveryResult]] = {}
    for result in found.messages:
        if result.outcome in ("delivered", "edited"):
            for match_id in result.match_ids:
                by_match.setdefault(match_id, []).append(result)
    for match_id, results in by_match.items():
        metadata: dict[str, Any] = {"channels": ", ".join(each.channel for each in results)}
        for each in results:
            if each.link is not None:
                # A removed channel's name may be another's by now.
                key = f"link to {each.channel}"
                key = f"{key}, {each.message_id[:8]}" if key in metadata else key
                metadata[key] = dg.MetadataValue.url(each.link)
        card = next((each.card for each in results if each.card is not None), None)
        if card is not None and artist is not None and drawn < MOST_CARDS:
            drawn += 1
            metadata |= _of_card(card, artist)
        yield match_id, metadata


def _of_card(card: Mapping[str, Any], artist: Artist) -> dict[str, Any]:
    try:
        png = base64.b64encode(artist.draw(card, width=_CARD_WIDTH)).decode()
    except CannotDraw:
        log.exception("a card cannot be shown")
        return {}
    return {"card": dg.MetadataValue.md(f"![The game as a card](data:image/png;base64,{png})")}


def of_finished(messages: Sequence[Row[Message, Channel]]) -> Metadata:
    """How delivery ended of a game that no delivery run has reported."""
    ends = (f"{channel.name} ({message.state})" for message, channel in messages)
    return {"channels": ", ".join(ends) or _NO_CHANNEL}


def of_delivery_run(found: DeliveryReport) -> Metadata:
    """What a delivery run did."""
    return {
        "delivered": found.delivered,
        "edited": found.edited,
        "uncertain": found.uncertain,
        "needs_review": found.needs_review,
        "blocked": found.blocked,
        "deferred": found.deferred,
        "messages": dg.MetadataValue.md(
            _table(
                ("Channel", "Games", "Outcome", "Why"),
                [
                    (
                        each.channel,
                        _few(each.match_ids),
                        each.outcome,
                        each.reason or "",
                    )
                    for each in found.messages
                ],
            )
        ),
    }


def _few(match_ids: Sequence[str]) -> str:
    return ", ".join(match_ids[:3]) + (f" and {len(match_ids) - 3} more" if match_ids[3:] else "")


def messages_of(session: Session, match_id: str) -> Sequence[Row[Message, Channel]]:
    return session.execute(
        select(Message, Channel)
        .join(MessageGame, MessageGame.message_id == Message.id)
        .join(Channel, Channel.id == Message.channel_id)
        .where(MessageGame.match_id == match_id)
        .order_by(Channel.name)
    ).all()


_LINE_HEADS = (
    "Player", "Champion", "K/D/A", "Outcome", "KDA", "CS/min", "KP", "Gold at 15", "LP", "Stood out",
)  # fmt: skip


def _line(
    participant: Participant, player: Player, stat: PlayerStat, moved: Moved | None
) -> tuple[str, ...]:
    return (
        player.name,
        participant.champion,
        f"{participant.kills}/{participant.deaths}/{participant.assists}",
        _outcome(participant),
        f"{stat.kda:.1f}",
        _number(stat.cs_per_min),
        _share(stat.kill_participation),
        gold_at_15(stat) or "",
        rank_in_words(moved, language("en")) if moved else "",
        ", ".join(highlight.replace("_", " ") for highlight in stat.highlights),
    )


_FORM_HEADS = ("Player", "Last games", "Won", "Streak", "KDA", "CS/min", "KP")


def _form_line(name: str, so_far: Form) -> tuple[str, ...]:
    return (
        name,
        f"{so_far.recent} ({so_far.games} games)",
        _share(so_far.win_rate),
        f"{abs(so_far.streak)} {'won' if so_far.streak > 0 else 'lost'}" if so_far.streak else "",
        _number(so_far.kda),
        _number(so_far.cs_per_min),
        _share(so_far.kill_participation),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _outcome(participant: Participant) -> str:
    if participant.outcome != "placement":
        return participant.outcome
    return "place unknown" if participant.placement is None else f"place {participant.placement}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; names are hostile input, so every cell is escaped."""
    head, *body = (
        "| " + " | ".join(plain_markdown(cell, _CELL) if cell else "" for cell in line) + " |"
        for line in (heads, *rows)
    )
    return "\n".join([head, "|" + " --- |" * len(heads), *body])
