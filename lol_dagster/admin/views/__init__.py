"""The pages, one module per area, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable

from flask_admin import Admin

from lol_dagster.admin.views import (
    accounts,
    audit,
    channels,
    games,
    logs,
    messages,
    players,
    quarantine,
    teams,
    unfinished,
)

_AREAS: tuple[Callable[[Admin], None], ...] = (
    games.register,
    unfinished.register,
    quarantine.register,
    messages.register,
    teams.register,
    players.register,
    accounts.register,
    channels.register,
    logs.register,
    audit.register,
)


def register_all(admin: Admin) -> None:
    """Let every area add its pages to the app and the menu."""
    for register in _AREAS:
        register(admin)
