"""What is known about a database that was restored from a backup, and what follows from it.

The installation that was lost went on after the backup was taken: it listed games, wrote messages and
delivered them, and the restored database knows nothing of that. Two things keep such games from being
announced twice. A message's id is computed, not random (`message_id`), so that the message that is
written anew has the same marker and nonce as the lost one; and every message about a game that had
ended when the backup was restored begins as one that may have been sent, so that delivery looks for it
in the channel before it posts (docs/delivery.md).
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lol_dagster.storage.models import Fact

RESTORED_FACT = "restored"
_CLOCKS_DIFFER = timedelta(minutes=5)
"""Riot's clock tells when a game ended, ours when the backup was restored."""


@dataclass(frozen=True)
class Restoration:
    """The last time that the database was restored."""

    taken_at: datetime
    """Since when its backup may lack something."""
    restored_at: datetime

    def may_have_been_delivered(self, ended_at: datetime) -> bool:
        """Whether the lost installation can have announced a game that ended then and is new here."""
        return ended_at < self.restored_at + _CLOCKS_DIFFER

    def first_processed_at(self, ended_at: datetime, processed_at: datetime) -> datetime:
        """When a game counts as first processed: what decides whether it was stale.

        The lost installation will have processed it soon; the restored one may do so a day later,
        and would look for it in a catch-up message, in vain.
        """
        before = self.may_have_been_delivered(ended_at)
        return min(processed_at, self.taken_at) if before else processed_at


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
    fact = session.get(Fact, RESTORED_FACT)
    if fact is None:
        return None
    return Restoration(
        datetime.fromisoformat(fact.value["taken_at"]),
        datetime.fromisoformat(fact.value["restored_at"]),
    )


def keep_restoration(session: Session, restored: Restoration) -> None:
    """Write down when the database was restored."""
    value = {
        "taken_at": restored.taken_at.isoformat(),
        "restored_at": restored.restored_at.isoformat(),
    }
    session.merge(Fact(name=RESTORED_FACT, value=value))
