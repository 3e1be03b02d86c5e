"""Two people in one form: what the first has changed is shown to the second beside his own.

A form carries the version that it was filled from. Where the row has another one by now, the audit
trail says what has changed since: fields that were not touched take the new value over, fields that
both changed keep what was typed and say what the other one entered. Only a person whose own changes
meet somebody else's is stopped; saving again, with both in view, is his decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from wtforms import Field, Form

from lol_dagster.roster.versions import StaleEntryError, Versioned, as_seen
from lol_dagster.storage.audit import shown_value

_V = TypeVar("_V", bound=Versioned)


@dataclass(frozen=True)
class Typed:
    """A column as it stands in a form, in the terms of the audit trail."""

    column: str
    read: Callable[[Form], Any]
    """What is typed."""
    write: Callable[[Form, Any], None]
    """Fill in another value."""
    field: Callable[[Form], Field]
    """Where something is said about it."""
    show: Callable[[Any], str] = str
    """A value as people read it."""
    rounded: Callable[[Any], Any] = lambda value: value
    """A value of the trail as exactly as the form has it."""


def typed_value(name: str, show: Callable[[Any], str] = str) -> Typed:
    """A column that stands in a field of its name as it is."""

    def write(form: Form, value: Any) -> None:
        form[name].data = value

    return Typed(name, lambda form: form[name].data, write, lambda form: form[name], show)


def typed_instant(name: str) -> Typed:
    """A moment that stands in an `InstantField` of its name, to the minute."""

    def read(form: Form) -> str | None:
        return None if form[name].data is None else _minute(form[name].data)

    def write(form: Form, value: Any) -> None:
        form[name].process_data(None if value is None else datetime.fromisoformat(value))
        form[name].raw_data = None

    return Typed(
        name,
        read,
        write,
        lambda form: form[name],
        show=lambda value: f"{value.replace('T', ' ')} UTC" if value else "no end",
        rounded=lambda value: None if value is None else _minute(datetime.fromisoformat(value)),
    )


def _minute(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}"


def refuse_if_stale(
    session: Session,
    row: _V,
    form: Form,
    columns: Sequence[Typed],
    *,
    version_field: str,
) -> bool:
    """Compare the row with what the form was filled from.

    Args:
        session: Of the writing transaction.
        row: As it is now.
        version_field: Name of the form's field that carries the version.

    Returns:
        Whether the form changes anything; False: leave the row alone.

    Raises:
        StaleEntryError: it was changed meanwhile, and so was the form; the form shows both now and
            carries the new version.
        NoSuchEntryError: it is gone.
    """
    seen = form[version_field]
    now = {each.column: each.rounded(shown_value(row, each.column)) for each in columns}
    try:
        as_seen(session, type(row), row.id, number_in(seen.data))
    except StaleEntryError as stale:
        before = {
            each.column: each.rounded(stale.before[each.column])
            if each.column in stale.before
            else now[each.column]
            for each in columns
        }
        touched = [each for each in columns if each.read(form) != before[each.column]]
        _show_both(form, columns, stale, before)
        seen.data = str(stale.version)
        if touched:
            raise
        return False
    return any(each.read(form) != now[each.column] for each in columns)


def _show_both(
    form: Form, columns: Sequence[Typed], stale: StaleEntryError, before: dict[str, Any]
) -> None:
    for each in columns:
        if each.column not in stale.now:
            continue
        theirs = each.rounded(stale.now[each.column])
        last = [change for change in stale.changes if each.column in change.fields][-1]
        field = each.field(form)
        if each.read(form) == before[each.column]:
            each.write(form, theirs)
            said = (
                f"{last.who} changed this meanwhile: you had not touched it, so it is taken over."
            )
        elif each.read(form) == theirs:
            continue
        else:
            said = (
                f"{last.who} changed this meanwhile to “{each.show(theirs)}”; what you typed stands "
                "here and is saved if you save again."
            )
        field.errors = [*field.errors, said]


def number_in(text: Any) -> int:
    """A key or version in a form's hidden field; 0 for anything else."""
    return int(text) if str(text).isascii() and str(text).isdigit() and len(str(text)) < 10 else 0
