"""Who is told what is wrong, when and how often: the rules, and nothing of what may be wrong.

1. An alert opens when its condition is first seen, and is told as soon as it has lasted as long as
   the condition asks for. As long as it is open it is told once.
2. It closes when its condition has been away for `CLOSE_AFTER`; that is told, too, with how long it
   lasted, if the beginning was. If the beginning never left the app, it is withdrawn: one message
   then tells both.
3. What comes back within `FLAPS_WITHIN` is told only once it has lasted `FLAPPING_PATIENCE`.
4. Of each kind at most `MOST_PER_HOUR` messages an hour: where more would be told at once, and what
   piles up meanwhile, is summed up in one.
5. An end that could not be told for `STALE_AFTER` is not worth telling any more.

Messages are written like those of games and carried by the same delivery protocol, to the channel
that LOL_ALERT_CHANNEL names and to no other. What is written is decided in one transaction, so two
that evaluate at the same time tell nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.delivery.withdraw import withdraw
from lol_dagster.messages.content import MessageContent
from lol_dagster.monitoring.alert_channel import alert_channel_problem, find_alert_channel
from lol_dagster.monitoring.alert_messages import END_MARK, beginning, end, write_alert
from lol_dagster.monitoring.conditions import Condition, conditions
from lol_dagster.monitoring.health import read_health
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Alert, Channel, Message
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

CLOSE_AFTER = timedelta(minutes=5)
FLAPS_WITHIN = timedelta(hours=1)
FLAPPING_PATIENCE = timedelta(minutes=30)
MOST_PER_HOUR = 3
STALE_AFTER = timedelta(hours=6)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation has changed, in number."""

    open: int = 0
    """Alerts that are open now."""
    messages: int = 0
    """Messages that were written."""


@dataclass(frozen=True)
class _Manner:
    """Of telling alerts: that they have begun, or that they are over."""

    say: Callable[[Sequence[Alert]], MessageContent]
    at: InstrumentedAttribute[datetime | None]
    message_id: InstrumentedAttribute[str | None]


_BEGINNINGS = _Manner(beginning, Alert.notified_at, Alert.message_id)
_ENDS = _Manner(end, Alert.ended_at, Alert.end_message_id)


def evaluate(database: Database, settings: Settings, now: datetime) -> Evaluated:
    """Look at everything, open and close alerts, and write down what is to be told of them.

    Cheap where nothing is wrong: nothing is written then. Repeating it changes nothing.
    """
    with database.reading() as session:
        found = conditions(session, read_health(session, now, settings), settings)
        problem = alert_channel_problem(session, settings)
        is_idle = not found and session.scalar(select(_unfinished().limit(1).exists())) is False
    if problem is not None:
        log.warning("%s", problem)
    if is_idle:
        return Evaluated()
    with database.writing(who="alerts") as session:
        return _apply(session, found, find_alert_channel(session, settings), now)


def _unfinished() -> Select[Alert]:
    """Alerts that are open, or whose end is still to be told."""
    # Not an OR, for which SQLite would read the table: each of the two has an index of its own.
    open_now = select(Alert.id).where(Alert.closed_at.is_(None))
    to_end = select(Alert.id).where(Alert.notified_at.is_not(None), Alert.ended_at.is_(None))
    return select(Alert).where(Alert.id.in_(union_all(open_now, to_end)))


def _apply(
    session: Session, found: Sequence[Condition], channel: Channel | None, now: datetime
) -> Evaluated:
    _open_new(session, found, now)
    holding = {condition.key: condition for condition in found}
    alerts = session.scalars(_unfinished().order_by(Alert.id).with_for_update()).all()
    for alert in alerts:
        if alert.closed_at is None:
            _follow(alert, holding.get(alert.key), now)
    to_end = [each for each in alerts if each.closed_at and each.notified_at and not each.ended_at]
    written = 0
    if channel is not None:
        # What is away just now may be over: it is told when it is seen again.
        to_begin = [each for each in alerts if each.key in holding and _is_to_be_told(each, now)]
        written += _tell(session, channel, to_begin, now, _BEGINNINGS)
        for alert in to_end:
            _withdraw_beginning(session, alert)
        written += _tell(session, channel, to_end, now, _ENDS)
    else:
        for alert in to_end:
            alert.ended_at = now  # nobody is alerted any more
    _withdraw_stale_ends(session, now)
    session.flush()
    return Evaluated(sum(each.closed_at is None for each in alerts), written)


