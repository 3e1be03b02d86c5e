"""Filters of a list: always shown above it, one field each, applied by an ordinary form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any

from flask_admin.model.filters import BaseFilter
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute, Query

Options = Sequence[tuple[str, str]]
"""What can be chosen: value and label."""


@dataclass(frozen=True)
class ShownFilter:
    """A filter as the list's template shows it."""

    argument: str
    label: str
    value: str
    options: Options | None
    unchosen: str
    """What it is called when nothing is chosen."""
    input_type: str


class Filter(BaseFilter):
    """One field above a list. Shows itself as a choice if it has options, else as an input."""

    input_type = "text"

    def __init__(
        self,
        name: str,
        where: Callable[[Any], ColumnElement[bool]],
        *,
        options: Options | Callable[[str], Options] | None = None,
        unchosen: str = "all",
    ) -> None:
        """
        Args:
            name: The field's label, different from those of the list's other filters.
            where: From the value that was chosen to the condition on the list's rows.
            options: What can be chosen; a function of what is chosen, asked each time the list is
                shown.
            unchosen: What it is called when nothing is chosen.
        """
        super().__init__(name)
        self.unchosen = unchosen
        self._where = where
        self._choices = options

    def choices(self, chosen: str) -> Options | None:
        return self._choices(chosen) if callable(self._choices) else self._choices

    def validate(self, value: str) -> bool:
        """Whether it can be applied; choices that are looked up may have gone, and find nothing."""
        if value != "" and self._choices is not None and not callable(self._choices):
            return value in {each for each, _ in self._choices}
        return value == "" or bool(super().validate(value))

    def apply(self, query: Query[Any], value: Any, _alias: object = None) -> Query[Any]:
        return query.filter(self._where(value))

    def operation(self) -> str:
        return ""


class DayFilter(Filter):
    """Rows from a day on, or up to it (UTC)."""

    input_type = "date"

    def __init__(
        self, name: str, column: InstrumentedAttribute[Any], *, last: bool = False
    ) -> None:
        """
        Args:
            last: Whether it is the last day that is shown, instead of the first.
        """
        super().__init__(
            name, lambda day: column < day + timedelta(days=1) if last else column >= day
        )

    def clean(self, value: str) -> datetime:
        """
        Raises:
            ValueError: it is no day, or so far off that no other follows.
        """
        day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        if day.year == MAXYEAR:
            raise ValueError(f"{value} is too far off")
        return day
