"""What is dated in the future, as the machine's clock was ahead for a while and was put right.

What was not to be done before a moment would wait for it, for as long as the clock had been ahead; what
was last done at a moment would count as done until then. `put_right` makes the first due, and lets
the second have been now. Which of the two a column is stands in the tables below; a test wants
each column of times to stand in one of them.

Nothing here is lost by a clock that is behind instead: something is done once too early.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.backups.take import BEGUN_FACT
from lol_dagster.delivery.clock import Clock, clock_for
from lol_dagster.messages.restored import RESTORED_FACT
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Alert,
    Breaker,
    Channel,
    Fact,
    FailedJob,
    Heartbeat,
    Match,
    Membership,
    Message,
    MessagePicture,
    RankSnapshot,
    SendBucket,
    Timeline,
)

TOLERANCE = timedelta(minutes=5)
"""By so much the clocks of several hosts may differ."""

Column = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]

NOT_BEFORE: dict[Column, timedelta] = {
    AccountPoll.next_poll_at: timedelta(hours=1),
    AccountPoll.ranks_due_at: timedelta(hours=2),
    Match.next_try_at: timedelta(hours=13),
    Timeline.next_try_at: timedelta(hours=4),
    Breaker.open_until: timedelta(hours=2),
    SendBucket.not_before: timedelta(hours=25),
}
"""Moments before which something is not done, each with more than we ever let it wait. Messages have
theirs, too: `message_rows.put_clock_back`.
"""
MESSAGE_WAITS = timedelta(hours=26)

LAST_SEEN: tuple[Column, ...] = (
    Heartbeat.at,
    Heartbeat.started_at,
    AccountPoll.last_deep_poll_at,
    AccountPoll.ranks_checked_at,
    AccountPoll.ranks_awaited_since,
    AccountPoll.missing_games_since,
    Breaker.since,
    FailedJob.failed_at,
    FailedJob.since,
)
"""Moments at which something was done or seen for the last time, in tables that stay small. One in the
future shows that the clock was put back.
"""

PUT_RIGHT_WITH_THEM: tuple[Column, ...] = (
    RankSnapshot.taken_at,
    RankSnapshot.seen_at,
    Match.first_missing_at,
    MessagePicture.begun_at,
    Alert.notify_at,
    Alert.opened_at,
    Alert.last_seen_at,
    Alert.notified_at,
    Alert.closed_at,
    Alert.ended_at,
)
"""What else is dated, in tables that grow: put right once that is seen."""

LEFT_TO_PEOPLE: tuple[Column, ...] = (
    Channel.created_at,
    Account.created_at,
    Membership.since,
    AccountPoll.last_good_poll_at,
)
"""Moments of which a person has to know if they lie ahead, as games count by them; the last one passes
with the next good poll.
"""

_FACTS_KEPT = {RESTORED_FACT, BEGUN_FACT}
"""Facts that tell which games may have been announced before: too late is safe, too early is not."""


def put_right(
    database: Database, now: datetime, *, seen: bool = False, clock: Clock | None = None
) -> int:
    """Make due what waits for a moment further ahead than we ever let it wait; and if something was
    last seen in the future, whatever waits at all.

    Args:
        seen: Something else shows that the clock was put back.
        clock: The delivery clock; by default the database's.

    Returns:
        How many rows were changed; nothing is written if it is none.
    """
    with database.reading() as session:
        if not seen and not _is_ahead(session, now):
            return 0
    # Here: whoever only looks need not load all that writes messages.
    from lol_dagster.delivery.message_rows import put_clock_back

    clock = clock or clock_for(database)
    with database.writing() as session:
        was_put_back = seen or _was_put_back(session, now)
        changed = 0
        for column, longest in NOT_BEFORE.items():
            limit = now if was_put_back else now + longest
            changed += _set_to_now(session, column, limit, now)
        limit = now if was_put_back else now + MESSAGE_WAITS
        epoch, at = clock.read(session)
        changed += put_clock_back(session, limit, now, epoch=epoch, at=at)
        for column in (*LAST_SEEN, *PUT_RIGHT_WITH_THEM) if was_put_back else ():
            changed += _set_to_now(session, column, now, now)
        for fact in list(_facts_ahead(session, now)):
            fact.value = _not_after(fact.value, now)
            changed += 1
    return changed


def dated_ahead(session: Session, now: datetime) -> Iterator[tuple[str, datetime]]:
    """The columns in which the latest moment lies in the future, and that moment."""
    for column in (*LAST_SEEN, *LEFT_TO_PEOPLE):
        latest = _latest(session, column)
        if latest is not None and latest > now + TOLERANCE:
            yield f"{column.class_.__tablename__}.{column.key}", latest
    for fact in _facts_ahead(session, now):
        yield f"facts.{fact.name}", now


def _is_ahead(session: Session, now: datetime) -> bool:
    waits = (*NOT_BEFORE.items(), (Message.due_at, MESSAGE_WAITS))
    return _was_put_back(session, now) or any(
        (latest := _latest(session, column)) is not None and latest > now + longest
        for column, longest in waits
    )


def _was_put_back(session: Session, now: datetime) -> bool:
    latest = (_latest(session, column) for column in LAST_SEEN)
    ahead = any(each is not None and each > now + TOLERANCE for each in latest)
    return ahead or any(True for _ in _facts_ahead(session, now))


def _latest(session: Session, column: Column) -> datetime | None:
    # Said, as some indexes leave out what is NULL.
    return session.scalar(select(func.max(column)).where(column.is_not(None)))


def _set_to_now(session: Session, column: Column, after: datetime, now: datetime) -> int:
    found = session.execute(
        update(column.class_).where(column > after).values({column.key: now}),
        execution_options={"synchronize_session": False},
    )
    return int(getattr(found, "rowcount", 0))


def _facts_ahead(session: Session, now: datetime) -> Iterator[Fact]:
    for fact in session.scalars(select(Fact).order_by(Fact.name)):
        if fact.name not in _FACTS_KEPT and _not_after(fact.value, now, TOLERANCE) != fact.value:
            yield fact


def _not_after(value: Any, now: datetime, tolerance: timedelta = timedelta(0)) -> Any:
    """A fact's value in which each moment after `now` is `now`."""
    match value:
        case dict():
            return {key: _not_after(each, now, tolerance) for key, each in value.items()}
        case list():
            return [_not_after(each, now, tolerance) for each in value]
        case str():
            try:
                at = datetime.fromisoformat(value)
            except ValueError:
                return value
            if at.tzinfo is None or at.astimezone(UTC) <= now + tolerance:
                return value
            return now.isoformat()
        case _:
            return value
