"""What a team reads of a payload, all the way from its bytes."""

from __future__ import annotations

from sqlalchemy.orm import Session

from lol_dagster.messages.announced_games import load_announced_games
from lol_dagster.messages.compose import compose_game
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.language import language
from lol_dagster.stats.reading import GameReading
from lol_dagster.stats.record import read_archived, record_game
from lol_dagster.storage.models import Team
from lol_dagster_tests._support.archived_games import make_archived
from lol_dagster_tests._support.payloads import ENDED_AT, Json, encode


def record(session: Session, match_id: str, payload: Json) -> GameReading:
    """Archive a game and record it."""
    make_archived(session, match_id, encode(payload), at=ENDED_AT)
    return record_game(
        session, read_archived(session, match_id), code_version="1", now=ENDED_AT, run_id="run-1"
    )


def message_of(session: Session, team: Team, match_id: str, payload: Json) -> MessageContent:
    """The message of a new game, which a member of the team has played."""
    record(session, match_id, payload)
    (game,) = load_announced_games(session, team.id, {match_id})
    return compose_game(game, language(team.language))
