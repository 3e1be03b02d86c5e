"""Requests that another site makes a browser send are refused before anything else is done.

Three walls: the Host header must be a name of ours (a rebound DNS name is not), a write must come
from a page of ours (Sec-Fetch-Site and Origin), and it must carry the form's token (CSRFProtect).
What no page of ours can be asked for, and no database stores, is refused here, too, once for all.
"""

from __future__ import annotations

from itertools import chain

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue
from flask_admin.helpers import is_safe_url
from werkzeug.sansio.utils import host_is_trusted

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.errors import error_page

_READS = {"GET", "HEAD", "OPTIONS"}
_NUL = (
    "This cannot be stored",
    "There is a character in it that no text has (NUL). Go back, type it anew, and try again.",
)


def refuse_foreign_requests(app: Flask) -> None:
    @app.before_request
    def refuse() -> ResponseReturnValue | None:
        if not host_is_trusted(request.host, admin_context().reach.names):
            abort(400)
        if request.method not in _READS:
            _refuse_other_origins()
        # PostgreSQL has no text with a NUL in it, and SQLite one that ends there for some.
        sent = chain(request.args.listvalues(), request.form.listvalues(), [[request.path]])
        if any("\0" in value for values in sent for value in values):
            return error_page(400, *_NUL)
        # Flask-Admin goes back to it, and breaks on one that is no address.
        if not _is_address(request.values.get("url", "")):
            abort(400)
        return None


def _refuse_other_origins() -> None:
    ours = {request.host_url.rstrip("/"), admin_context().reach.public_origin}
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    if site not in {"same-origin", "none"} or (origin is not None and origin not in ours):
        abort(403)


def way_back(asked: str, otherwise: str) -> str:
    """The page that is asked for if it is one of ours.

    Args:
        asked: From a form or an address, so it may be anything.
        otherwise: What it is if not.
    """
    is_ours = _is_address(asked) and asked.isprintable() and is_safe_url(asked)
    return asked if asked and is_ours else otherwise


def _is_address(asked: str) -> bool:
    try:
        is_safe_url(asked)
    except ValueError:
        return False
    return True
