"""Quiet hours of a channel: when nothing is to make a sound there.

They are one rule with two ways. `hold`: what games have to say is written into one message, which is sent when
they end. `silent`: everything is sent at once, as the service's silent message.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from lol_dagster.messages import language

_TIME = r"([01]?\d|2[0-3])(?::([0-5]\d))?"
_HOURS = re.compile(rf"{_TIME}\s*[-–]\s*{_TIME}", re.ASCII)
_SUBJECT = "quiet:"


def parse_quiet_hours(text: str) -> str:
    """Read `23:00-08:00`, `23-8`, …: from when until before when, by the wall clock.

    Returns:
        The same in the form of `Channel.quiet_hours`.

    Raises:
        ValueError: it is none of these, or no time at all.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!a} is no time of day, such as 23:00-08:00")
    begins, ends = time(int(found[1]), int(found[2] or 0)), time(int(found[3]), int(found[4] or 0))
    if begins == ends:
        raise ValueError("quiet hours end at another time than they begin")
    return f"{begins:%H:%M}-{ends:%H:%M}"


def quiet_until(quiet_hours: str | None, time_zone: str, now: datetime) -> datetime | None:
    """When the quiet hours end that it is in now; None: it is in none.

    They are moments: of an hour that the clocks repeat only the first one counts, and a time that they skip is
    as long after midnight as on any other day, by the clocks then an hour later.

    Args:
        quiet_hours: `Channel.quiet_hours`.
        time_zone: `Team.time_zone`.
        now: An aware instant.
    """
    if quiet_hours is None:
        return None
    zone = language.time_zone(time_zone)
    begins, ends = map(time.fromisoformat, quiet_hours.split("-"))
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        last = day + timedelta(days=1) if ends < begins else day
        if _moment(day, begins, zone) <= now < (end := _moment(last, ends, zone)):
            return end
    return None


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    # In UTC, as two moments of one zone are compared by what their clocks show.
    return datetime.combine(day, at, zone).astimezone(UTC)


def quiet_subject(until: datetime, match_id: str | None = None) -> str:
    """The subject of the message about what came in quiet hours. By their end, so that it is known again after a
    backup was restored.

    Args:
        until: When they end.
        match_id: Its first game, if there is a message about these hours already that takes no more.
    """
    base = f"{_SUBJECT}{until.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return base if match_id is None else f"{base}:{match_id}"


def is_of_quiet_hours(subject: str) -> bool:
    """Whether it is the subject of such a message."""
    return subject.startswith(_SUBJECT)


QUIET_SUBJECTS = f"{_SUBJECT}%"
"""Those subjects, for SQL's LIKE."""
