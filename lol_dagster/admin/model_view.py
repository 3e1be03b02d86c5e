"""The base of every list of rows: Flask-Admin's `ModelView` with the application's manners.

Nothing can be changed unless a view says so. A write is one transaction in which the row is loaded
again; if somebody else has changed it since the form was opened, the person is told what, and what
was typed stays in the form. No error of the database reaches a page.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from flask import abort, flash, request
from flask.typing import ResponseReturnValue
from flask_admin.contrib.sqla import ModelView
from flask_admin.model.base import ViewArgs
from sqlalchemy import func, inspect, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import NotFound
from wtforms import Form, HiddenField

from lol_dagster.admin.display import TYPE_FORMATTERS, sentence
from lol_dagster.admin.export import download
from lol_dagster.admin.filters import Filter, ShownFilter
from lol_dagster.admin.forms import HouseConverter, add_error, move_into_session, typed_fields
from lol_dagster.admin.transactions import RequestDatabase, reading, writing
from lol_dagster.errors import UserError
from lol_dagster.storage.models import Base

logger = logging.getLogger(__name__)

UNSHOWABLE = "cannot be shown: the log says why"
_SEEN = "seen_version"
_LARGEST_ID = 2**31 - 1
_T = TypeVar("_T")


class FieldError(UserError):
    """Something typed into one field cannot be taken."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class BaseModelView(ModelView):
    """A list of rows with details, filters, search and export; read-only unless a view says else.

    A view that lets people change rows sets `can_create`, `can_edit` or `can_delete` and overrides
    `save` or `remove`.
    """

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
    create_words = "Add"
    remove_words = "Remove"
    remove_question = "Remove this?"
    model_form_converter = HouseConverter
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

    # What a view that changes rows overrides.

    def save(self, session: Session, form: Form, row: Any | None) -> Any:
        """Write what was typed.

        Args:
            session: Of the writing transaction.
            form: Valid; related rows in it belong to `session`.
            row: Freshly loaded in `session`; None: a new one is to be made.

        Returns:
            The row.

        Raises:
            UserError: it cannot be done, in words for the person; a `FieldError` stands at its field.
        """
        if row is None:
            row = self.model()
            session.add(row)
        for name, field in typed_fields(form):
            if name != _SEEN:
                field.populate_obj(row, name)
        self._on_model_change(form, row, inspect(row).transient or inspect(row).pending)
        return row

    def remove(self, session: Session, row: Any) -> None:
        """Remove a row.

        Args:
            session: Of the writing transaction.
            row: Freshly loaded in it.

        Raises:
            UserError: it cannot be done, in words for the person.
        """
        session.delete(row)

    def clash(self, error: IntegrityError) -> UserError:
        """What to say when the database refuses rows that do not go together."""
        return UserError(
            "this does not go together with what is there already: somebody may have entered the "
            "same in this moment"
        )

    # How Flask-Admin gets there.

    def create_model(self, form: Form) -> Any:
        return self._written(form, lambda session: self.save(session, form, None))

    def update_model(self, form: Form, model: Any) -> bool:
        def save(session: Session) -> Any:
            row = self._fresh(session, model)
            self._refuse_if_changed(form, row)
            return self.save(session, form, row)

        return self._written(form, save) is not None

    def delete_model(self, model: Any) -> bool:
        def remove(session: Session) -> bool:
            self.remove(session, self._fresh(session, model))
            return True

        return self._written(None, remove) is not None

    def _written(self, form: Form | None, work: Callable[[Session], _T]) -> _T | None:
        """What `work` returns once it is committed; None: it could not be done, and has been said."""
        try:
            with writing() as session:
                if form is not None:
                    move_into_session(form, session)
                done = work(session)
                session.flush()
        except UserError as error:
            refusal = error
        except StaleDataError:
            refusal = UserError("somebody else changed this in the same moment: save again")
        except IntegrityError as error:
            logger.info("%s: refused by the database: %s", self.endpoint, error.orig)
            refusal = self.clash(error)
        else:
            return done
        if form is None:
            flash(sentence(refusal), "error")
        else:
            add_error(form, getattr(refusal, "field", None), sentence(refusal))
        return None

    def _fresh(self, session: Session, row: Any) -> Any:
        """The row as it is now, kept so until the transaction ends.

        Raises:
            UserError: it is not there any more.
        """
        identity = inspect(row).identity
        fresh = session.get(self.model, identity, with_for_update=True)
        if fresh is None:
            raise UserError(f"somebody else has removed {row} meanwhile")
        return fresh

    def _refuse_if_changed(self, form: Form, row: Any) -> None:
        """
        Raises:
            UserError: somebody else has changed the row since the form was opened.
        """
        seen = getattr(form, _SEEN, None)
        if seen is None or seen.data == str(row.version):
            return
        # A second look at what is typed and a second click are what it takes to go on.
        seen.data = str(row.version)
        raise UserError(
            "somebody else has changed this since you opened it, and nothing of yours is saved yet. "
            "What you typed is still here; open the entry in another tab to see what is there now, "
            "then save again if it still holds"
        )

    def scaffold_form(self) -> type[Form]:
        form_class: type[Form] = super().scaffold_form()
        if inspect(self.model).version_id_col is not None:
            setattr(form_class, _SEEN, HiddenField())
        return form_class

    def on_form_prefill(self, form: Form, id: Any) -> None:  # noqa: A002 - Flask-Admin's name
        if request.method == "GET" and hasattr(form, _SEEN):
            form[_SEEN].data = str(self.get_one(id).version)

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
        """The rows of these keys; of each that somebody has removed meanwhile it is said."""
        for each in ids:
            try:
                row = self.get_one(each)
            except NotFound:
                flash("One of them is not there any more.", "error")
            else:
                yield row

    def done_to_each(self, ids: Iterable[str], work: Callable[[Session, Any], object]) -> int:
        """Do the same to the rows of these keys, each in a transaction of its own.

        Args:
            work: Returns something; may raise UserError.

        Returns:
            To how many it was done; of the others it has been said why not.
        """

        def done_to(row: Any) -> bool:
            return self._written(None, lambda session: work(session, row)) is not None

        return sum(map(done_to, self.rows_still_there(ids)))

    def _get_list_value(self, context: Any, model: Any, name: str, *formatters: Any) -> Any:
        """What stands in a cell; a row with something strange in it stops neither list nor export."""
        try:
            return super()._get_list_value(context, model, name, *formatters)
        except SQLAlchemyError:  # it is not about this row
            raise
        except Exception:
            key = self.get_pk_value(model)
            logger.exception("%s: %s of %s cannot be shown", self.endpoint, name, key)
            return UNSHOWABLE

    def render(self, template: str, **values: Any) -> ResponseReturnValue:
        page: str = super().render(template, **values)
        refused = request.method == "POST" and template in {
            self.create_template,
            self.edit_template,
        }
        return (page, 422) if refused else page

    def handle_view_exception(self, exc: Exception) -> bool:
        """Nothing of the database's own words reaches a page."""
        logger.error("%s: %s", self.endpoint, exc, exc_info=exc)
        flash("This could not be done: the log says why.", "error")
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
        """How many there are in all, as it stands below the list."""
        if count > self.most_counted:
            return f"more than {self.most_counted:,}: narrow the list to see those further back"
        return f"{count:,} in all"

    def _get_list_filter_args(self) -> Any:
        # Filters are always shown, also those in which nothing was chosen.
        given = super()._get_list_filter_args()
        return given and [each for each in given if each[2] != ""]

    def _get_list_extra_args(self) -> ViewArgs:
        given: ViewArgs = super()._get_list_extra_args()
        given.page = min(max(given.page or 0, 0), _LARGEST_ID // max(self.page_size_options))
        return given

    def _export_csv(self, return_url: str) -> ResponseReturnValue:
        return download(self, "csv")

    def _export_tablib(self, export_type: str, return_url: str) -> ResponseReturnValue:
        return download(self, export_type)
