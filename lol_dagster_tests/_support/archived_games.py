"""Games that are archived or quarantined already, for tests of what comes after."""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from lol_dagster.storage.models import Match, Payload, Quarantine

QUARANTINED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def make_archived(
    session: Session, match_id: str, body: bytes, *, at: datetime, **match: Any
) -> None:
    """A match that was listed and fetched at this moment, with what Riot gave of it."""
    session.add(Match(match_id=match_id, **{"state": "fetched", "listed_at": at, **match}))
    session.flush()
    session.add(
        Payload(
            match_id=match_id,
            encoding="zlib",
            body=zlib.compress(body),
            sha256=hashlib.sha256(body).hexdigest(),
            size=len(body),
            fetched_at=at,
        )
    )
    session.flush()


def make_quarantined(session: Session, match_id: str = "NA1_5000000001", **values: Any) -> None:
    """A game on which player_stats failed in the run `batch`, seen in the run `own`."""
    session.add(Match(match_id=match_id, state="quarantined", listed_at=QUARANTINED_AT))
    session.flush()
    session.add(
        Quarantine(
            **{
                "match_id": match_id,
                "stage": "player_stats",
                "error": "BrokenPayload: deaths",
                "traceback": "Traceback …",
                "code_version": "0",
                "run_id": "batch",
                "shown_run_id": "own",
                "quarantined_at": QUARANTINED_AT,
                "tries": 2,
                **values,
            }
        )
    )
    session.flush()
