"""The audit trail: who changed which row of the roster, when, from what to what.

Written by the session itself as it flushes, in the same transaction, so that no writer can forget
it. What machines note (polls, probes, deliveries) is not audited. Statements that bypass the
session's rows (`session.execute(update(…))`) are not seen: roster rows are never changed that way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, inspect, select
from sqlalchemy.orm import InstanceState, Session, UOWTransaction

from lol_dagster.storage.models import Account, AuditEntry, Base, Channel, Membership, Player, Team

_AUDITED = (Account, Channel, Membership, Player, Team)
_SECRET = {(Channel, "address")}
_CHANGED = "changed"
_NOT_SHOWN = {"id", "version"}


def record_changes(session: Session, _context: UOWTransaction) -> None:
    """Listener of the event `after_flush`: an `AuditEntry` for each row that people edit."""
    entries = [
        *(_entry("added", row, after=_values(row)) for row in session.new if _is_audited(row)),
        *(_change(row) for row in session.dirty if _is_audited(row) and session.is_modified(row)),
        *(
            _entry("removed", row, before=_values(row))
            for row in session.deleted
            if _is_audited(row)
        ),
    ]
    if entries:
        now = datetime.now(UTC)
        who = session.info.get("who", "system")
        session.execute(insert(AuditEntry), [{"at": now, "who": who, **entry} for entry in entries])


def add_entry(
    session: Session,
    row: Base,
    action: str,
    *,
    who: str,
    at: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add what somebody decided about a row that people do not edit: a message, a match.

    Args:
        action: What they did, in the past tense, such as `ignored`; see `AuditEntry.action`.
        who: Their name; what is longer than the column is cut off.
    """
    entry = _entry(action, row, before=before, after=after)
    session.add(AuditEntry(at=at, who=who[:120], **entry))


def entries_about(
    session: Session,
    model: type[Base],
    key: str | int,
    *actions: str,
    latest: int | None = None,
) -> list[AuditEntry]:
    """The entries about one row, oldest first.

    Args:
        key: The row's primary key; the row itself may be gone.
        actions: Only entries of these actions. None given: all.
        latest: At most so many, the newest ones.
    """
    found = select(AuditEntry).where(
        AuditEntry.table == model.__tablename__, AuditEntry.row == str(key)
    )
    if actions:
        found = found.where(AuditEntry.action.in_(actions))
    newest_first = found.order_by(AuditEntry.id.desc()).limit(latest)
    return list(reversed(session.scalars(newest_first).all()))


def shown_value(row: Base, name: str) -> Any:
    """A column as the trail has it: instants in ISO 8601, secrets as «changed»."""
    return _shown(row, name, getattr(row, name))


def _is_audited(row: Base) -> bool:
    return isinstance(row, _AUDITED)


def _change(row: Base) -> dict[str, Any]:
    before, after = {}, {}
    for name in _columns(row):
        history = inspect(row).attrs[name].history
        if history.has_changes():
            before[name] = _shown(row, name, history.deleted[0] if history.deleted else None)
            after[name] = _shown(row, name, history.added[0] if history.added else None)
    return _entry("changed", row, before=before, after=after)


def _values(row: Base) -> dict[str, Any]:
    return {name: shown_value(row, name) for name in _columns(row)}


def _columns(row: Base) -> list[str]:
    state: InstanceState[Any] = inspect(row)
    return [each.key for each in state.mapper.column_attrs if each.key not in _NOT_SHOWN]


def _shown(row: Base, name: str, value: Any) -> Any:
    if (type(row), name) in _SECRET:
        return _CHANGED
    return value.isoformat() if isinstance(value, datetime) else value


def _entry(
    action: str,
    row: Base,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> dict[str, Any]:
    (key,) = inspect(row).mapper.primary_key_from_instance(row)
    return {
        "action": action,
        "table": row.__tablename__,
        "row": str(key),
        "before": before,
        "after": after,
    }
