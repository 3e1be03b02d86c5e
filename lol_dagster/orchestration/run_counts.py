"""What this process has done, counted as it happens: the figures that `lol-dagster once` prints."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass
class RunCounts:
    """Match ids and message ids. Sets, so that one met twice in a call counts once."""

    discovered: set[str] = field(default_factory=set)
    processed: set[str] = field(default_factory=set)
    set_aside: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)

    def counts(self) -> dict[str, int]:
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}
