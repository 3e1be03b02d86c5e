"""The base of every list of rows: Flask-Admin's `ModelView`, read-only, with filters, details and export.

Rows that people edit are in a `RosterView` (roster_view.py). No error of the database reaches a page.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from flask import abort, flash, request
from flask.typing import ResponseReturnValue
from flask_admin.contrib.sqla import ModelView
from flask_admin.form import BaseForm
from flask_admin.model.base import ViewArgs
from sqlalchemy import func, inspect, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import NotFound
from wtforms import Form

from lol_dagster.admin.display import TYPE_FORMATTERS, sentence
from lol_dagster.admin.export import download
from lol_dagster.admin.filters import Filter, ShownFilter
from lol_dagster.admin.forms import add_error
from lol_dagster.admin.transactions import RequestDatabase, reading, writing
from lol_dagster.errors import UserError
from lol_dagster.storage.models import Base

logger = logging.getLogger(__name__)

UNSHOWABLE = "cannot be shown: the log says why"
_LARGEST_ID = 2**31 - 1
_T = TypeVar("_T")


class BaseModelView(ModelView):
    """A list of rows with details, filters, search and export."""

    can_create = False
    can_edit = False
    can_delete = False
    can_view_details = True
    can_export = True
    export_types = ("csv", "json")
    export_max_rows = 100_000
    page_size = 50
    page_size_options = (25, 50, 100, 200)
    can_set_page_size = True
    simple_list_pager = True  # `get_list` counts
    most_counted = 5_000
    """Rows of a list that are counted, and can be leafed through; beyond, a filter helps."""
    column_display_pk = False
    column_type_formatters = TYPE_FORMATTERS
    column_type_formatters_detail = TYPE_FORMATTERS
    column_type_formatters_export: dict[type, Any] = {}

    def __init__(self, model: type[Base], **options: Any) -> None:
        """
        Args:
            model: The table's class.
            options: Flask-Admin's: `name` (in the menu), `category` (the menu's heading),
                `endpoint`, `url`.
        """
        super().__init__(model, RequestDatabase(), **options)

    def scaffold_form(self) -> type[Form]:
        """No form is made from a table: those that edit rows are written by hand."""
        form: type[Form] = BaseForm
        return form

    def _written(self, form: Form | None, work: Callable[[Session], _T]) -> _T | None:
        """What `work` returns, once it is committed. None: it was refused; the form says why, or, where
        there is none, the next page.
        """
        try:
            with writing() as session:
                done = work(session)
                session.flush()
        except UserError as error:
            refusal = error
        except StaleDataError:
            refusal = UserError("somebody else changed this at the same moment: save again")
        except IntegrityError as error:
            logger.info("%s: refused by the database: %s", self.endpoint, error.orig)
            refusal = UserError(
                "this contradicts an existing entry: somebody may just have entered the same"
            )
        else:
            return done
        if form is None:
            flash(sentence(refusal), "error")
        else:
            self.refuse(form, refusal)
        return None

    def refuse(self, form: Form, error: UserError) -> None:
        """Say in the form why it could not be saved."""
        field = getattr(error, "field", getattr(form, "error_field", None))
        add_error(form, field, sentence(error))

    def get_one(self, id: Any) -> Any:  # noqa: A002 - Flask-Admin's name
        """The row of this key; ends the request with 404 if there is none."""
        (column,) = inspect(self.model).primary_key
        key: Any = id
        if column.type.python_type is int:
            key = int(id) if str(id).isascii() and str(id).isdigit() else 0
            if not 0 < key <= _LARGEST_ID:
                abort(404)
        row = reading().get(self.model, key)
        return row if row is not None else abort(404)

    def rows_still_there(self, ids: Iterable[str]) -> Iterator[Any]:
        """The rows of these keys; the next page mentions each that is gone."""
        for each in ids:
            try:
                row = self.get_one(each)
            except NotFound:
                flash("One of them no longer exists.", "error")
            else:
                yield row

    def done_to_each(self, ids: Iterable[str], work: Callable[[Session, Any], object]) -> int:
        """Do the same to the rows of these keys, each in a transaction of its own.

        Args:
            work: Returns something; may raise UserError.

        Returns:
            To how many it was done; the next page says why not to the others.
        """

        def done_to(row: Any) -> bool:
            return self._written(None, lambda session: work(session, row)) is not None

        return sum(map(done_to, self.rows_still_there(ids)))

    def _get_list_value(self, context: Any, model: Any, name: str, *formatters: Any) -> Any:
        """What a cell shows; a row with something strange in it stops neither list nor export."""
        try:
            return super()._get_list_value(context, model, name, *formatters)
        except SQLAlchemyError:  # it is not about this row
            raise
        except Exception:
            key = self.get_pk_value(model)
            logger.exception("%s: %s of %s cannot be shown", self.endpoint, name, key)
            return UNSHOWABLE

    def render(self, template: str, **values: Any) -> ResponseReturnValue:
        """A page; with status 422 if it shows a form that was refused."""
        page: str = super().render(template, **values)
        form = values.get("form")
        return (page, 422) if request.method == "POST" and form and form.errors else page

    def handle_view_exception(self, exc: Exception) -> bool:
        """No error text of the database reaches a page."""
        logger.error("%s: %s", self.endpoint, exc, exc_info=exc)
        flash("This failed: the log says why.", "error")
        return True

    def shown_filters(self, active: list[Any] | None) -> list[ShownFilter]:
        """The fields above the list.

        Args:
            active: Flask-Admin's tuples (index, name, value) of what is chosen.
        """
        chosen = {index: value for index, _, value in active or []}
        return [
            ShownFilter(
                argument=f"flt0_{self.get_filter_arg(index, each)}",
                label=each.name,
                value=chosen.get(index, ""),
                options=each.choices(chosen.get(index, "")),
                unchosen=each.unchosen,
                input_type=each.input_type,
            )
            for index, each in enumerate(self._filters or [])
        ]

    def get_filter_arg(self, _index: int, flt: Filter) -> str:
        """A filter's name in the address of the list."""
        return re.sub(r"\W+", "_", flt.name.lower())

    # Lists and what is taken out of them.

    def get_list(
        self, page: int | None, *arguments: Any, page_size: int | None = None, **options: Any
    ) -> tuple[Any, Any]:
        """The rows of one page, and how many there are in all: `most_counted` + 1 means more."""
        options["execute"] = False
        _, query = super().get_list(page, *arguments, page_size=page_size, **options)
        rows, size = query.all(), page_size or self.page_size
        before = (page or 0) * size
        # The last page says itself how many there are.
        if len(rows) < size and (rows or not before):
            return before + len(rows), rows
        keys = inspect(self.model).primary_key
        everything = query.limit(None).offset(None).order_by(None)
        first = everything.with_entities(*keys).limit(self.most_counted + 1)
        return reading().scalar(select(func.count()).select_from(first.subquery())), rows

    def count_words(self, count: int) -> str:
        """How many there are in all, as the list says below."""
        if count > self.most_counted:
            return f"more than {self.most_counted:,}: use the filters to see older ones"
        return f"{count:,} in all"

    def _get_list_filter_args(self) -> Any:
        # Filters are always shown, also those in which nothing was chosen.
        given = super()._get_list_filter_args()
        return given and [each for each in given if each[2] != ""]

    def _get_list_extra_args(self) -> ViewArgs:
        given: ViewArgs = super()._get_list_extra_args()
        # Other names do not come along into the list's links: one that `url_for` has for itself would
        # break the page.
        given.extra_args = {}
        given.page = min(max(given.page or 0, 0), _LARGEST_ID // max(self.page_size_options))
        return given

    def _export_csv(self, return_url: str) -> ResponseReturnValue:
        return download(self, "csv")

    def _export_tablib(self, export_type: str, return_url: str) -> ResponseReturnValue:
        return download(self, export_type)
