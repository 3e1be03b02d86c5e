"""How often a channel's messages may be tried again: a channel that answers badly is not stormed.

Within ten minutes as many retries of a channel may fail as a fifth of its first tries, and five in any
case; posts and edits are counted each by themselves. A retry that is accepted costs nothing, nor does
one that is put off by a rate limit: when a channel has come back, all that waits goes out at
once. First tries are never held back, nor are a breaker's probes, which have their own pace; scans
of a channel are no retries. What is held back waits for its turn.

Counted from the attempts, which all deliverers share. All times are wall times: they decide when
something is tried, never whether it may be sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.model import Timing
from lol_dagster.storage.models import Attempt, Channel, Message

Operation = Literal["POST", "PATCH"]

_COST_NOTHING = {"accepted", "put_off"}


@dataclass(frozen=True)
class RetryBudget:
    """What a channel may still repeat."""

    allowed: int
    used: int
    opens_at: datetime | None
    """When the next retry may be made; None: now."""


def retry_budget(first_tries: int, failed: Sequence[datetime], timing: Timing) -> RetryBudget:
    """
    Args:
        first_tries: How many there were in the window.
        failed: When the window's retries were made of which none was accepted, in order.
    """
    allowed = max(timing.retry_floor, int(timing.retry_share * first_tries))
    opens_at = None
    if len(failed) >= allowed:
        # As soon as so many have left the window that one more is allowed.
        opens_at = failed[len(failed) - allowed] + timedelta(seconds=timing.retry_window)
    return RetryBudget(allowed, len(failed), opens_at)


def retry_budget_of(
    session: Session, channel_id: int, op: Operation, timing: Timing, now: datetime
) -> RetryBudget:
    """What a channel may still repeat of one kind of call, as of now."""
    window = timedelta(seconds=timing.retry_window)
    calls = session.execute(
        select(Attempt.at, Attempt.retry, Attempt.outcome)
        .join(Message, Message.id == Attempt.message_id)
        .where(
            Attempt.at > now - window,
            Attempt.at < now + window,  # not those of a clock that was ahead
            Attempt.op == op,
            Message.channel_id == channel_id,
        )
        .order_by(Attempt.at)
    ).all()
    first_tries = sum(not retry for _, retry, _ in calls)
    # One without an outcome is under way, or its process died over it.
    failed = [at for at, retry, outcome in calls if retry and outcome not in _COST_NOTHING]
    return retry_budget(first_tries, failed, timing)


def take_turn(
    session: Session, channel_id: int, op: Operation, timing: Timing, now: datetime
) -> RetryBudget:
    """Like `retry_budget_of`, in a transaction that writes the retry if there is one left: until it
    ends, no other deliverer counts.
    """
    session.execute(
        select(Channel.id).where(Channel.id == channel_id).with_for_update(key_share=True)
    )
    return retry_budget_of(session, channel_id, op, timing, now)
