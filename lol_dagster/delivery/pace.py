"""Keeping to what a service allows in all, whatever the channel: so many calls a second of a token.

All deliverers take their turns from one row, by the generic cell rate algorithm: it says when the next call
may begin, and each call moves it on. What a service refuses all the same is a rate limit like any other
(circuit_breaker.py). Wall times: they decide when a call is made, never whether.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lol_dagster.storage.models import SendBucket
from lol_dagster.storage.upsert import insert_if_absent

_STEADY, _AT_ONCE = 0.9, 0.08
"""Parts of what is allowed in a second: how many calls go out in each, and how many may go out at once
after a pause; both together in no second more than are allowed."""
_LONGEST_WAIT = timedelta(seconds=5)
"""What is further ahead was written by a clock that is."""


def take_turn(
    session: Session, scope: str, per_second: int, now: datetime, *, calls: int = 1
) -> datetime:
    """When the next calls under this scope may begin, in a transaction that writes; from then on they count.

    Args:
        scope: Of a token or of a service, as of a breaker.
        per_second: How many calls are allowed.
    """
    scope = f"pace:{scope}"
    insert_if_absent(session, SendBucket, [{"scope": scope, "not_before": now}])
    row = session.get(SendBucket, scope, with_for_update=True, populate_existing=True)
    assert row is not None
    even = row.not_before if row.not_before <= now + _LONGEST_WAIT else now
    one = timedelta(seconds=1 / (_STEADY * per_second))
    row.not_before = max(even, now) + calls * one
    # All of them begin when the last one may.
    return max(now, even + (calls - 1) * one - timedelta(seconds=_AT_ONCE / _STEADY))
