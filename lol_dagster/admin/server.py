"""The web view's address and its server (waitress)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from waitress.server import create_server

from lol_dagster.errors import UserError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class WebAddress:
    """Where it listens and how people get there.

    Attributes:
        host: The address that it is bound to.
        port: The port.
        public_url: Where people find it if that is not this machine. With https:// there is a
            reverse proxy in front: cookies are for https alone, and the X-Forwarded-For and
            X-Forwarded-Proto of one on this machine are believed.
    """

    host: str = "127.0.0.1"
    port: int = 3001
    public_url: str | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            UserError: it is no such URL, or there is no name to go by.
        """
        if self.public_url is not None:
            parts = urlsplit(self.public_url)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.hostname
                or parts.path not in {"", "/"}
            ):
                raise UserError(
                    "--public-url should look like https://lol.example.org, without a path"
                )
        elif self.host in {"0.0.0.0", "::"}:  # noqa: S104 - it is what is refused
            raise UserError(
                f"--host {self.host} accepts connections to any address: name the public one with "
                "--public-url, such as https://lol.example.org"
            )

    @property
    def is_behind_https(self) -> bool:
        return self.public_url is not None and urlsplit(self.public_url).scheme == "https"

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a request's Host header may have, without a port."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return (*LOOPBACK_NAMES, own, *([public] if public else ()))

    @property
    def public_origin(self) -> str | None:
        """What a browser says its pages come from, if that is not what the request says."""
        if self.public_url is None:
            return None
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


THIS_MACHINE = WebAddress()
"""For this machine only."""


_THREADS = 6
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
