"""Requests that another site makes a browser send are refused before anything else is done.

Three walls: the Host header must be a name of ours (a rebound DNS name is not), a write must come
from a page of ours (Sec-Fetch-Site and Origin), and it must carry the form's token (CSRFProtect).
"""

from __future__ import annotations

from flask import Flask, abort, request
from flask_admin.helpers import is_safe_url
from werkzeug.sansio.utils import host_is_trusted

from lol_dagster.admin.house import current_house

_READS = {"GET", "HEAD", "OPTIONS"}


def refuse_foreign_requests(app: Flask) -> None:
    @app.before_request
    def refuse() -> None:
        if not host_is_trusted(request.host, current_house().reach.names):
            abort(400)
        if any("\0" in value for value in (*request.args.values(), request.path)):
            abort(400)
        if request.method in _READS:
            return
        ours = {request.host_url.rstrip("/"), current_house().reach.public_origin}
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
    try:
        is_ours = asked.isprintable() and is_safe_url(asked)
    except ValueError:  # no address at all
        is_ours = False
    return asked if asked and is_ours else otherwise
