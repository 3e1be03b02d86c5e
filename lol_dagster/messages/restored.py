"""What is known about a database that was restored from a backup, and what follows from it.

The application that was lost went on after the backup was taken: it listed games, wrote messages and told
them, and the restored database knows nothing of that. Two things keep such games from being told
twice. A message's id is worked out and not drawn (`message_id`), so that the message that is written
anew carries the same marker and nonce as the lost one; and every message about a game that had ended
when the backup was restored begins as one that may have been sent, so that delivery looks for it in
the channel before it posts (docs/delivery.md).
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Fact, Message

MAYBE_TOLD = "restored from a backup: it may have been told before"
_FACT = "restored"
_CLOCKS_DIFFER = timedelta(minutes=5)
"""Riot's clock tells when a game ended, ours when the backup was restored."""
_UNSETTLED = ("pending", "sending", "uncertain", "blocked")


@dataclass(frozen=True)
class Restoration:
    """The last time that the database was restored."""

    taken_at: datetime
    """Since when its backup may lack something."""
    restored_at: datetime

    def may_have_been_told(self, ended_at: datetime) -> bool:
        """Whether the lost app can have told of a game that ended then and is new to this one."""
        return ended_at < self.restored_at + _CLOCKS_DIFFER

    def first_processed_at(self, ended_at: datetime, processed_at: datetime) -> datetime:
        """When a game counts as first processed: what decides whether it was stale.

        The lost app will have processed it soon; the restored one may do so a day later, and
        would look for it in a catch-up message, in vain.
        """
        return (
            min(processed_at, self.taken_at) if self.may_have_been_told(ended_at) else processed_at
        )


def message_id(salt: str, channel_id: int, kind: str, what: str) -> str:
    """The id of a message: the same each time that the same is written.

    Args:
        salt: The installation's.
        what: Which of its kind in the channel.
    """
    digest = hashlib.sha256(f"{salt}\n{channel_id}\n{kind}\n{what}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


def restoration(session: Session) -> Restoration | None:
    """None: this database has never been restored."""
    fact = session.get(Fact, _FACT)
    if fact is None:
        return None
    return Restoration(
        datetime.fromisoformat(fact.value["taken_at"]),
        datetime.fromisoformat(fact.value["restored_at"]),
    )


def note_restoration(session: Session, restored: Restoration) -> int:
    """Let the database know that it was restored, before anything is sent from it.

    Whatever it takes for unsent may have been sent since: it becomes uncertain, and is looked up.
    A parked message stays parked, but nobody may take it for unsent any more.

    Returns:
        How many messages became uncertain.
    """
    value = {
        "taken_at": restored.taken_at.isoformat(),
        "restored_at": restored.restored_at.isoformat(),
    }
    session.merge(Fact(name=_FACT, value=value))
    doubtful = session.execute(
        update(Message)
        .where(Message.state.in_(_UNSETTLED))
        .values(maybe_told(restored.restored_at) | {"fence": Message.fence + 1})
        .returning(Message.id)
    ).all()
    session.execute(update(Message).where(Message.state == "needs_review").values(sent_maybe=True))
    return len(doubtful)


def maybe_told(now: datetime) -> dict[str, object]:
    """The columns of a message of which nobody knows whether it was told."""
    return {
        "state": "uncertain",
        "due_at": now,
        "sent_maybe": True,
        # Of no clock, so that the settling time begins when the message is first taken up.
        "clock": None,
        "settle_until": 0.0,
        "first_sent_at": None,
        "uncertain_since": now,
        "uncertain_rounds": 0,
        "last_error": MAYBE_TOLD,
    }