def _open_new(session: Session, found: Iterable[Condition], now: datetime) -> None:
    is_open = set(session.scalars(select(Alert.key).where(Alert.closed_at.is_(None))))
    for condition in found:
        if condition.key in is_open:
            continue
        since = min(condition.since or now, now)
        insert_if_absent(
            session,
            Alert,
            [
                {
                    "key": condition.key,
                    "kind": condition.kind,
                    "title": condition.title[:200],
                    "text": condition.text[:1000],
                    "opened_at": since,
                    "last_seen_at": now,
                    "notify_at": _when_to_tell(session, condition, since, now),
                }
            ],
        )
        log.warning("%s: %s", condition.title, condition.text, extra={"alert": condition.key})


def _when_to_tell(
    session: Session, condition: Condition, since: datetime, now: datetime
) -> datetime | None:
    if not condition.can_be_told:
        return None
    last_closed = session.scalar(
        select(func.max(Alert.closed_at)).where(Alert.key == condition.key)
    )
    if last_closed is not None and now - last_closed < FLAPS_WITHIN:
        return now + FLAPPING_PATIENCE
    return since + condition.patience


def _follow(alert: Alert, condition: Condition | None, now: datetime) -> None:
    """Keep an open alert up to date with its condition; close it when that has been away long."""
    if condition is not None:
        alert.title, alert.text = condition.title[:200], condition.text[:1000]
        alert.last_seen_at = now
        if not condition.can_be_told:
            alert.notify_at = None
        elif alert.notify_at is None:
            alert.notify_at = now  # another channel is named by now
        return
    alert.last_seen_at = min(alert.last_seen_at, now)  # the clock may have been put back
    if now - alert.last_seen_at >= CLOSE_AFTER:
        alert.closed_at = now
        log.info("Over: %s", alert.title, extra={"alert": alert.key})


def _is_to_be_told(alert: Alert, now: datetime) -> bool:
    return (
        alert.closed_at is None
        and alert.notified_at is None
        and alert.notify_at is not None
        and alert.notify_at <= now
    )


def _tell(
    session: Session,
    channel: Channel,
    alerts: Sequence[Alert],
    now: datetime,
    manner: _Manner,
) -> int:
    """Write the messages that these alerts are due, kind by kind; how many were written."""
    written = 0
    for kind, grouped in groupby(sorted(alerts, key=lambda each: each.kind), lambda a: a.kind):
        of_kind = sorted(grouped, key=lambda each: each.id)
        room = MOST_PER_HOUR - _told_lately(session, kind, manner, now)
        if room <= 0:
            continue
        together = [[each] for each in of_kind] if len(of_kind) <= room else [of_kind]
        for part in together:
            message = write_alert(session, channel, part, manner.say(part), now)
            for alert in part:
                setattr(alert, manner.at.key, now)
                setattr(alert, manner.message_id.key, message.id)
            written += 1
    return written


def _told_lately(session: Session, kind: str, manner: _Manner, now: datetime) -> int:
    """How many messages of this manner about alerts of the kind the last hour has seen."""
    number = session.scalar(
        select(func.count(manner.message_id.distinct())).where(
            Alert.kind == kind, manner.at > now - _HOUR
        )
    )
    return number or 0


def _withdraw_beginning(session: Session, alert: Alert) -> None:
    """Unless other alerts that are not over are told of in the same message."""
    if alert.message_id is None:
        return
    others = select(Alert.id).where(Alert.message_id == alert.message_id, Alert.closed_at.is_(None))
    if session.scalar(others.limit(1)) is None:
        withdraw(session, alert.message_id, "it was over before it could be told")


def _withdraw_stale_ends(session: Session, now: datetime) -> None:
    stale = session.scalars(
        select(Message.id).where(
            Message.state.in_(("pending", "blocked")),
            Message.kind == "alert",
            Message.created_at < now - STALE_AFTER,
            Message.subject.endswith(END_MARK),
        )
    ).all()
    for message_id in stale:
        withdraw(session, message_id, "nobody could be told for hours that it was over")
