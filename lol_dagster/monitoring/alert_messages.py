"""Alerts in words, and as messages for the delivery protocol."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.messages.identity import installation_salt
from lol_dagster.messages.pending import pending_message
from lol_dagster.storage.models import Alert, Channel, Message

END_MARK = ":over"
"""Ends the subject of a message that says that an alert is over."""
_MOST_LISTED = 20
_ROW = 150
"""Characters: the renderers cut longer ones, escapes included, at 200."""
_MANY = {
    "game": "games are quarantined",
    "needs_review": "messages are parked",
    "channel": "channels cannot be used",
    "token": "tokens cannot be used",
    "job": "jobs fail",
    "riot-down": "of Riot's routes give no match lists",
}


def beginning(alerts: Sequence[Alert]) -> MessageContent:
    """What is said when one alert, or several of a kind, have opened."""
    if len(alerts) == 1:
        (alert,) = alerts
        return MessageContent(
            title=alert.title,
            summary=f"{alert.title}: {alert.text}",
            sections=(Section(tuple(_rows(alert.text))),),
            tone="bad",
            footer=f"since {alert.opened_at:%Y-%m-%d %H:%M} UTC",
        )
    return _summed_up(alerts, f"{len(alerts)} {_many(alerts)}", "bad")


def end(alerts: Sequence[Alert]) -> MessageContent:
    """What is said when they are over."""
    if len(alerts) == 1:
        (alert,) = alerts
        return MessageContent(
            title=f"Over: {alert.title}",
            summary=f"Over: {alert.title}",
            sections=(Section((Line(facts=(_lasted(alert),)),)),),
            tone="good",
        )
    return _summed_up(alerts, f"Over: {len(alerts)} {_many(alerts)}", "good")


def write_alert(
    session: Session,
    channel: Channel,
    alerts: Sequence[Alert],
    content: MessageContent,
    now: datetime,
) -> Message:
    """Have it told in the channel, in the session's transaction.

    Args:
        alerts: What it is about, at least one, of one kind.
    """
    first = alerts[0]
    about = first.key if len(alerts) == 1 else first.kind
    message = pending_message(
        installation_salt(session),
        str(uuid.uuid4()),
        channel_id=channel.id,
        kind="alert",
        subject=f"alert:{about}:{first.id}" + (END_MARK if first.closed_at is not None else ""),
        order_at=now,
        content=content,
        now=now,
    )
    session.add(message)
    session.flush()
    return message


def _summed_up(alerts: Sequence[Alert], title: str, tone: Literal["good", "bad"]) -> MessageContent:
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


def _many(alerts: Sequence[Alert]) -> str:
    return _MANY.get(alerts[0].kind, "alerts")


def _rows(text: str) -> list[Line]:
    return [
        Line(facts=(row,))
        for row in textwrap.wrap(text, _ROW, break_long_words=False, break_on_hyphens=False)
    ]


def _lasted(alert: Alert) -> str:
    # What counts is when it was last seen: closing takes its time to be sure.
    until = alert.last_seen_at
    return (
        f"from {alert.opened_at:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC, "
        f"{_length(until - alert.opened_at)}"
    )


def _length(time: timedelta) -> str:
    """`less than a minute`, `5 min`, `2 h 5 min`, `3 d 2 h`."""
    minutes = int(time.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    if minutes >= 60:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else "less than a minute"
