"""What is deleted from the product's own database, and when. Games, stats, payloads, messages and the
audit trail are kept for good.

Each step deletes in batches, each a transaction of its own that takes well under a second, so that
nobody waits for it; interrupted anywhere, it leaves the rest to the next night.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Alert, Attempt, Message, RateCall, RateHold, RateWindow
from lol_dagster.storage.models.system import RunRequest

KEEP_ATTEMPTS = timedelta(days=90)
"""Calls to channels. Those that say which id a message has are kept for good: they are the evidence
that it was delivered, and delivered once."""
KEEP_CALLS = timedelta(days=2)
"""Calls to Riot whose process died before the answer: far beyond its longest window."""
KEEP_REQUESTS = timedelta(days=90)
"""Requests to process a game again, and alerts that are over."""
BATCH = 500
BUDGET_S = 300.0
"""How long a step goes on at most."""


def prune_attempts(database: Database, now: datetime) -> int:
    """Delete old calls of messages that are settled, but for those that are evidence."""
    is_settled = exists().where(
        Message.id == Attempt.message_id, Message.state.in_(("delivered", "dropped"))
    )
    old = (
        select(Attempt.id)
        .where(Attempt.at < now - KEEP_ATTEMPTS, Attempt.remote_id.is_(None), is_settled)
        # By their key: SQLite would sort all that there are for each page.
        .with_hint(Attempt, "NOT INDEXED", "sqlite")
    )
    return _delete_all(database, Attempt.id, old)


def prune_rate_rows(database: Database, now: datetime, *, key_fingerprint: str | None) -> int:
    """Delete calls that never got an answer, and all that is about keys which are no longer used: a
    development key lives for a day.
    """
    old = select(RateCall.token).where(RateCall.done_at < (now - KEEP_CALLS).timestamp())
    deleted = _delete_all(database, RateCall.token, old)
    if key_fingerprint is None:
        return deleted
    for model in (RateWindow, RateHold):
        is_of_other_key = model.scope.not_like(f"{key_fingerprint}/%")
        is_unused = model.scope.not_in(select(RateCall.scope))
        unused = select(model.scope).where(is_of_other_key, is_unused).distinct()
        deleted += _delete_all(database, model.scope, unused)
    return deleted


def prune_requests_and_alerts(database: Database, now: datetime) -> int:
    """Delete requests that were completed, and alerts that are over."""
    requests = select(RunRequest.id).where(RunRequest.finished_at < now - KEEP_REQUESTS)
    # One that was over before it was announced, or never to be announced, has no announced end.
    is_done = or_(Alert.ended_at.is_not(None), Alert.notified_at.is_(None))
    alerts = select(Alert.id).where(Alert.closed_at < now - KEEP_REQUESTS, is_done)
    return _delete_all(database, RunRequest.id, requests) + _delete_all(database, Alert.id, alerts)


def _delete_all(database: Database, key: InstrumentedAttribute[Any], old: Select[Any]) -> int:
    """Delete the rows that a query finds, in short transactions, until none is left or the time is up.

    They are looked for while others may write, each time behind those that were found before: among a million
    rows that stay it may take a while to come to the next that goes.

    Args:
        key: The column that `old` selects.

    Returns:
        How many keys were found.
    """
    ends, deleted = time.monotonic() + BUDGET_S, 0
    page = old.order_by(key).limit(BATCH)
    rest = page
    while time.monotonic() < ends:
        with database.reading() as session:
            found = session.scalars(rest).all()
        if found:
            with database.writing() as session:
                _delete(session, key, old, found)
            rest = page.where(key > found[-1])
        deleted += len(found)
        if len(found) < BATCH:
            break
    return deleted


def _delete(
    session: Session, key: InstrumentedAttribute[Any], old: Select[Any], found: Sequence[object]
) -> None:
    # By the query once more: what was found may have changed meanwhile, and be wanted again.
    still = old.where(key.in_(found)).correlate(None)
    statement = delete(key.class_).where(key.in_(still))
    session.execute(statement, execution_options={"synchronize_session": False})


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
