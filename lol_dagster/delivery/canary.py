"""The test message that a channel is tried out with."""

from __future__ import annotations

import uuid
from datetime import datetime

from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.messages.nonce import delivery_nonce
from lol_dagster.storage.models import Channel, Message


def canary_content(rev: int) -> MessageContent:
    """What the test message says: as posted (1) and as edited (2)."""
    said = (
        "This channel works." if rev == 1 else "This channel works, and its messages can be edited."
    )
    lines = (
        Line(said),
        Line("It was sent to try the channel out, and is deleted in a moment if that is possible."),
    )
    return MessageContent(
        title="Test message from lol-dagster",
        summary="Test message from lol-dagster: this channel works.",
        sections=(Section(lines),),
        footer="No game was played.",
    )


def canary(channel: Channel, salt: str, now: datetime) -> Message:
    """A test message for a channel, as it is before it is claimed.

    Args:
        salt: The installation's.
    """
    message_id = str(uuid.uuid4())
    content = canary_content(1)
    return Message(
        id=message_id,
        channel_id=channel.id,
        kind="test",
        subject=f"test:{message_id}",
        order_at=now,
        created_at=now,
        due_at=now,
        content=content.to_json(),
        desired_hash=content.content_hash(),
        nonce=delivery_nonce(salt, message_id),
    )
