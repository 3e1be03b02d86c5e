"""A message's row as the protocol knows it, and what the protocol may count on in its channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from sqlalchemy.orm import Session

from lol_dagster.delivery.model import Row, Terms, Timing
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.storage.models import Channel, ChannelProbe, Message

_ROW = [each.name for each in fields(Row)]
_NEVER_WRITTEN = {"id", "created_at", "desired_rev"}
"""Not the deliverer's to change: what is to be said may change at any time."""


def terms_of(
    session: Session, channel: Channel, transports: Mapping[str, Transport], timing: Timing
) -> Terms:
    """What the protocol may count on in a channel."""
    transport = transports[channel.kind]
    can = transport.capabilities
    probe = session.get(ChannelProbe, channel.id)
    return Terms(
        settle=can.settle,
        nonce=can.identity == "nonce",
        read_back=can.read_back and (probe is None or probe.can_read_back is not False),
        edit=transport.can_edit,
        resend=channel.uncertain == "resend",
        timing=timing,
    )


def row_of(message: Message) -> Row:
    """The part of a message that the core knows."""
    return Row(**{name: getattr(message, name) for name in _ROW})


def write_row(message: Message, row: Row) -> None:
    """Put what a step has made of it back."""
    for name in _ROW:
        if name not in _NEVER_WRITTEN:
            setattr(message, name, getattr(row, name))
