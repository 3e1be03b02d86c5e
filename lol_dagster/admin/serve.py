"""Serving the web view: waitress, until it is told to stop."""

from __future__ import annotations

from typing import Any

from flask import Flask
from waitress.server import create_server

from lol_dagster.admin.reach import Reach

_THREADS = 6
_LARGEST_REQUEST = 2_000_000  # bytes; beyond what the app itself refuses with a page


def make_server(app: Flask, reach: Reach) -> Any:
    """A server that listens already; its `run` serves until a signal or `close`.

    Raises:
        OSError: the port is taken.
    """
    proxy = (
        {
            "trusted_proxy": "*",
            "trusted_proxy_count": 1,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        }
        if reach.is_behind_https
        else {}
    )
    return create_server(
        app,
        host=reach.host,
        port=reach.port,
        threads=_THREADS,
        ident=None,
        clear_untrusted_proxy_headers=True,
        max_request_body_size=_LARGEST_REQUEST,
        **proxy,
    )
