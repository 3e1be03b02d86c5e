"""What the pages' forms have in common: moments, versions, errors, and what boxes offer.

A box offers the first `MOST` by name and what is chosen already: one of 50,000 takes seconds to make and
is of use to nobody. Whatever is further back is chosen from its own page, which links to the form or list.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from flask import request
from flask_admin.form import BaseForm
from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.datastructures import MultiDict
from wtforms import DateTimeLocalField, Form, HiddenField, SelectField
from wtforms.fields.choices import SelectChoice

from lol_dagster.admin.filters import Options
from lol_dagster.admin.transactions import reading
from lol_dagster.errors import UserError
from lol_dagster.storage.models import Player, Team

MOST = 500
IN_THE_FUTURE = "This is in the future: enter a date that has passed."
_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


class FieldError(UserError):
    """Something typed into one field is refused."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class EntryForm(BaseForm):
    """A form for a row that others may edit at the same time."""

    seen_version = HiddenField()
    """The row's version when the form was opened."""
    error_field: ClassVar[str | None] = None
    """Where an error is shown that is about no field in particular. None: above the form."""

    def is_submitted_and_valid(self) -> bool:
        return request.method == "POST" and self.validate()


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

    @staticmethod
    def minute(value: datetime) -> str:
        """A moment as the field has it."""
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}"


def posted() -> MultiDict[str, str] | None:
    """What this request sends; None if it only asks for the form."""
    return request.form if request.method == "POST" else None


def stripped(typed: str | None) -> str:
    """A field's filter: without surrounding blanks."""
    return (typed or "").strip()


def number_in(text: Any) -> int:
    """A key or version in a form's hidden field; 0 for anything else."""
    return int(text) if str(text).isascii() and str(text).isdigit() and len(str(text)) < 10 else 0


def add_error(form: Form, field: str | None, message: str) -> None:
    """Show a message at a field, or above the form if it is about no field of it."""
    if field is not None and field in form:
        form[field].errors = [*form[field].errors, message]
    else:
        form.form_errors.append(message)


def names_of(model: type[Player | Team]) -> list[str]:
    """Names to suggest while one types; others can be typed as well."""
    return list(reading().scalars(_first(model, model.name)))


def player_options(chosen: str) -> Options:
    return _with_chosen(Player, chosen)


def team_options(chosen: str) -> Options:
    """Teams that are not removed, and the one that is chosen."""
    return _with_chosen(Team, chosen)


def offer_teams(field: SelectField, chosen: str | None) -> None:
    """Let a form's field offer teams by name.

    Args:
        chosen: The name that was asked for or sent: offered if there is such a team.
    """
    names = names_of(Team)
    if len(names) == MOST:
        field.description = f"The first {MOST} by name; for any other, start from its own page."
        live = select(Team.name).where(Team.name == chosen, Team.removed_at.is_(None))
        names = list(dict.fromkeys((*names, *reading().scalars(live))))
    field.choices = [SelectChoice(name, name) for name in names]


def _with_chosen(model: type[Player | Team], chosen: str) -> Options:
    found = {str(key): name for key, name in reading().execute(_first(model, model.id, model.name))}
    if chosen not in found:
        name = reading().scalar(select(model.name).where(model.id == number_in(chosen)))
        found |= {chosen: name} if name else {}
    return list(found.items())


def _first(model: type[Player | Team], *columns: InstrumentedAttribute[Any]) -> Select[Any]:
    """In the order of the index on names."""
    rows = select(*columns).order_by(func.lower(model.name)).limit(MOST)
    return rows.where(Team.removed_at.is_(None)) if model is Team else rows
