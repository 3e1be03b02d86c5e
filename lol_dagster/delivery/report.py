"""What a sweep did, for those who asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lol_dagster.delivery.claimed import Claimed

Outcome = Literal[
    "delivered", "edited", "uncertain", "needs_review", "blocked", "later", "dropped", "unchanged"
]


@dataclass(frozen=True)
class Carried:
    """What a sweep did with one message."""

    message_id: str
    match_ids: tuple[str, ...]
    """The games that it tells of; empty for alerts and tests."""
    channel: str
    kind: str
    """The channel's."""
    outcome: Outcome
    link: str | None = None
    """Where a person can look at it, if it stands in the channel."""
    reason: str | None = None
    """Why it does not, or not with its newest text."""

    @classmethod
    def of(cls, claimed: Claimed, link: str | None) -> Carried:
        """A message as a deliverer leaves it."""
        return cls(
            message_id=claimed.row.id,
            match_ids=claimed.match_ids,
            channel=claimed.channel_name,
            kind=claimed.kind,
            outcome=_outcome(claimed),
            link=link,
            reason=claimed.row.last_error,
        )

    def after(self, before: Carried | None) -> Carried:
        """What to report if the sweep had the message in hand before: a message that was delivered
        and then edited was delivered.
        """
        if before is not None and before.outcome == "delivered":
            return replace(self, outcome="delivered", link=self.link or before.link)
        return self


@dataclass(frozen=True)
class DeliveryReport:
    """What a sweep did, each message once, by its last outcome."""

    messages: tuple[Carried, ...] = ()

    def with_outcome(self, outcome: Outcome) -> tuple[Carried, ...]:
        return tuple(each for each in self.messages if each.outcome == outcome)

    @property
    def delivered(self) -> int:
        return len(self.with_outcome("delivered"))

    @property
    def edited(self) -> int:
        return len(self.with_outcome("edited"))

    @property
    def uncertain(self) -> int:
        return len(self.with_outcome("uncertain"))

    @property
    def parked(self) -> int:
        return len(self.with_outcome("needs_review"))

    @property
    def blocked(self) -> int:
        return len(self.with_outcome("blocked"))

    @property
    def later(self) -> int:
        return len(self.with_outcome("later"))


def _outcome(claimed: Claimed) -> Outcome:
    row = claimed.row
    match row.state:
        case "delivered" if not claimed.was_told:
            return "delivered"
        case "delivered" if row.due_at is not None:
            return "later"
        case "delivered":
            return "edited" if row.remote_rev == row.desired_rev else "unchanged"
        case "uncertain":
            return "uncertain"
        case "blocked":
            return "blocked"
        case "needs_review":
            return "needs_review"
        case "dropped":
            return "dropped"
        case _:
            return "later"
