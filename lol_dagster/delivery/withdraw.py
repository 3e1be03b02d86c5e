"""Taking back what nobody has seen: a message of which not one byte was ever sent."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Message


def withdraw(session: Session, message_id: str, reason: str) -> bool:
    """Give a message up, unless it is or may have been sent, or is in somebody's hands.

    Returns:
        Whether it is given up.
    """
    message = session.scalar(
        select(Message)
        .where(
            Message.id == message_id,
            Message.state.in_(("pending", "blocked")),
            Message.sent_maybe.is_(False),
        )
        .with_for_update(of=Message)
        .execution_options(populate_existing=True)
    )
    if message is None:
        return False
    message.state, message.due_at, message.last_error = "dropped", None, reason
    # Whoever may still have it in hand, from before, is fenced off.
    message.fence += 1
    session.flush()
    return True
