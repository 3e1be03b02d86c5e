"""What is known about the Riot key: how much of its limits is used, how old it is, of which kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.riot.key import fingerprint_of, first_used_at
from lol_dagster.riot.limiter import MATCH_LISTS, calls_a_minute
from lol_dagster.riot.routing import REGIONAL_ROUTES
from lol_dagster.settings import Settings
from lol_dagster.storage.models import RateCall, RateWindow

_DEVELOPMENT_KEY_LIFETIME = timedelta(hours=24)
_WARN_FROM = timedelta(hours=20)
_DEVELOPMENT_LIMITS = {1: 20, 120: 100}
"""Seconds → calls. Personal keys have them, too, but do not expire."""


@dataclass(frozen=True)
class WindowUse:
    """How much of one of Riot's limits is used up."""

    route: str
    method: str
    """Riot's name of the endpoint; `app` for all of them together."""
    seconds: int
    """The window's length."""
    limit: int
    used: int
    """Calls of the last `seconds`, with those in progress."""

    @property
    def share(self) -> float:
        return self.used / self.limit


@dataclass(frozen=True)
class RiotKey:
    """The key in use."""

    first_used_at: datetime | None
    """When Riot first answered a call with it; None: it never has."""
    may_be_development_key: bool
    """Riot allows it what it allows development keys."""

    def expires_at(self, now: datetime) -> datetime | None:
        """By when it expires if it is a development key, once that is near. None: it is not near, or
        has passed and the key still works.
        """
        if self.first_used_at is None or not self.may_be_development_key:
            return None
        end = self.first_used_at + _DEVELOPMENT_KEY_LIFETIME
        return end if self.first_used_at + _WARN_FROM <= now < end else None


def read_key(session: Session, settings: Settings) -> RiotKey | None:
    """What is known about the key in use; None if none is set."""
    fingerprint = fingerprint_of(settings)
    if fingerprint is None:
        return None
    limits = dict(
        session.execute(
            select(RateWindow.seconds, RateWindow.limit).where(
                RateWindow.scope.startswith(f"{fingerprint}/"), RateWindow.scope.endswith("/app")
            )
        ).all()
    )
    return RiotKey(
        first_used_at=first_used_at(session, fingerprint),
        may_be_development_key=limits == _DEVELOPMENT_LIMITS,
    )


def lists_a_minute(session: Session, settings: Settings) -> dict[str, float]:
    """Route → how many calls for match lists Riot allows the key, where its answers have said so."""
    fingerprint = fingerprint_of(settings)
    if fingerprint is None:
        return {}
    found = {
        route: calls_a_minute(session, fingerprint, route, MATCH_LISTS)
        for route in sorted(set(REGIONAL_ROUTES.values()))
    }
    return {route: calls for route, calls in found.items() if calls is not None}


def window_uses(session: Session, settings: Settings, now: datetime) -> tuple[WindowUse, ...]:
    """How much of each limit of the key in use is used up, by route, method and window."""
    fingerprint = fingerprint_of(settings)
    if fingerprint is None:
        return ()
    uses = []
    windows = session.scalars(
        select(RateWindow)
        .where(RateWindow.scope.startswith(f"{fingerprint}/"))
        .order_by(RateWindow.scope, RateWindow.seconds)
    )
    for window in windows:
        since = now.timestamp() - window.seconds
        under_way = session.scalar(
            select(func.count())
            .select_from(RateCall)
            .where(RateCall.scope == window.scope, RateCall.done_at > since)
        )
        used = (under_way or 0) + sum(number for at, number in window.calls if at > since)
        _, route, method = window.scope.split("/", 2)
        uses.append(WindowUse(route, method, window.seconds, window.limit, used))
    return tuple(uses)
