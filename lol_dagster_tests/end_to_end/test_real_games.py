"""Real payloads of every mode and patch through the stages: each is announced, or it is known why not.

The oracle reads the raw JSON in its own way and says which of them should be announced. Adding a game
to the folder changes no test.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from lol_dagster.delivery.message_rows import write_messages
from lol_dagster.messages.rules import decide
from lol_dagster.stats.record import read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, Team
from lol_dagster_tests._support.archived_games import make_archived
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_membership,
    make_player,
    make_team,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SINCE = datetime(2015, 1, 1, tzinfo=UTC)
ANNOUNCED_HOWEVER_OLD = timedelta(days=36_500)
# Every so many of the ranked games suffice here: stats' own tests read all of them.
BULK_STEP = 10


def payloads(shared: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((shared / "riot" / "matches").rglob("*.json")):
        body = path.read_bytes()
        if "metadata" in json.loads(body):
            yield path.stem, body
    for path in sorted((shared / "riot" / "bulk").glob("*.jsonl.xz")):
        with lzma.open(path) as lines:
            for number, line in enumerate(lines):
                if number % BULK_STEP == 0:
                    yield json.loads(line)["metadata"]["matchId"], line.strip()


def expected_rule(game: dict[str, Any]) -> str:
    """`announced`, or the rule that holds it back, read independently of the product."""
    info = game["info"]
    people = info["participants"]
    if not people:
        return "empty"
    if any(person["win"] for person in people):
        return "announced"
    if info["gameMode"] == "CHERRY":  # E2: nobody is said to have won, yet it was played
        return "announced"
    alone = len({person["teamId"] for person in people}) == 1
    if alone and not info.get("endOfGameResult", "").strip().startswith("Abort"):
        return "announced"  # A4: a Swarm that everybody lost
    return "aborted"


def track_somebody(session: Session, team: Team, game: dict[str, Any]) -> Account:
    """The first person in the game, tracked for as long as there have been games."""
    puuid = next(each for each in game["metadata"]["participants"] if each != "BOT")
    known: Account | None = session.query(Account).filter_by(puuid=puuid).one_or_none()
    if known is not None:
        return known
    player = make_player(session)
    make_membership(session, team, player, since=SINCE)
    return make_account(session, player, puuid=puuid)


def test_every_real_game_is_announced_or_it_is_known_why_not(
    database: Database, shared_dir: Path
) -> None:
    wrong: list[str] = []
    seen: set[str] = set()
    with database.writing() as session:
        team = make_team(session)
        make_channel(session, team, created_at=SINCE)
        # Some games are in both places.
        for match_id, body in dict(payloads(shared_dir)).items():
            game = json.loads(body)
            account = track_somebody(session, team, game)
            make_archived(session, match_id, body, at=NOW, listed_by=account.id)
            record_game(
                session, read_archived(session, match_id), code_version="1", now=NOW, run_id="test"
            )
            written = write_messages(session, match_id, stale_after=ANNOUNCED_HOWEVER_OLD, now=NOW)
            (decision,) = decide(session, match_id, stale_after=ANNOUNCED_HOWEVER_OLD, now=NOW)
            expected = expected_rule(game)
            seen.add(expected)
            found = "announced" if decision.announced else decision.rule
            if (
                found != expected
                or bool(written) != (expected == "announced")
                or not decision.reason
            ):
                wrong.append(f"{match_id}: {found} ({decision.reason}), expected {expected}")
    assert wrong == []
    assert "announced" in seen
