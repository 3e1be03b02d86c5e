"""Games of which the payload is archived already, for tests of what comes after."""

from __future__ import annotations

import hashlib
import zlib
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lol_dagster.storage.models import Match, Payload


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
