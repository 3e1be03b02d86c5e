"""A message in a deliverer's hands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lol_dagster.delivery.gates import Destination
from lol_dagster.delivery.states import Effect, PostVerdict, Row, Terms
from lol_dagster.delivery.transports.base import Answer, Outgoing


@dataclass(frozen=True)
class Claimed:
    """A message in a deliverer's hands, as of its last step."""

    row: Row
    effects: tuple[Effect, ...]
    content: dict[str, Any]
    """Of revision `row.desired_rev`."""
    nonce: str
    match_ids: tuple[str, ...]
    channel_name: str
    kind: str
    address: str
    destination: Destination
    terms: Terms
    was_told: bool
    """It was delivered before this claim: what is done now is an edit."""
    probing: bool = False
    """It tries out a destination whose breaker is due for a probe."""
    claimed_at: float = 0.0
    """On `Clock.local`, from before the claim."""
    run_id: str | None = None
    attempt_id: int | None = None
    outgoing: Outgoing | Answer[PostVerdict] | None = None
    """What the intended call is to send, or why it cannot be said."""
