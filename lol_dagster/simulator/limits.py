"""Rate limits in fixed windows, as Riot counts: a window starts at the first call counted in it.

Only counting; what an overrun is answered with is the services' own affair.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """At most `calls` calls in a window of `seconds`."""

    calls: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.calls}:{self.seconds:g}"


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Read Riot's header form, as in `500:10,30000:600`.

    Raises:
        ValueError: it is not of that form.
    """
    limits = []
    for part in text.split(","):
        calls, _, seconds = part.strip().partition(":")
        try:
            limit = Limit(int(calls), float(seconds))
        except ValueError:
            limit = Limit(0, 0)
        if limit.calls < 1 or limit.seconds <= 0:
            raise ValueError(
                f"rate limit {part.strip()!r} should be CALLS:SECONDS, as in 500:10,30000:600"
            )
        limits.append(limit)
    return tuple(limits)


class Windows:
    """The windows of one scope, as of one key on one host."""

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self.limits = limits
        self._started = [float("-inf")] * len(limits)
        self._counts = [0] * len(limits)

    def overrun(self, now: float) -> float | None:
        """The seconds until one more call is allowed; None when it is now."""
        self._roll(now)
        waits = [
            started + limit.seconds - now
            for limit, started, count in zip(self.limits, self._started, self._counts, strict=True)
            if count >= limit.calls
        ]
        return max(waits, default=None)

    def count(self, now: float) -> None:
        """Count a call."""
        self._roll(now)
        for index in range(len(self.limits)):
            if self._counts[index] == 0:
                self._started[index] = now
            self._counts[index] += 1

    def used(self, now: float) -> tuple[int, ...]:
        """The calls counted in each window."""
        self._roll(now)
        return tuple(self._counts)

    def remaining(self, now: float) -> int:
        """Calls left in the tightest window."""
        self._roll(now)
        return min(
            limit.calls - count for limit, count in zip(self.limits, self._counts, strict=True)
        )

    def resets_in(self, now: float) -> float:
        """Seconds until the last of the running windows ends."""
        ends = [
            started + limit.seconds - now
            for limit, started in zip(self.limits, self._started, strict=True)
        ]
        return max(0.0, *ends)

    def _roll(self, now: float) -> None:
        for index, limit in enumerate(self.limits):
            if now - self._started[index] >= limit.seconds:
                self._counts[index] = 0
