"""What can go wrong in a call to Riot.

    RiotError
    ├── RateLimited      we have to wait longer than the caller would
    ├── NotFound         404
    ├── ForbiddenHere    401 or 403 for this one call, which says little about the key
    ├── KeyRejected      the key itself is refused: a person must act
    ├── BadRequest       any other 4xx: asking again will not help
    └── ServerError      5xx, or no complete answer: asking again later may help
        ├── BrokenBody   200 with a body that cannot be what was asked for
        └── RouteDown    not asked at all, as the route has only failed lately

Each names the method, the route and the status; none holds the key or a body. What an answer stands
for is decided by its status, never by its body, which may be HTML from the edge.
"""

# ruff: noqa: N818 - the names say what happened, and read better without «Error»

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lol_dagster.errors import UserError

if TYPE_CHECKING:  # every command imports this module, and only few need requests
    from lol_dagster.http import Response

_LONGEST_QUOTE = 120


@dataclass(frozen=True)
class Call:
    """A call to Riot, as errors and limits name it."""

    method: str
    """Riot's name of the endpoint, such as `match-v5.match`."""
    route: str
    """Platform or regional route, such as `na1` or `europe`."""


class RiotError(Exception):
    """A call to Riot that brought no usable answer."""

    def __init__(self, what: str, call: Call, status: int | None = None) -> None:
        """
        Args:
            what: What happened, in words.
            status: The answer's HTTP status; None if there was no answer.
        """
        answered = "" if status is None else f" answered {status}"
        super().__init__(f"{call.method} on {call.route}{answered}: {what}")
        self.method = call.method
        self.route = call.route
        self.status = status


class RateLimited(RiotError):
    """Riot's limits allow no call before `retry_at`."""

    def __init__(
        self, what: str, call: Call, status: int | None = None, *, retry_at: datetime
    ) -> None:
        super().__init__(what, call, status)
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
        self, what: str, call: Call, status: int | None = None, *, foreign_puuid: bool = False
    ) -> None:
        super().__init__(what, call, status)
        self.foreign_puuid = foreign_puuid
        """The puuid was encrypted for another Riot application than our key's."""


class ServerError(RiotError):
    """Riot's servers, its edge or the network fail."""


class BrokenBody(ServerError):
    """An answer of status 200 that is not what the endpoint gives: HTML, half a document, nothing."""


class RouteDown(ServerError):
    """The route failed several times a moment ago and is left alone for now."""


def error_of(call: Call, answer: Response, *, secret: str, retry_at: datetime) -> RiotError:
    """The error that an answer other than 200 stands for.

    Args:
        secret: The key, which Riot's message might quote.
        retry_at: For a 429: when calls may be possible again.
    """
    said = _message(answer.body).replace(secret, "…")
    status = answer.status
    if status == 429:
        what = f"too many calls, possible again at {retry_at:%H:%M:%S} UTC"
        return RateLimited(what, call, status, retry_at=retry_at)
    if status == 404:
        return NotFound(said or "there is no such thing", call, status)
    # A new development key may be «unknown» with status 400 for a while.
    if status in {401, 403} or (status == 400 and "apikey" in said.lower().replace(" ", "")):
        return ForbiddenHere(said or "refused", call, status)
    if 400 <= status < 500 and status != 408:
        foreign = "decrypt" in said.lower()
        return BadRequest(said or "refused", call, status, foreign_puuid=foreign)
    return ServerError(said or "no answer of Riot's own", call, status)


def _message(body: bytes) -> str:
    """Riot's own words in an error's JSON, on one short line; empty if there are none."""
    try:
        said = json.loads(body)["status"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(said, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in said)[:_LONGEST_QUOTE]
