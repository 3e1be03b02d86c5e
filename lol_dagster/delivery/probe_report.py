"""What trying a channel out has shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lol_dagster.delivery.transports.base import Step

Result = Literal["ok", "missing", "unknown", "cannot", "skipped"]
"""Done; refused or not working; nobody can tell; this kind of channel never does it; not tried."""

STEPS: tuple[Step, ...] = ("post", "find", "edit", "read", "delete")


@dataclass(frozen=True)
class Finding:
    """What trying one step has shown."""

    step: Step
    result: Result
    said: str
    """For people: what was answered, and what to put right."""


@dataclass(frozen=True)
class ProbeReport:
    """What a channel can do."""

    channel_id: int
    channel: str
    kind: str
    probed_at: datetime
    message_id: str | None
    """The test message's, for `message show`; None: not even one call could be made."""
    findings: tuple[Finding, ...]
    """One of each of `STEPS`, in this order."""
    can_read_back: bool | None
    """The channel's history shows our messages. None: not found out, or its kind has none."""
    promise: str
    """What is promised of the channel from now on."""

    @property
    def ok(self) -> bool:
        """The channel can do all that its kind promises."""
        return all(each.result in {"ok", "cannot"} for each in self.findings)

    @property
    def left_behind(self) -> bool:
        """The test message stands in the channel, or may."""
        posted, *_, deleted = self.findings
        return posted.result in {"ok", "unknown"} and deleted.result != "ok"
