"""Since when somebody belongs to a team, as people type it."""

from __future__ import annotations

from datetime import UTC, datetime

from lol_dagster.roster.errors import RosterError


def parse_since(text: str, now: datetime) -> datetime:
    """Read `2026-05-01` or `2026-05-01T18:30`, in UTC unless it names another offset.

    Args:
        now: An aware instant; nobody belongs to a team from a later one on.

    Raises:
        RosterError: it is no date, or lies in the future.
    """
    try:
        since = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RosterError(
            f"{text!a} is no date: it should look like 2026-05-01, 2026-05-01T18:30 "
            "or 2026-05-01T18:30+02:00"
        ) from None
    since = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    if since > now:
        raise RosterError(
            f"{since:%Y-%m-%d %H:%M} UTC lies in the future: name a date that has been"
        )
    return since
