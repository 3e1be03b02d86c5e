"""The list of the kinds of channels: the one place that names each transport."""

from __future__ import annotations

from typing import Any, ClassVar

from lol_dagster.delivery.model import NotSent, PostVerdict, Timing
from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    AddressError,
    Answer,
    Capabilities,
    Outgoing,
    ShownIcons,
    Transport,
)
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.delivery.transports.discord_webhook import DiscordWebhook
from lol_dagster.delivery.transports.slack_bot import SlackBot
from lol_dagster.delivery.transports.slack_webhook import SlackWebhook
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings

TRANSPORTS: tuple[type[Transport], ...] = (DiscordBot, DiscordWebhook, SlackBot, SlackWebhook)
"""Adding a kind is an entry here: docs/adding-a-transport.md."""


class UnknownKind(Transport):
    """Stands for a kind that the database names and this version does not have: its channels are
    blocked and say so, and all others go on.
    """

    kind: ClassVar[str] = "unknown"
    label: ClassVar[str] = "Unknown"
    service: ClassVar[str] = "Unknown"
    token_scope: ClassVar[str | None] = "unknown-kind"  # noqa: S105 - a name
    token_fingerprint = "unknown"  # noqa: S105 - none
    """So that what is blocked is open again as soon as a version knows the kind."""
    can_edit: ClassVar[bool] = False

    capabilities = Capabilities(
        identity=None, read_back=False, settle=0.0, promise="Nothing can be delivered there."
    )

    def check_address(self, address: str) -> None:
        raise AddressError(self.unusable(address))

    def shown_address(self, address: str) -> str:
        return "…"

    def unusable(self, address: str) -> str:
        return "this version of lol_dagster has no such kind of channel"

    def render(
        self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS
    ) -> dict[str, Any]:
        return {"text": content.summary}

    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        return Answer(NotSent(self.unusable(address)))


class Transports(dict[str, Transport]):
    """By `Channel.kind`."""

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__({each.kind: each(settings, deadline=deadline) for each in TRANSPORTS})
        self._unknown = UnknownKind(settings, deadline=deadline)

    def __missing__(self, kind: str) -> Transport:
        return self._unknown


def transport_types() -> tuple[type[Transport], ...]:
    """Every kind, in the order in which people are offered them."""
    return TRANSPORTS


def all_transports(settings: Settings, timing: Timing | None = None) -> Transports:
    """One of each kind, as the settings describe it."""
    return Transports(settings, deadline=(timing or Timing()).call)


def transport_type(kind: str) -> type[Transport]:
    """What is known of a kind whatever the settings are.

    Args:
        kind: `Channel.kind`.
    """
    return next((each for each in TRANSPORTS if each.kind == kind), UnknownKind)


def can_edit(kind: str) -> bool:
    """Whether a message that is posted in such a channel can still be changed."""
    return transport_type(kind).can_edit


def kinds_without_ids() -> list[str]:
    """The kinds of channels that give a posted message no id."""
    return [each.kind for each in TRANSPORTS if each.remote_ids is None]
