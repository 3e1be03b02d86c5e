"""Requests that another site makes a browser send are refused before anything else is done.

Three walls: the Host header must be a name of ours (a rebound DNS name is not), a write must come
from a page of ours (Sec-Fetch-Site and Origin), and it must carry the form's token (CSRFProtect).
"""

from __future__ import annotations

from flask import Flask, abort, request

_READS = {"GET", "HEAD", "OPTIONS"}


def refuse_foreign_requests(app: Flask) -> None:
    @app.before_request
    def refuse() -> None:
        if any("\0" in value for value in (*request.args.values(), request.path)):
            abort(400)
        if request.method in _READS:
            return
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get("Origin", request.host_url.rstrip("/"))
        if site not in {"same-origin", "none"} or origin != request.host_url.rstrip("/"):
            abort(403)
