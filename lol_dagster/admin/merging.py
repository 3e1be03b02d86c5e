"""Two people in one form: what the first has changed is shown to the second beside their own changes.

A form holds the version that it was filled from. Where the row has another one by now, the audit
trail says what has changed since: fields that were not touched take the new value, fields that both
changed keep what was typed and say what the other one entered. Only a person whose own changes meet
somebody else's is stopped; saving again, with both in view, is their decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from wtforms import Field, Form

from lol_dagster.admin.forms import InstantField, number_in
from lol_dagster.roster.versions import ChangedField, StaleEntryError, Versioned, as_seen
from lol_dagster.storage.audit import shown_value

_V = TypeVar("_V", bound=Versioned)


@dataclass(frozen=True)
class Typed:
    """A column as a form shows it, in the terms of the audit trail."""

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
    """A column whose value is that of the field of its name."""

    def write(form: Form, value: Any) -> None:
        form[name].data = value

    return Typed(name, lambda form: form[name].data, write, lambda form: form[name], show)


def typed_instant(name: str) -> Typed:
    """A moment, to the minute, in the `InstantField` of its name."""

    def rounded(value: str | None) -> str | None:
        return None if value is None else InstantField.minute(datetime.fromisoformat(value))

    def read(form: Form) -> str | None:
        data = form[name].data
        return None if data is None else InstantField.minute(data)

    def write(form: Form, value: Any) -> None:
        form[name].process_data(None if value is None else datetime.fromisoformat(value))
        form[name].raw_data = None

    def show(value: Any) -> str:
        return f"{value.replace('T', ' ')} UTC" if value else "no end"

    return Typed(name, read, write, lambda form: form[name], show, rounded)


def refuse_if_stale(
    session: Session, row: _V, form: Form, columns: Sequence[Typed], *, version_field: str
) -> bool:
    """Compare the row with what the form was filled from.

    Args:
        session: Of the writing transaction.
        row: As it is now.
        version_field: Name of the form's field that holds the version.

    Returns:
        Whether the form changes anything; False: leave the row alone.

    Raises:
        StaleEntryError: both the row and the form were changed; the form shows both now and has
            the new version.
        NoSuchEntryError: it is gone.
    """
    version = form[version_field]
    now = {each.column: each.rounded(shown_value(row, each.column)) for each in columns}
    try:
        as_seen(session, type(row), row.id, number_in(version.data))
    except StaleEntryError as stale:
        version.data = str(stale.version)
        if _merge(form, columns, now, stale.fields):
            raise
        return False
    return any(each.read(form) != now[each.column] for each in columns)


def _merge(
    form: Form,
    columns: Sequence[Typed],
    now: Mapping[str, Any],
    changed: Mapping[str, ChangedField],
) -> bool:
    """Show both people's changes.

    Returns:
        Whether anything was typed that differs from what the form was filled with.
    """
    touched = False
    for each in columns:
        change, typed = changed.get(each.column), each.read(form)
        if change is None:
            touched |= typed != now[each.column]
            continue
        before, theirs = each.rounded(change.seen), each.rounded(change.now)
        touched |= typed != before
        if typed == before:
            each.write(form, theirs)
            said = f"{change.who} has since changed this. You had not, so the new value is shown."
        elif typed != theirs:
            said = (
                f"{change.who} has since changed this to “{each.show(theirs)}”. What you typed is "
                "kept here; save again to overwrite theirs."
            )
        else:
            continue
        field = each.field(form)
        field.errors = [*field.errors, said]
    return touched
