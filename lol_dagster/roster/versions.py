"""Two people who edit one entry: the second is told what the first has changed, and nothing is lost.

Whoever edits an entry says which version of it they saw. The row is locked before that is compared,
so that of any number of simultaneous edits of one version exactly one is taken. What the others had
not seen comes from the audit trail: an entry of it and a version belong to each change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from lol_dagster.roster.errors import NoSuchEntryError, RosterError
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import Account, Channel, Membership, Player, Team

Versioned = Account | Channel | Membership | Player | Team
"""A row that people edit."""

_V = TypeVar("_V", bound=Versioned)


@dataclass(frozen=True)
class Change:
    """What somebody did to an entry."""

    at: datetime
    who: str
    fields: dict[str, tuple[Any, Any]]
    """Column → its value before and after, as in the audit trail: instants in ISO 8601, secrets as
    `changed`."""


class StaleEntryError(RosterError):
    """Somebody else has changed the entry since it was read. Nothing was written."""

    def __init__(self, row: Versioned, changes: Sequence[Change]) -> None:
        who = " and ".join(dict.fromkeys(change.who for change in changes)) or "somebody else"
        fields = ", ".join(_words(name) for name in dict.fromkeys(_names(changes)))
        super().__init__(
            f"{who} changed {row} meanwhile{f' ({fields})' if fields else ''}: "
            "look at both, then save again"
        )
        self.table = row.__tablename__
        self.row_id = row.id
        self.version = row.version
        """The version that the row has now."""
        self.changes = tuple(changes)
        """Oldest first."""

    @property
    def before(self) -> dict[str, Any]:
        """What was seen of each column that has changed since."""
        return {
            name: seen
            for change in reversed(self.changes)
            for name, (seen, _) in change.fields.items()
        }

    @property
    def now(self) -> dict[str, Any]:
        """What each of those columns is now."""
        return {name: new for change in self.changes for name, (_, new) in change.fields.items()}


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
        raise NoSuchEntryError(_gone(session, model, row_id))
    if row.version != version:
        raise StaleEntryError(row, _changes(session, model, row_id, row.version - version))
    return row


def _changes(session: Session, model: type[_V], row_id: int, count: int) -> list[Change]:
    """The row's last changes, oldest first."""
    entries = entries_about(session, model, row_id, "changed", latest=max(count, 0))
    return [
        Change(
            entry.at,
            entry.who,
            {
                name: (old, (entry.after or {}).get(name))
                for name, old in (entry.before or {}).items()
            },
        )
        for entry in entries
    ]


def _gone(session: Session, model: type[_V], row_id: int) -> str:
    entries = entries_about(session, model, row_id, "removed", latest=1)
    if not entries:
        return "this entry is not there any more"
    entry = entries[0]
    return f"{entry.who} removed this entry at {entry.at:%Y-%m-%d %H:%M} UTC"


def _names(changes: Sequence[Change]) -> list[str]:
    return [name for change in changes for name in change.fields]


def _words(column: str) -> str:
    return column.removesuffix("_at").replace("_", " ")
