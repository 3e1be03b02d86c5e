"""The base of the lists that people edit: by the rules of `roster/`, which the command line obeys, too.

A write is one transaction in which the row is loaded again; if somebody else has changed it since the
form was opened, the form shows what, and what was typed stays in it. Removed teams and
channels stay as history: they are listed only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from flask import flash, request
from sqlalchemy import ColumnElement, String, func, inspect, true
from sqlalchemy.orm import InstrumentedAttribute, Session
from wtforms import Form

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.filters import Filter
from lol_dagster.admin.merging import Typed, refuse_if_stale
from lol_dagster.admin.model_view import BaseModelView
from lol_dagster.errors import UserError
from lol_dagster.roster.versions import StaleEntryError


class RosterView(BaseModelView):
    """A list whose rows people edit. A view sets `can_create` and `can_edit` and overrides `save` and
    `remove`; those that it edits by a form of their own need neither.
    """

    can_delete = True
    create_words = "Add"
    remove_words = "Remove"
    remove_question = "Remove this?"
    typed_columns: ClassVar[tuple[Typed, ...]] = ()
    """The columns that the form shows."""

    def save(self, session: Session, form: Form, row: Any | None) -> Any:
        """Write what was typed.

        Args:
            session: Of the writing transaction.
            form: Valid.
            row: Freshly loaded in `session`; None: a new one is to be made.

        Returns:
            The row.

        Raises:
            UserError: it cannot be done, in words for the person; a `FieldError` is shown at its field.
        """
        raise NotImplementedError

    def remove(self, session: Session, row: Any) -> None:
        """Remove a row.

        Args:
            session: Of the writing transaction.
            row: Freshly loaded in it.

        Raises:
            UserError: it cannot be done, in words for the person.
        """
        raise NotImplementedError

    def create_model(self, form: Form) -> Any:
        return self._written(form, lambda session: self.save(session, form, None))

    def update_model(self, form: Form, model: Any) -> bool:
        def save(session: Session) -> Any:
            row = self._fresh(session, model)
            refuse_if_stale(session, row, form, self.typed_columns, version_field="seen_version")
            return self.save(session, form, row)

        return self._written(form, save) is not None

    def delete_model(self, model: Any) -> bool:
        def remove(session: Session) -> bool:
            self.remove(session, self._fresh(session, model))
            return True

        return self._written(None, remove) is not None

    def _fresh(self, session: Session, row: Any) -> Any:
        """The row as it is now, locked until the transaction ends.

        Raises:
            UserError: it is gone.
        """
        fresh = session.get(self.model, inspect(row).identity, with_for_update=True)
        if fresh is None:
            raise UserError(f"somebody else has removed {row}")
        return fresh

    def refuse(self, form: Form, error: UserError) -> None:
        if isinstance(error, StaleEntryError):
            # What both typed is in view now: saving again is a decision.
            form["seen_version"].data = str(error.version)
        super().refuse(form, error)

    def on_form_prefill(self, form: Form, id: Any) -> None:  # noqa: A002 - Flask-Admin's name
        if request.method == "GET":
            form["seen_version"].data = str(self.get_one(id).version)

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
        """Remove the rows of these keys, each in a transaction of its own, and say how many."""
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
        options=(("too", "included"), ("only", "only these")),
        unchosen="not included",
    )
