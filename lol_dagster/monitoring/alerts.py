"""Who is alerted, when and how often: the rules, and the messages. What may be wrong is in checks.py.

1. An alert opens when its check is first seen to fail, and is announced as soon as it has lasted as
   long as the check's `for_`. As long as it is open it is announced once.
2. It closes when its check has passed for `CLOSE_AFTER`; that is announced, too, with how long it
   lasted, if the beginning was. If the beginning was never sent, it is withdrawn: one message then
   says both.
3. What comes back within `FLAPS_WITHIN` is announced only once it has lasted `FLAPPING_FOR`.
4. Of each check at most `MOST_PER_HOUR` messages an hour: where there would be more at once, and what
   piles up meanwhile, is summed up in one.
5. An end that could not be delivered for `STALE_AFTER` is not worth announcing any more.

Messages are written like those of games and sent by the same delivery protocol, to the channel that
LOL_ALERT_CHANNEL names and to no other. What is written is decided in one transaction, so two that
evaluate at the same time announce nothing twice.
"""

from __future__ import annotations

import logging
import textwrap
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.delivery.message_rows import add_message, withdraw
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.monitoring.alert_channel import find_alert_channel
from lol_dagster.monitoring.checks import CHECKS, CheckResult, failing
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Alert, Channel, Message
from lol_dagster.storage.plans import through
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

