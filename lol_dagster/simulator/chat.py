"""Channels and their messages, the same for Discord and Slack: what was posted, edited and deleted.

Bodies are kept as the service shows them to readers; what they mean is the services' affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lol_dagster.simulator.truth import Clock, TruthLog

Body = dict[str, Any]


@dataclass
class Message:
    """A message in a channel. Times are epoch seconds."""

    id: str
    channel: str
    author: str
    body: Body
    posted_at: float
    edited_at: float | None = None
    deleted_at: float | None = None


class Board:
    """The channels of one service. Not safe for threads by itself."""

    def __init__(self, service: str, truth: TruthLog, clock: Clock) -> None:
        self.service = service
        self._truth = truth
        self._clock = clock
        self._channels: dict[str, dict[str, Message]] = {}
        self.files: dict[str, bytes] = {}
        """What was uploaded, by the service's id for it."""

    @property
    def channels(self) -> dict[str, list[Message]]:
        """Every channel that was ever posted to, with its messages, oldest first."""
        return {name: list(messages.values()) for name, messages in self._channels.items()}

    def post(self, message_id: str, channel: str, author: str, body: Body) -> Message:
        """Create a message."""
        message = Message(message_id, channel, author, body, self._clock())
        self._channels.setdefault(channel, {})[message_id] = message
        self._note("posted", message)
        return message

    def edit(self, message: Message, body: Body) -> None:
        """Put another body in the place of a message's."""
        message.body = body
        message.edited_at = self._clock()
        self._note("edited", message)

    def delete(self, message: Message) -> None:
        """Take a message from its readers; it stays in the truth log and on the page."""
        message.deleted_at = self._clock()
        self._note("deleted", message)

    def find(self, channel: str, message_id: str) -> Message | None:
        """A message that is there and not deleted."""
        message = self._channels.get(channel, {}).get(message_id)
        return None if message is None or message.deleted_at is not None else message

    def newest_first(self, channel: str, older_than: float = 0.0) -> Iterator[Message]:
        """The messages of a channel that are not deleted and at least so many seconds old."""
        until = self._clock() - older_than
        for message in reversed(self._channels.get(channel, {}).values()):
            if message.deleted_at is None and message.posted_at <= until:
                yield message

    def _note(self, event: str, message: Message) -> None:
        self._truth.add(
            event,
            service=self.service,
            channel=message.channel,
            message=message.id,
            author=message.author,
            body=message.body,
        )
