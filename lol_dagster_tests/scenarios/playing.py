"""A scenario file is read, its game goes through record and decide, and how it ended is returned."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lol_dagster.delivery.message_rows import write_messages
from lol_dagster.messages.rules import decide
from lol_dagster.pipeline.failures import is_the_games
from lol_dagster.stats.record import read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.archived_games import make_archived
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

FOLDER = Path(__file__).parent
HOWEVER_OLD = timedelta(days=36_500)

Json = dict[str, Any]


def body_of(scenario: Json) -> bytes:
    """The payload as Riot would have answered it."""
    if "payload" in scenario:
        return json.dumps(scenario["payload"]).encode()
    if "text" in scenario:
        return str(scenario["text"]).encode()
    return base64.b64decode(scenario["base64"])


def play(database: Database, scenario: Json) -> Json:
    """What happens to the game, where those who are tracked make one team with one channel.

    Returns:
        `outcome`: processed or quarantined. Processed: `result`, `queue`, `participants`, and of the
        channel `announced` and `rule`. Quarantined: `stage` and `error`.
    """
    match_id, body = scenario["match_id"], body_of(scenario)
    now = datetime.fromisoformat(scenario["fetched_at"])
    with database.writing() as session:
        team = make_team(session, "Team")
        make_channel(session, team)
        members = [make_member(session, team, puuid=puuid) for puuid in scenario["tracked"]]
        for member in members:
            session.refresh(member)
        listed_by = members[0].accounts[0].id if members else None
        make_archived(session, match_id, body, at=now, listed_by=listed_by)
    stage = "player_stats"
    try:
        with database.writing() as session:
            recorded = record_game(
                session, read_archived(session, match_id), code_version="1", now=now, run_id="test"
            )
            stage = "messages"
            write_messages(session, match_id, stale_after=HOWEVER_OLD, now=now)
            decisions = decide(session, match_id, stale_after=HOWEVER_OLD, now=now)
    except Exception as error:
        if not is_the_games(error):
            raise
        return {"outcome": "quarantined", "stage": stage, "error": str(error)}
    return {
        "outcome": "processed",
        "result": recorded.result,
        "queue": recorded.queue_name,
        "participants": len(recorded.participants),
        "announced": any(each.announced for each in decisions),
        "rule": decisions[0].rule if decisions else None,
    }


def differences(expected: Json, found: Json) -> list[str]:
    """Of what is expected, all that is not so; an `error` need only be named in the one found."""
    return [
        f"{name}: expected {value!r}, found {found.get(name)!r}"
        for name, value in expected.items()
        if (value not in str(found.get(name)) if name == "error" else found.get(name) != value)
    ]
