"""What there is to say of calls over the network without making one: what we call ourselves, and how one fails.

Apart from http.py, as whoever only asks what a channel can do needs none of the libraries that make calls.
"""

# ruff: noqa: N818 - NotSent and MaybeSent are what happened, and read better without «Error»

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def user_agent() -> str:
    """What we say that we are, where a service asks for no other form."""
    return f"lol_dagster/{version('lol-dagster')}"


class TransportError(Exception):
    """No complete answer came. Names the host and what happened, never the path, the parameters or
    the headers: a webhook's URL is a secret.
    """


class NotSent(TransportError):
    """Not one byte of the request can have reached the server: no address, no connection, no TLS."""


class MaybeSent(TransportError):
    """The request, or a part of it, left; the server may or may not have acted on it."""
