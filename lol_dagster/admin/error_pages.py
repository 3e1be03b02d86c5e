"""Error pages: plain words, nothing of the code; the log has the rest."""

from __future__ import annotations

import logging

from flask import Flask, Response, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError, default_exceptions

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import sentence
from lol_dagster.errors import UserError
from lol_dagster.storage.database import is_unusable

logger = logging.getLogger(__name__)

_LONGEST_ASKED = 200
_WORDS = {
    400: ("Bad request", "Go back to the previous page and try again."),
    401: ("Not signed in", "Sign in, then try again."),
    403: ("Not allowed", "This request did not come from a page of this site."),
    404: ("Not found", "There is no such page or entry. It may have been removed."),
    405: ("Method not allowed", "This address does not accept that kind of request."),
    413: ("Too large", "The request is larger than anything this site accepts."),
    429: ("Too many attempts", "Wait a moment, then try again."),
    500: (
        "Something went wrong",
        "The log has the details, at the time below. Nothing was changed.",
    ),
}
_NO_DATABASE = (
    "The database cannot be used now",
    "'lol-dagster status', on the machine itself, says why and what helps. Nothing was changed.",
)
_STALE_FORM = (
    "This form has expired",
    "It was opened before you last signed in. Open the page again and re-enter what you typed.",
)


def show_error_pages(app: Flask) -> None:
    for code in default_exceptions:
        app.register_error_handler(code, _http_error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(UserError, _user_error)
    app.register_error_handler(SQLAlchemyError, _unexpected)
    app.register_error_handler(Exception, _unexpected)


def error_page(code: int, title: str, text: str) -> Response:
    """A page that says what went wrong."""
    page = render_template(
        "error.html", code=code, title=title, text=text, at=admin_context().now()
    )
    return make_response(page, code)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, InternalServerError):
        return _unexpected(error.original_exception or error)
    code = error.code or 500
    if code < 400:  # a redirect
        return make_response(error.get_response())
    logger.info("%s: %d", _asked(), code)
    title, text = _WORDS.get(code, (error.name, ""))
    response = error_page(code, title, text)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _stale_form(error: CSRFError) -> Response:
    logger.warning("%s: %s", _asked(), error.description)
    return error_page(400, *_STALE_FORM)


def _user_error(error: UserError) -> Response:
    logger.warning("%s: %s", _asked(), error)
    return error_page(409, "This is not possible now", sentence(error))


def _unexpected(error: BaseException) -> Response:
    logger.error("%s failed", _asked(), exc_info=error)
    if is_unusable(error):
        # Whoever reads this may not be signed in: nothing of where the database is.
        return error_page(503, *_NO_DATABASE)
    return error_page(500, *_WORDS[500])


def _asked() -> str:
    """What was asked for, as the log has it: of an address that anybody can make as long as they like."""
    return f"{request.method} {request.path}"[:_LONGEST_ASKED]
