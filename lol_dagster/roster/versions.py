"""Two people who edit one entry: the second learns what the first has changed, and nothing is lost.

Whoever edits an entry says which version of it they saw. The row is locked before that is compared,
so that of any number of simultaneous edits of one version exactly one is taken. What the others had
not seen comes from the audit trail: an entry of it and a version belong to each change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from lol_dagster.roster.errors import NoSuchEntryError, RosterError
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import Account, AuditEntry, Channel, Membership, Player, Team

Versioned = Account | Channel | Membership | Player | Team
"""A row that people edit."""

_V = TypeVar("_V", bound=Versioned)


@dataclass(frozen=True)
class ChangedField:
    """A column that others have changed; values as in the audit trail: instants in ISO 8601, secrets as
    `changed`.
    """

    seen: Any
    """What it was when the form was opened."""
    now: Any
    who: str
    """Who changed it last."""


class StaleEntryError(RosterError):
    """Somebody else has changed the entry since it was read. Nothing was written."""

    def __init__(self, row: Versioned, changes: Sequence[AuditEntry]) -> None:
        """
        Args:
            changes: What has changed since, oldest first.
        """
        self.version = row.version
        """The version that the row has now."""
        self.fields: dict[str, ChangedField] = {}
        """By column."""
        for entry in changes:
            for name, old in (entry.before or {}).items():
                seen = self.fields[name].seen if name in self.fields else old
                self.fields[name] = ChangedField(seen, (entry.after or {}).get(name), entry.who)
        who = " and ".join(dict.fromkeys(entry.who for entry in changes)) or "somebody else"
        names = ", ".join(each.removesuffix("_at").replace("_", " ") for each in self.fields)
        super().__init__(
            f"{who} changed {row} in the meantime{f' ({names})' if names else ''}: compare, then save again"
        )


def as_seen(session: Session, model: type[_V], row_id: int, version: int) -> _V:
    """The row, locked until the transaction's end.

    Args:
        version: The one that the person who edits it has seen.

    Raises:
        NoSuchEntryError: it is not there any more.
        StaleEntryError: it has another version.
    """
    row = session.get(model, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        removed = entries_about(session, model, row_id, "removed", latest=1)
        raise NoSuchEntryError(
            f"{removed[0].who} removed this entry at {removed[0].at:%Y-%m-%d %H:%M} UTC"
            if removed
            else "this entry no longer exists"
        )
    if row.version != version:
        count = max(row.version - version, 0)
        raise StaleEntryError(row, entries_about(session, model, row_id, "changed", latest=count))
    return row
