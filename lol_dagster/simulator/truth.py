"""The truth log: what this world has really accepted, whatever it answered.

It is the oracle of tests: a message counts as posted when it stands here. Each entry is one JSON object
with `seq` (from 1), `at` (epoch seconds) and `event`; with `--truth FILE` it is also appended to a file.

Events: `call` (any call to Riot, Discord or Slack: operation, place, method, path, status, fault and the
request's body), `posted`, `edited`, `deleted` (service, channel, message, author, body), `deduplicated` (a
nonce was used again: nothing was created: service, channel, message)
and `violation` (a rate limit was overrun: operation, place).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TextIO

Clock = Callable[[], float]
"""Tells the time in epoch seconds."""

Entry = dict[str, Any]

_CALLS_KEPT = 20_000


class TruthLog:
    """Append-only; safe to use from several threads.

    Everything but `call` entries is kept for good. Of those the newest 20,000 are, beside counts of
    all, since a simulated world may run for days.
    """

    def __init__(self, clock: Clock, file: Path | None = None) -> None:
        self._clock = clock
        self._lock = Lock()
        self._sequence = 0
        self._events: list[Entry] = []
        self._calls: deque[Entry] = deque(maxlen=_CALLS_KEPT)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._file: TextIO | None = file.open("a", encoding="utf-8") if file else None

    def add(self, event: str, **details: object) -> None:
        """Note an event with its details, which must be JSON values."""
        with self._lock:
            self._sequence += 1
            entry: Entry = {"seq": self._sequence, "at": self._clock(), "event": event, **details}
            if event == "call":
                self._calls.append(entry)
                outcome = str(details["fault"] or details["status"])
                self._counts[str(details["operation"])][outcome] += 1
            else:
                self._events.append(entry)
            if self._file:
                self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                self._file.flush()

    def events(self, event: str | None = None, service: str | None = None) -> list[Entry]:
        """All entries but calls, oldest first; only those of an event or a service if it is given."""
        with self._lock:
            return [
                entry
                for entry in self._events
                if event in {None, entry["event"]} and service in {None, entry.get("service")}
            ]

    def calls(self, operation: str = "") -> list[Entry]:
        """The newest calls, oldest first: those of an operation, as in `riot.match` or `riot`."""
        with self._lock:
            return [entry for entry in self._calls if within(entry["operation"], operation)]

    @property
    def posted(self) -> list[Entry]:
        """Every message that was created, also those that were deleted later."""
        return self.events("posted")

    @property
    def violations(self) -> list[Entry]:
        """Every overrun of a rate limit; faults that only pretend one are not counted."""
        return self.events("violation")

    def counts(self) -> dict[str, dict[str, int]]:
        """Calls since the start: operation → status or fault → number."""
        with self._lock:
            return {name: dict(sorted(each.items())) for name, each in sorted(self._counts.items())}

    def close(self) -> None:
        """Close the file, if there is one."""
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None


def within(operation: str, target: str) -> bool:
    """Whether `riot.match` lies within `riot.match`, `riot` or the empty target."""
    return not target or operation == target or operation.startswith(target + ".")
