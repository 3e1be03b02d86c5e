"""The web view's server (waitress)."""

from __future__ import annotations

import socket
from typing import Any

from flask import Flask
from waitress.server import create_server

from lol_dagster.errors import UserError
from lol_dagster.services.web_address import WebAddress

_THREADS = 6
# Whoever leaves requests unfinished holds connections, not threads: many are allowed, and none is kept for long.
_MOST_CONNECTIONS = 1000
_UNFINISHED_FOR = 15  # seconds without a byte
_LARGEST_REQUEST = 2_000_000  # bytes; beyond what the app itself refuses with a page


def make_server(app: Flask, address: WebAddress) -> Any:
    """A server that listens already; its `run` serves until a signal or `close`.

    Raises:
        UserError: it cannot listen there: the port is taken, or the address is not this machine's.
    """
    proxy = (
        {
            # A proxy on this machine, and nobody else: waitress takes only one address.
            "trusted_proxy": "::1" if ":" in address.host else "127.0.0.1",
            "trusted_proxy_count": 1,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        }
        if address.is_behind_https
        else {}
    )
    return create_server(
        app,
        sockets=[_listening(address)],
        threads=_THREADS,
        connection_limit=_MOST_CONNECTIONS,
        channel_timeout=_UNFINISHED_FOR,
        cleanup_interval=5,
        asyncore_use_poll=True,  # select(2) takes no more than 1,024
        ident=None,
        clear_untrusted_proxy_headers=True,
        max_request_body_size=_LARGEST_REQUEST,
        **proxy,
    )


def _listening(address: WebAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise UserError(
            f"{address.host}:{address.port} cannot be listened on ({error.strerror}): end the other "
            "program, or choose another port with --port or LOL_ADMIN_PORT"
        ) from None
