"""What is deleted from the product's own database, and when. Games, stats, payloads, messages and the
audit trail are kept for good.

Each step deletes in batches, each a transaction of its own that takes well under a second, so that
nobody waits for it; interrupted anywhere, it leaves the rest to the next night.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, text
from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Alert, Attempt, Message, RateCall, RateHold, RateWindow
from lol_dagster.storage.models.system import RunRequest

KEEP_ATTEMPTS = timedelta(days=90)
"""Calls to channels. Those that say which id a message has are kept for good: they are the evidence
that it was delivered, and delivered once."""
KEEP_CALLS = timedelta(days=2)
"""Calls to Riot that were counted: twice its longest window."""
KEEP_REQUESTS = timedelta(days=90)
"""Requests to process a game again, and alerts that are over."""
BATCH = 500
BUDGET_S = 300.0
"""How long a step goes on at most."""


def prune_attempts(database: Database, now: datetime) -> int:
    """Delete old calls of messages that are settled, but for those that are evidence."""
    old = (
        select(Attempt.id)
        .join(Message, Message.id == Attempt.message_id)
        .where(
            Attempt.at < now - KEEP_ATTEMPTS,
            Attempt.remote_id.is_(None),
            Message.state.in_(("delivered", "dropped")),
        )
        .order_by(Attempt.id)
        .limit(BATCH)
    )
    return in_batches(
        database, lambda session: _delete(session, Attempt.id, list(session.scalars(old)))
    )


def prune_rate_rows(database: Database, now: datetime, *, key_fingerprint: str | None) -> int:
    """Delete counted calls that no window reaches back to, and all that is about keys which are no
    longer used: a development key lives for a day.
    """
    old = (
        select(RateCall.token).where(RateCall.done_at < (now - KEEP_CALLS).timestamp()).limit(BATCH)
    )
    deleted = in_batches(
        database, lambda session: _delete(session, RateCall.token, list(session.scalars(old)))
    )
    if key_fingerprint is None:
        return deleted
    in_use = select(RateCall.scope)
    for model in (RateWindow, RateHold):
        unused = (
            select(model.scope)
            .where(
                model.scope.not_like(f"{key_fingerprint}/%"),
                model.scope.not_in(in_use),
            )
            .distinct()
            .limit(BATCH)
        )
        deleted += in_batches(
            database,
            lambda session, model=model, unused=unused: _delete(  # type: ignore[misc]
                session, model.scope, list(session.scalars(unused))
            ),
        )
    return deleted


def prune_requests_and_alerts(database: Database, now: datetime) -> int:
    """Delete requests that were completed, and alerts that are over."""
    requests = (
        select(RunRequest.id).where(RunRequest.finished_at < now - KEEP_REQUESTS).limit(BATCH)
    )
    # One that was over before it was announced, or never to be announced, has no announced end.
    is_done = or_(Alert.ended_at.is_not(None), Alert.notified_at.is_(None))
    alerts = select(Alert.id).where(Alert.closed_at < now - KEEP_REQUESTS, is_done).limit(BATCH)
    return in_batches(
        database, lambda session: _delete(session, RunRequest.id, list(session.scalars(requests)))
    ) + in_batches(
        database, lambda session: _delete(session, Alert.id, list(session.scalars(alerts)))
    )


def in_batches(database: Database, delete_some: Callable[[Session], int]) -> int:
    """Delete in short transactions until nothing is left to delete, or the time is up.

    Args:
        delete_some: Deletes at most `BATCH` rows and says how many.
    """
    ends, deleted = time.monotonic() + BUDGET_S, 0
    while time.monotonic() < ends:
        with database.writing() as session:
            number = delete_some(session)
        deleted += number
        if number == 0:
            break
    return deleted


def _delete(session: Session, key: object, found: list[object]) -> int:
    if found:
        session.execute(
            delete(key.class_).where(key.in_(found)),  # type: ignore[attr-defined]
            execution_options={"synchronize_session": False},
        )
    return len(found)


def refresh_statistics(database: Database) -> None:
    """Have the database measure how its tables have grown, so that it goes on choosing the right
    indexes; and on SQLite write the write-ahead log back into the file.
    """
    with database.engine.connect() as connection:
        raw = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not database.is_sqlite:
            raw.execute(text("ANALYZE"))
            return
    file = database.engine.raw_connection()
    cursor = file.cursor()
    try:
        # Reads so many rows of an index at most: milliseconds, however large the table.
        cursor.execute("PRAGMA analysis_limit=1000")
        cursor.execute("ANALYZE")
        # First what can be done beside everybody, then the rest, which is short.
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        cursor.close()
        file.close()
