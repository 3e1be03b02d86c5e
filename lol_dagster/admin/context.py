"""What every request works with: settings, database, the time, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

from flask import Flask, current_app, g

from lol_dagster.admin.probing import Probes
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.pictures.artist import Artist, artist_of
from lol_dagster.riot.client import RiotClient, riot_client
from lol_dagster.services.web_address import THIS_MACHINE, WebAddress
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

_EXTENSION = "lol_dagster"
_LONGEST_WAIT_S = 10.0
"""How long a page waits for Riot's rate limits before it gives up."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class AdminContext:
    """What the pages work with. Nothing is opened before it is used."""

    settings: Settings
    database: Database
    now: Callable[[], datetime] = utc_now
    address: WebAddress = THIS_MACHINE
    demo: bool = False
    """Whether this is the demo: no sign-in, and a banner that says so."""
    probes: Probes = field(default_factory=Probes)

    def install(self, app: Flask) -> None:
        """Make this the context of an app."""
        app.extensions[_EXTENSION] = self

    @cached_property
    def transports(self) -> Mapping[str, Transport]:
        """By `Channel.kind`."""
        return all_transports(self.settings)

    @cached_property
    def artist(self) -> Artist:
        """Draws cards."""
        return artist_of(self.settings)

    @cached_property
    def riot(self) -> RiotClient:
        """
        Raises:
            SettingsError: there is no API key.
        """
        return riot_client(self.settings, self.database, longest_wait_s=_LONGEST_WAIT_S)


def admin_context() -> AdminContext:
    """The context of the app that serves this request."""
    return cast(AdminContext, current_app.extensions[_EXTENSION])


def sign_request(name: str) -> None:
    """Note who makes this request."""
    g.who = name


def is_signed_in() -> bool:
    return "who" in g


def current_who() -> str:
    """The signed-in person's name, for the audit trail."""
    name: str = g.who
    return f"{name} (web)"
