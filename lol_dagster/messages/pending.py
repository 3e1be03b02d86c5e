"""A message that is to be delivered, as a row."""

from __future__ import annotations

from datetime import datetime

from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import delivery_nonce
from lol_dagster.storage.models import Message


def pending_message(
    salt: str,
    message_id: str,
    *,
    channel_id: int,
    kind: str,
    subject: str,
    order_at: datetime,
    content: MessageContent,
    now: datetime,
) -> Message:
    """The row, not yet added to a session; due at once.

    Args:
        salt: The installation's.
    """
    return Message(
        id=message_id,
        channel_id=channel_id,
        kind=kind,
        subject=subject,
        order_at=order_at,
        created_at=now,
        content=content.to_json(),
        desired_rev=1,
        desired_hash=content.content_hash(),
        state="pending",
        due_at=now,
        nonce=delivery_nonce(salt, message_id),
    )
