"""Forms: what the pages' forms have in common."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from flask_admin.contrib.sqla.form import AdminModelConverter
from flask_admin.model.form import converts
from sqlalchemy import inspect
from sqlalchemy.orm import Session
from wtforms import DateTimeLocalField, Field, FieldList, Form, FormField

_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_NOT_TYPED = {"csrf_token"}


class InstantField(DateTimeLocalField):
    """A moment, typed in UTC; its data is aware."""

    def __init__(self, label: str | None = None, validators: Any = None, **options: Any) -> None:
        super().__init__(label, validators, format=list(_FORMATS), **options)

    def process_data(self, value: Any) -> None:
        self.data = None if value is None else value.astimezone(UTC)

    def process_formdata(self, valuelist: list[str]) -> None:
        super().process_formdata(valuelist)
        if self.data is not None:
            self.data = self.data.replace(tzinfo=UTC)


def stripped(typed: str | None) -> str:
    """A field's filter: without blanks around."""
    return (typed or "").strip()


class HouseConverter(AdminModelConverter):
    """From our own column types to form fields."""

    @converts("UtcDateTime")
    def convert_instant(self, field_args: dict[str, Any], **_extra: Any) -> InstantField:
        return InstantField(**field_args)


def typed_fields(form: Form) -> Iterator[tuple[str, Field]]:
    """Name and field of everything that a person typed or chose."""
    return ((name, field) for name, field in form._fields.items() if name not in _NOT_TYPED)


def add_error(form: Form, field: str | None, message: str) -> None:
    """Let a message stand at its field, or above the form if it is about no field of it."""
    if field is not None and field in form:
        form[field].errors = [*form[field].errors, message]
    else:
        form.form_errors.append(message)


def move_into_session(form: Form, session: Session) -> None:
    """Replace rows that were chosen in the form by the same rows of `session`."""
    for _, field in typed_fields(form):
        _move_field(field, session)


def _move_field(field: Field, session: Session) -> None:
    if isinstance(field, FormField):
        move_into_session(field.form, session)
    elif isinstance(field, FieldList):
        for entry in field.entries:
            _move_field(entry, session)
    elif isinstance(field.data, list | tuple):
        if any(_is_row(each) for each in field.data):
            field.data = [_moved(each, session) for each in field.data]
    elif _is_row(field.data):
        field.data = _moved(field.data, session)


def _is_row(value: Any) -> bool:
    state = inspect(value, raiseerr=False)
    return state is not None and hasattr(state, "identity")


def _moved(row: Any, session: Session) -> Any:
    return session.get(type(row), inspect(row).identity)
