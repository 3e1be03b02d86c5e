"""`--since`"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from lol_dagster.errors import UserError
from lol_dagster.settings import parse_duration


def since_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option, which its command gets as an instant; it begins its help."""

    def parsed(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
        return instant(text, datetime.now(UTC)) if text else None

    return click.option(
        "--since",
        metavar="TIME",
        callback=parsed,
        help=f"{what}: 2h, 3d, 2026-11-25 or 2026-11-25T21:30 (UTC, if it names no other).",
    )


def instant(text: str, now: datetime) -> datetime:
    """What `--since` was given.

    Raises:
        UserError: it is neither a duration nor an instant.
    """
    with suppress(ValueError, OverflowError):
        return now - parse_duration(text)
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    raise UserError(
        f"--since {text!r} should be a duration such as 2h, or an instant such as 2026-11-25T21:30"
    )
