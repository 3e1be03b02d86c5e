"""Riot's rate-limit headers, read into values. Nothing here knows how limits are obeyed.

Form (hextechdocs.dev/rate-limiting): `X-App-Rate-Limit: 20:1,100:120` is 20 calls in 1 second and
100 in 120; `X-App-Rate-Limit-Count: 3:1,57:120` the calls counted so far. Any number of windows,
and they may change with any answer. A refusal from behind Riot's edge has none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PAIR = re.compile(r"\s*(\d{1,9}):(\d{1,9})\s*", re.ASCII)


@dataclass(frozen=True)
class ScopeHeaders:
    """What one answer says about one scope."""

    limits: dict[int, int]
    """Window's length in seconds → calls allowed; empty: nothing was said."""
    counts: dict[int, int]
    """Window's length in seconds → calls counted, ours and any other program's."""


@dataclass(frozen=True)
class RateHeaders:
    """What one answer says about its limits."""

    app: ScopeHeaders
    method: ScopeHeaders
    limit_type: str | None
    """Of a refusal: `application`, `method`, `service`; since 2026 `server`; None: not said."""
    retry_after: float | None
    """Of a refusal: seconds; None: not said, or not a number."""


def read_rate_headers(headers: Mapping[str, str]) -> RateHeaders:
    """Read an answer's headers (case-insensitive mapping); what is malformed counts as not said."""
    limit_type = headers.get("X-Rate-Limit-Type", "").strip().lower()
    return RateHeaders(
        app=_scope(headers, "X-App-Rate-Limit"),
        method=_scope(headers, "X-Method-Rate-Limit"),
        limit_type=limit_type or None,
        retry_after=_seconds(headers.get("Retry-After", "")),
    )


def _scope(headers: Mapping[str, str], name: str) -> ScopeHeaders:
    limits = _pairs(headers.get(name, ""))
    # A limit of 0 would close the scope forever; Riot says 403 or Retry-After when it means that.
    possible = {seconds: calls for seconds, calls in limits.items() if seconds and calls}
    return ScopeHeaders(possible, _pairs(headers.get(f"{name}-Count", "")))


def _pairs(text: str) -> dict[int, int]:
    matches = [_PAIR.fullmatch(part) for part in text.split(",")]
    return {int(match[2]): int(match[1]) for match in matches if match}


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
