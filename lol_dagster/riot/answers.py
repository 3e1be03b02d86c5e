"""What an answer of Riot's means: by its status, never by its body, which may be HTML from the edge.

No network and no waiting here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from lol_dagster.http import Response
from lol_dagster.riot.errors import (
    BadRequest,
    ForbiddenHere,
    NotFound,
    RateLimited,
    RiotError,
    ServerError,
)

_LONGEST_QUOTE = 120


@dataclass(frozen=True)
class Call:
    """A call to Riot, as errors and limits name it."""

    method: str
    """Riot's name of the endpoint, such as `match-v5.match`."""
    route: str


def error_of(call: Call, answer: Response, *, secret: str, retry_at: datetime) -> RiotError:
    """The error that an answer other than 200 stands for.

    Args:
        secret: The key, which Riot's message might quote.
        retry_at: For a 429: when calls may be possible again.
    """
    said = _message(answer.body).replace(secret, "…")
    where = {"method": call.method, "route": call.route}
    status = answer.status
    if status == 429:
        return RateLimited(
            f"too many calls, possible again at {retry_at:%H:%M:%S} UTC",
            retry_at=retry_at, status=status, **where,
        )  # fmt: skip
    if status == 404:
        return NotFound(said or "there is no such thing", status=status, **where)
    # A new development key may be «unknown» with status 400 for a while.
    if status in {401, 403} or (status == 400 and "apikey" in said.lower().replace(" ", "")):
        return ForbiddenHere(said or "refused", status=status, **where)
    if 400 <= status < 500 and status != 408:
        foreign = "decrypt" in said.lower()
        return BadRequest(said or "refused", foreign_puuid=foreign, status=status, **where)
    return ServerError(said or "no answer of Riot's own", status=status, **where)


def _message(body: bytes) -> str:
    """Riot's own words in an error's JSON, on one short line; empty if there are none."""
    try:
        said = json.loads(body)["status"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(said, str):
        return ""
    line = "".join(c if c.isprintable() else " " for c in said)
    return line[:_LONGEST_QUOTE]