CLOSE_AFTER = timedelta(minutes=5)
FLAPS_WITHIN = timedelta(hours=1)
FLAPPING_FOR = timedelta(minutes=30)
MOST_PER_HOUR = 3
STALE_AFTER = timedelta(hours=6)
_HOUR = timedelta(hours=1)
_END_MARK = ":over"
"""Ends the subject of a message that says that an alert is over."""
_LONGEST_KEY = 60
_MOST_LISTED = 20
_ROW = 150
"""Characters: the renderers cut longer ones, escapes included, at 200."""


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation has changed, in number."""

    open: int = 0
    """Alerts that are open now."""
    messages: int = 0
    """Messages that were written."""


@dataclass(frozen=True)
class _Failing:
    """Something that may be alerted of: one thing that fails a check, or all of them together."""

    result: CheckResult

    @property
    def kind(self) -> str:
        return self.result.check.id

    @property
    def key(self) -> str:
        """The same as long as the same is wrong."""
        which = f":{self.result.affected[0].id}" if self.result.check.each else ""
        return (self.kind + which)[:_LONGEST_KEY]

    @property
    def title(self) -> str:
        return self.result.title[:200]

    @property
    def text(self) -> str:
        return " – ".join(filter(None, (self.result.why, self.result.remedy)))[:1000]

    @property
    def since(self) -> datetime | None:
        # Of several only the first is known.
        return self.result.affected[0].since if self.result.check.each else None

    @property
    def can_alert(self) -> bool:
        return self.result.affected[0].can_alert


def evaluate(
    database: Database, settings: Settings, results: Iterable[CheckResult], now: datetime
) -> Evaluated:
    """Open and close alerts, and write down what is to be announced of them.

    Cheap where nothing is wrong: nothing is written then. Repeating it changes nothing.
    """
    found = [_Failing(one) for result in failing(results, "alerts") for one in result.apart()]
    with database.reading() as session:
        _, error = find_alert_channel(session, settings)
        is_idle = not found and session.scalar(select(_unfinished().limit(1).exists())) is False
    if error is not None:
        log.warning("Nobody is alerted: %s", error)
    if is_idle:
        return Evaluated()
    with database.writing(who="alerts") as session:
        channel, _ = find_alert_channel(session, settings)
        return _apply(session, found, channel, now)


def _unfinished() -> Select[Alert]:
    """Alerts that are open, or whose end is still to be announced."""
    # Not an OR, for which SQLite would read the table: each of the two has an index of its own.
    open_now = through(select(Alert.id).where(Alert.closed_at.is_(None)), Alert, "uq_alerts_open")
    to_end = select(Alert.id).where(Alert.notified_at.is_not(None), Alert.ended_at.is_(None))
    return select(Alert).where(Alert.id.in_(union_all(open_now, to_end)))


def _apply(
    session: Session, found: Sequence[_Failing], channel: Channel | None, now: datetime
) -> Evaluated:
    _open_new(session, found, now)
    by_key = {each.key: each for each in found}
    alerts = session.scalars(_unfinished().order_by(Alert.id).with_for_update()).all()
    for alert in alerts:
        if alert.closed_at is None:
            _follow(alert, by_key.get(alert.key), now)
    to_end = [each for each in alerts if each.closed_at and each.notified_at and not each.ended_at]
    written = 0
    if channel is not None:
        # What passes just now may be over: it is announced when it is seen again.
        to_begin = [each for each in alerts if each.key in by_key and _is_due(each, now)]
        written += _announce(session, channel, to_begin, now, _BEGINNING)
        for alert in to_end:
            _withdraw_beginning(session, alert)
        written += _announce(session, channel, to_end, now, _END)
    else:
        for alert in to_end:
            alert.ended_at = now  # nobody is alerted any more
    _withdraw_stale_ends(session, now)
    session.flush()
    return Evaluated(sum(each.closed_at is None for each in alerts), written)


def _open_new(session: Session, found: Iterable[_Failing], now: datetime) -> None:
    open_keys = select(Alert.key).where(Alert.closed_at.is_(None))
    is_open = set(session.scalars(through(open_keys, Alert, "uq_alerts_open")))
    for new in found:
        if new.key in is_open:
            continue
        since = min(new.since or now, now)
        insert_if_absent(
            session,
            Alert,
            [
                {
                    "key": new.key,
                    "kind": new.kind,
                    "title": new.title,
                    "text": new.text,
                    "opened_at": since,
                    "last_seen_at": now,
                    "notify_at": _when_to_announce(session, new, since, now),
                }
            ],
        )
        log.warning("%s: %s", new.title, new.text, extra={"alert": new.key})


def _when_to_announce(
    session: Session, new: _Failing, since: datetime, now: datetime
) -> datetime | None:
    if not new.can_alert:
        return None
    last_closed = session.scalar(select(func.max(Alert.closed_at)).where(Alert.key == new.key))
    if last_closed is not None and now - last_closed < FLAPS_WITHIN:
        return now + FLAPPING_FOR
    return since + new.result.check.for_


def _follow(alert: Alert, found: _Failing | None, now: datetime) -> None:
    """Keep an open alert up to date; close it when its check has passed for long enough."""
    if found is not None:
        alert.title, alert.text, alert.last_seen_at = found.title, found.text, now
        if not found.can_alert:
            alert.notify_at = None
        elif alert.notify_at is None:
            alert.notify_at = now  # another channel is named by now
        return
    alert.last_seen_at = min(alert.last_seen_at, now)  # the clock may have been put back
    if now - alert.last_seen_at >= CLOSE_AFTER:
        alert.closed_at = now
        log.info("Over: %s", alert.title, extra={"alert": alert.key})


def _is_due(alert: Alert, now: datetime) -> bool:
    return (
        alert.closed_at is None
        and alert.notified_at is None
        and alert.notify_at is not None
        and alert.notify_at <= now
    )


# --- Messages -----------------------------------------------------------------------------------


def _beginning(alerts: Sequence[Alert]) -> MessageContent:
    """That one alert, or several of a check, have opened."""
    if len(alerts) > 1:
        return _summary(alerts, _title(alerts), "bad")
    (alert,) = alerts
    rows = textwrap.wrap(alert.text, _ROW, break_long_words=False, break_on_hyphens=False)
    return MessageContent(
        title=alert.title,
        summary=f"{alert.title}: {alert.text}",
        sections=(Section(tuple(Line(facts=(row,)) for row in rows)),),
        tone="bad",
        footer=f"since {alert.opened_at:%Y-%m-%d %H:%M} UTC",
    )


def _end(alerts: Sequence[Alert]) -> MessageContent:
    """That they are over."""
    title = f"Over: {_title(alerts)}"
    if len(alerts) > 1:
        return _summary(alerts, title, "good")
    # What counts is when it was last seen: closing takes its time to be sure.
    began, until = alerts[0].opened_at, alerts[0].last_seen_at
    lasted = f"from {began:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC, {_length(until - began)}"
    return MessageContent(
        title=title,
        summary=title,
        sections=(Section((Line(facts=(lasted,)),)),),
        tone="good",
    )


@dataclass(frozen=True)
class _Announcement:
    """Of alerts: that they have begun, or that they are over."""

    content: Callable[[Sequence[Alert]], MessageContent]
    at: InstrumentedAttribute[datetime | None]
    message_id: InstrumentedAttribute[str | None]


_BEGINNING = _Announcement(_beginning, Alert.notified_at, Alert.message_id)
_END = _Announcement(_end, Alert.ended_at, Alert.end_message_id)


def _announce(
    session: Session,
    channel: Channel,
    alerts: Sequence[Alert],
    now: datetime,
    announcement: _Announcement,
) -> int:
    """Have the messages delivered that these alerts are due, check by check; how many were written."""
    written = 0
    for kind, grouped in groupby(sorted(alerts, key=lambda each: each.kind), lambda a: a.kind):
        of_kind = sorted(grouped, key=lambda each: each.id)
        lately = session.scalar(
            select(func.count(announcement.message_id.distinct())).where(
                Alert.kind == kind, announcement.at > now - _HOUR
            )
        )
        left = MOST_PER_HOUR - (lately or 0)
        if left <= 0:
            continue
        for part in [[each] for each in of_kind] if len(of_kind) <= left else [of_kind]:
            first = part[0]
            about = first.key if len(part) == 1 else kind
            message = add_message(
                session,
                str(uuid.uuid4()),
                channel_id=channel.id,
                kind="alert",
                subject=f"alert:{about}:{first.id}" + (_END_MARK if first.closed_at else ""),
                order_at=now,
                content=announcement.content(part),
                now=now,
            )
            for alert in part:
                setattr(alert, announcement.at.key, now)
                setattr(alert, announcement.message_id.key, message.id)
            written += 1
    return written


def _withdraw_beginning(session: Session, alert: Alert) -> None:
    """Unless the same message announces other alerts that are not over."""
    if alert.message_id is None:
        return
    others = select(Alert.id).where(Alert.message_id == alert.message_id, Alert.closed_at.is_(None))
    if session.scalar(others.limit(1)) is None:
        withdraw(session, alert.message_id, "it was over before it could be sent")


def _withdraw_stale_ends(session: Session, now: datetime) -> None:
    stale = select(Message.id).where(
        Message.due_at.is_not(None),
        Message.state.in_(("pending", "blocked")),
        Message.kind == "alert",
        Message.created_at < now - STALE_AFTER,
        Message.subject.endswith(_END_MARK),
    )
    for message_id in session.scalars(through(stale, Message, "ix_messages_due")).all():
        withdraw(session, message_id, "for hours it could not be delivered that it was over")


def _summary(alerts: Sequence[Alert], title: str, tone: Literal["good", "bad"]) -> MessageContent:
    listed = [*alerts][:_MOST_LISTED]
    lines = tuple(
        Line(lead=alert.title, facts=(textwrap.shorten(alert.text, _ROW, placeholder="…"),))
        for alert in listed
    )
    return MessageContent(
        title=title,
        summary=title,
        sections=(Section(lines),),
        tone=tone,
        more=len(alerts) - len(listed),
    )


def _title(alerts: Sequence[Alert]) -> str:
    if len(alerts) == 1:
        return alerts[0].title
    check = next((each for each in CHECKS if each.id == alerts[0].kind), None)
    return check.title(len(alerts), "") if check else f"{len(alerts)} alerts"


def _length(time: timedelta) -> str:
    """`less than a minute`, `5 min`, `2 h 5 min`, `3 d 2 h`."""
    minutes = int(time.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    if minutes >= 60:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else "less than a minute"
