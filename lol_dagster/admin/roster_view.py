"""The base of the lists that people edit: by the rules of `roster/`, which the command line obeys, too.

Removed teams and channels stay as history: they are listed only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from flask import flash, request
from flask_admin.form import BaseForm
from sqlalchemy import ColumnElement, String, func, true
from sqlalchemy.orm import InstrumentedAttribute, object_session
from wtforms import Form, HiddenField

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.filters import Filter
from lol_dagster.admin.merging import Typed, refuse_if_stale
from lol_dagster.admin.model_view import BaseModelView


class EntryForm(BaseForm):
    """A form of a row that others may edit at the same time."""

    seen_version = HiddenField()

    def is_submitted_and_valid(self) -> bool:
        return request.method == "POST" and self.validate()


class RosterView(BaseModelView):
    """A list of the roster's."""

    can_delete = True
    typed_columns: ClassVar[tuple[Typed, ...]] = ()
    """The columns that the form shows."""

    def _refuse_if_changed(self, form: Form, row: Any) -> None:
        session = object_session(row)
        assert session is not None, "the row is of the writing transaction"
        refuse_if_stale(session, row, form, self.typed_columns, version_field="seen_version")

    def get_query(self) -> Any:
        return super().get_query().filter(self._live())

    def _live(self) -> ColumnElement[bool]:
        removed_at = getattr(self.model, "removed_at", None)
        if removed_at is None or request.args.get("flt0_removed_ones"):
            return true()
        live: ColumnElement[bool] = removed_at.is_(None)
        return live

    def searched(self, text: str) -> ColumnElement[bool]:
        """Which rows a search finds."""
        raise NotImplementedError

    def _apply_search(
        self, query: Any, count_query: Any, joins: Any, count_joins: Any, search: str
    ) -> Any:
        found = self.searched(search.strip())
        counted = None if count_query is None else count_query.filter(found)
        return query.filter(found), counted, joins, count_joins

    def _order_by(
        self, query: Any, joins: Any, sort_joins: Any, sort_field: Any, sort_desc: bool
    ) -> Any:
        """Text as people sort it, capitals or not: the index on names is of that kind, too."""
        query, joins, alias = self._apply_path_joins(query, joins, sort_joins, inner_join=False)
        column = sort_field if alias is None else getattr(alias, sort_field.key)
        if isinstance(column.type, String):
            column = func.lower(column)
        return query.order_by(column.desc() if sort_desc else column), joins

    def remove_each(self, ids: Iterable[str]) -> None:
        """Remove the rows of these keys, each in a transaction of its own, and say what came of it."""
        done = sum(map(self.delete_model, self.rows_still_there(ids)))
        if done:
            flash(f"Removed {done}.", "success")

    def now(self) -> Any:
        return admin_context().now()


def removed_filter(removed_at: InstrumentedAttribute[Any]) -> Filter:
    """Whether removed rows are listed, which they are not otherwise."""
    return Filter(
        "Removed ones",
        lambda value: removed_at.is_not(None) if value == "only" else true(),
        options=(("too", "listed, too"), ("only", "only they")),
        unchosen="not listed",
    )
