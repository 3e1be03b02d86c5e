"""What every request must satisfy, and what every response tells the browser.

Requests that another site makes a browser send are refused before anything else is done. Three checks:
the Host header must be a name of ours (a rebound DNS name is not), a write must come from a page of
ours (Sec-Fetch-Site and Origin), and it must have the form's token (CSRFProtect). What no page of
ours asks for and no database stores is refused here as well. Responses allow nothing from elsewhere,
nothing inline, and nothing to be kept.
"""

from __future__ import annotations

from itertools import chain

from flask import Flask, Response, abort, request
from flask.typing import ResponseReturnValue

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.error_pages import error_page

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_headers(app: Flask) -> None:
    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.update(HEADERS)
        # Our own style and script have their content's print in the address.
        may_be_kept = request.endpoint == "static" and "v" in request.args
        response.headers["Cache-Control"] = (
            "private, max-age=31536000, immutable"
            if may_be_kept and response.status_code == 200
            else "no-store"
        )
        return response


_READS = {"GET", "HEAD", "OPTIONS"}
_NUL = (
    "This cannot be stored",
    "It contains a NUL character. Go back, type it again, and try once more.",
)


def refuse_foreign_requests(app: Flask) -> None:
    @app.before_request
    def refuse() -> ResponseReturnValue | None:
        if not admin_context().address.is_own_name(request.host):
            abort(400)
        if request.method not in _READS:
            _refuse_other_origins()
        # PostgreSQL has no text with a NUL in it, and SQLite one that ends there for some.
        sent = chain(request.args.listvalues(), request.form.listvalues(), [[request.path]])
        if any("\0" in value for values in sent for value in values):
            return error_page(400, *_NUL)
        # Flask-Admin goes back to it.
        asked = request.values.get("url")
        if asked and not _is_path(asked):
            abort(400)
        return None


def _refuse_other_origins() -> None:
    ours = {request.host_url.rstrip("/"), admin_context().address.public_origin}
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
    return asked if _is_path(asked) else otherwise


def _is_path(asked: str) -> bool:
    """Whether it leads to a page of this very site, however a browser reads it: one slash, and then
    nothing that could be a host, nor what browsers leave out (tabs) or take for a slash.
    """
    return asked[:1] == "/" and asked[1:2] not in {"/", "\\"} and asked.isprintable()
