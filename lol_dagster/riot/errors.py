"""What can go wrong in a call to Riot.

    RiotError
    ├── RateLimited      we have to wait longer than the caller would
    ├── NotFound         404
    ├── ForbiddenHere    401 or 403 for this one call, which says little about the key
    ├── KeyRejected      the key itself is refused: a person must act
    ├── BadRequest       any other 4xx: asking again will not help
    └── ServerError    5xx, or no complete answer: asking again later may help
        ├── BrokenBody   200 with a body that cannot be what was asked for
        └── RouteDown    not asked at all, as the route has only failed lately

Each names the method, the route and the status; none holds the key or a body.
"""

# ruff: noqa: N818 - the names say what happened, and read better without «Error»

from __future__ import annotations

from datetime import datetime

from lol_dagster.errors import UserError


class RiotError(Exception):
    """A call to Riot that brought no usable answer."""

    def __init__(self, what: str, *, method: str, route: str, status: int | None) -> None:
        """
        Args:
            what: What happened, in words.
            method: Riot's name of the endpoint, such as `match-v5.match`.
            route: Platform or regional route, such as `na1` or `europe`.
            status: The answer's HTTP status; None if there was no answer.
        """
        answered = "" if status is None else f" answered {status}"
        super().__init__(f"{method} on {route}{answered}: {what}")
        self.method = method
        self.route = route
        self.status = status


class RateLimited(RiotError):
    """Riot's limits allow no call before `retry_at`."""

    def __init__(
        self, what: str, *, method: str, route: str, status: int | None, retry_at: datetime
    ) -> None:
        super().__init__(what, method=method, route=route, status=status)
        self.retry_at = retry_at


class NotFound(RiotError):
    """Riot has no such thing, or not yet, or on another route."""


class ForbiddenHere(RiotError):
    """Refused for this call: a match of a restricted mode, a whim (401 at random), or the key."""


class KeyRejected(RiotError, UserError):
    """Riot refuses the key: expired (development keys live 24 hours), withdrawn or mistyped."""


class BadRequest(RiotError):
    """Refused for good as it was asked."""

    def __init__(
        self, what: str, *, method: str, route: str, status: int | None, foreign_puuid: bool = False
    ) -> None:
        super().__init__(what, method=method, route=route, status=status)
        self.foreign_puuid = foreign_puuid
        """The puuid was encrypted for another Riot application than our key's."""


class ServerError(RiotError):
    """Riot's servers, its edge or the network fail."""


class BrokenBody(ServerError):
    """An answer of status 200 that is not what the endpoint gives: HTML, half a document, nothing."""


class RouteDown(ServerError):
    """The route failed several times a moment ago and is left alone for now."""
