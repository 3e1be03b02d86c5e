"""Where the web view and Dagster's UI listen, and under which names people find them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from werkzeug.sansio.utils import host_is_trusted

from lol_dagster.errors import UserError

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


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
    def public_name(self) -> str | None:
        name = urlsplit(self.public_url).hostname if self.public_url else None
        return name.encode("idna").decode() if name else None  # as browsers send it

    def is_own_name(self, host: str) -> bool:
        """Whether a request may have this Host header, at whatever port."""
        # werkzeug's list of trusted hosts takes no IPv6 address: so it checks the characters alone.
        ours = {*_LOOPBACK_NAMES, self.host.lower(), self.public_name or self.host.lower()}
        return host_is_trusted(host) and name_in(host) in ours

    @property
    def public_origin(self) -> str | None:
        """What a browser says its pages come from, if that is not what the request says."""
        if self.public_url is None:
            return None
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    def public_url_at(self, port: int) -> str | None:
        """What else the proxy has under the public name, at a port of its own."""
        if self.public_url is None:
            return None
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc.removesuffix(f':{parts.port}')}:{port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def name_in(host: str) -> str | None:
    """The name in a Host header, without port and brackets."""
    return urlsplit(f"//{host}").hostname


THIS_MACHINE = WebAddress()
"""For this machine only."""
