"""Messages: what is said in which channel, and every call that was made to deliver it.

docs/delivery.md explains the protocol whose state these rows are.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.models.roster import Channel
from lol_dagster.storage.types import UtcDateTime, choice, only_where

MESSAGE_KINDS = ("game", "catch_up", "alert", "test")
MESSAGE_STATES = (
    "pending",
    "sending",
    "uncertain",
    "blocked",
    "delivered",
    "needs_review",
    "dropped",
)
AUDIT_FINDINGS = ("stands", "deleted", "older_text", "altered", "duplicate", "hidden")
EVIDENCE = ("response", "scan", "nonce_deleted", "operator")

CONTRADICTORY = (
    "(state IN ('pending', 'uncertain', 'blocked', 'needs_review', 'dropped') AND evidence IS NOT NULL)"
    " OR (state IN ('needs_review', 'dropped') AND due_at IS NOT NULL)"
    " OR (state IN ('pending', 'sending', 'uncertain', 'blocked') AND due_at IS NULL)"
    " OR (state IN ('pending', 'blocked') AND sent_maybe)"
    " OR (state = 'uncertain' AND NOT sent_maybe)"
    " OR (state = 'sending' AND lease_until IS NULL)"
    " OR (state = 'delivered' AND (evidence IS NULL OR delivered_at IS NULL))"
)
"""Of a message whose row says two things at once: a delivered one may only be at rest, or leased for an edit;
one that is open is due some time, else no delivery run would ever find it."""
WITHOUT_ID = "state = 'delivered' AND remote_id IS NULL AND evidence IN ('response', 'scan')"
"""Of a message that was seen in its channel, without an id."""
WRONG_FINDINGS = ("older_text", "altered", "duplicate", "hidden")
"""Of an audit: what should not be. That somebody deleted a message is a fact."""
IS_WRONG = f"finding IN {WRONG_FINDINGS}"


class Message(Base):
    """One thing to say in one channel, and how far its delivery has come.

    `lease_until`, `settle_until` and `first_sent_at` are seconds of the delivery clock named in
    `clock` (on SQLite a boot of the machine, on PostgreSQL the server): wall clocks step.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("channel_id", "subject", "kind"),
        # What a deliverer claims next; partial, as nearly all rows are delivered and never due.
        Index("ix_messages_due", "due_at", "order_at", **only_where("due_at IS NOT NULL")),
        Index("ix_messages_state_created_at", "state", "created_at"),
        Index("ix_messages_subject", "subject"),
        Index("ix_messages_created_at", "created_at"),
        # How many, with their kind, so that the rows themselves need not be read.
        Index("ix_messages_delivered_at", "delivered_at", "kind"),
        # What stands in a channel, newest last: the check that its history is visible.
        Index(
            "ix_messages_standing",
            "channel_id",
            "delivered_at",
            **only_where("remote_id IS NOT NULL"),
        ),
        # A channel's latest catch-up message.
        Index("ix_messages_channel_id_kind_created_at", "channel_id", "kind", "created_at"),
        # Whose newest text does not stand in the channel, although nothing is due.
        Index(
            "ix_messages_outdated",
            "delivered_at",
            **only_where("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"),
        ),
        # Never any, unless there is a bug.
        Index("ix_messages_contradictory", "id", **only_where(CONTRADICTORY)),
        Index("ix_messages_without_id", "channel_id", **only_where(WITHOUT_ID)),
        # A channel's latest messages of any kind.
        Index("ix_messages_channel_id_created_at", "channel_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    subject: Mapped[str] = mapped_column(String(80))
    """The match id, or what else the message is about: `catch-up:…`, `alert:…`."""
    kind: Mapped[str] = mapped_column(choice(*MESSAGE_KINDS, name="kind"))
    order_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the game ended: messages of a channel go out in this order where that costs nothing."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """messages.content.MessageContent as JSON: what to say, for no particular platform."""
    desired_rev: Mapped[int] = mapped_column(default=1)
    desired_hash: Mapped[str] = mapped_column(String(64))
    """sha256 of the canonical JSON of `content`; the revision grows only when it changes."""

    state: Mapped[str] = mapped_column(choice(*MESSAGE_STATES, name="state"), default="pending")
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Not before this; None: nothing to do. A delivered row is due when an edit is."""
    nonce: Mapped[str] = mapped_column(String(25))
    """The same for every attempt: Discord takes at most 25 characters."""
    fence: Mapped[int] = mapped_column(default=0)
    """Grows with every claim; a result is written only under the fence it was claimed with."""
    lease_owner: Mapped[str | None] = mapped_column(String(120))
    clock: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[float | None]
    settle_until: Mapped[float | None]
    first_sent_at: Mapped[float | None]
    sent_maybe: Mapped[bool] = mapped_column(default=False)
    """Committed before the first byte of a POST leaves; true forever after, unless that very
    attempt provably sent nothing."""
    uncertain_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when it is tried in vain: proof that it was not posted begins it anew, unless server errors
    have been counted."""
    after_id: Mapped[str | None] = mapped_column(String(64))
    """Where in the channel's history to begin looking for it: a place of the service's own time."""
    scan_position: Mapped[str | None] = mapped_column(Text)
    """Where the search of the channel's history goes on, with what it has seen; None: it begins."""
    scan_pages: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many pages that search has read."""
    sent_rev: Mapped[int | None]
    """The revision of the last POST or PATCH that may have gone out."""
    remote_id: Mapped[str | None] = mapped_column(String(64))
    remote_rev: Mapped[int | None]
    given_up_rev: Mapped[int | None]
    """The newest revision that an older one in the channel is not to be edited into."""
    remote_deleted: Mapped[bool] = mapped_column(default=False)
    """It was delivered and somebody deleted it: never posted again."""
    evidence: Mapped[str | None] = mapped_column(choice(*EVIDENCE, name="evidence"))
    """What proves that it was delivered."""
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    uncertain_rounds: Mapped[int] = mapped_column(default=0)
    proven_absent: Mapped[int] = mapped_column(default=0)
    """Times that a server error was followed by proof that nothing had been posted, while the service
    took other messages."""
    edit_rounds: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(500))

    channel: Mapped[Channel] = relationship()
    attempt_rows: Mapped[list[Attempt]] = relationship(
        back_populates="message", order_by="Attempt.id"
    )
    games: Mapped[list[MessageGame]] = relationship(back_populates="message")

    def __str__(self) -> str:
        return f"the message {self.id[:8]}"


class MessageGame(Base):
    """Which games a message announces. The key makes "once per game and channel" a constraint."""

    __tablename__ = "message_games"

    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"), primary_key=True)
    match_id: Mapped[str] = mapped_column(
        ForeignKey("matches.match_id"), primary_key=True, index=True
    )
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), index=True)
    since_rev: Mapped[int] = mapped_column(default=1, server_default="1")
    """The message's first revision that says it."""

    message: Mapped[Message] = relationship(back_populates="games")


class Attempt(Base):
    """One call to a channel. Append-only: the intent is written before it, the outcome after."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_message_id", "message_id"),
        # Messages that were posted twice.
        Index("ix_attempts_names_another", "message_id", **only_where("names_another")),
        # How much was retried lately.
        Index("ix_attempts_at", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"))
    fence: Mapped[int]
    op: Mapped[str] = mapped_column(choice("POST", "PATCH", "SCAN", "GET", "DELETE", name="op"))
    rev: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(24))
    """How the answer was classed; None: the process died before it could say."""
    http_status: Mapped[int | None]
    code: Mapped[str | None] = mapped_column(String(80))
    """The remote's own error code: Discord's number, Slack's word."""
    request_id: Mapped[str | None] = mapped_column(String(120))
    remote_id: Mapped[str | None] = mapped_column(String(64))
    """Under which id the answer says the message stands: two different ones are a duplicate."""
    names_another: Mapped[bool] = mapped_column(default=False, server_default=false())
    """An earlier call has named another id for the same message."""
    elapsed_ms: Mapped[int | None]
    detail: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(String(64))
    retry: Mapped[bool] = mapped_column(default=False, server_default=false())
    """It repeats a POST or PATCH; counted against the channel's retry budget."""
    body_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the request's body as JSON with sorted keys, known before it is sent; None: no body."""
    address: Mapped[str | None] = mapped_column(String(16))
    """A fingerprint of the address that it was made to; None: not known."""

    message: Mapped[Message] = relationship(back_populates="attempt_rows")


class MessageText(Base):
    """What a former revision of a message said, if it may have been sent; the newest is in `messages`."""

    __tablename__ = "message_texts"

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    rev: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)


class MessagePicture(Base):
    """How the picture of a posted message has fared."""

    __tablename__ = "message_pictures"

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    rev: Mapped[int]
    """The message's revision that says what the one before says, and has a picture; 0: none does, as the first
    edit had something else to say, too."""
    digest: Mapped[str] = mapped_column(String(64))
    """Of the card that `failed` is about, or `icons`."""
    failed: Mapped[str | None] = mapped_column(String(500))
    """Why the message stays without that picture; None: it has not failed."""
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Where a picture is uploaded beforehand: when that was first tried with this one."""
    file_id: Mapped[str | None] = mapped_column(String(64))
    """What was uploaded, by the service's id for it."""
    is_ready: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The service says that it can be shown."""


class MessageAudit(Base):
    """What the last audit of a delivered message found in its channel."""

    __tablename__ = "message_audits"
    __table_args__ = (Index("ix_message_audits_wrong", "at", **only_where(IS_WRONG)),)

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    finding: Mapped[str] = mapped_column(choice(*AUDIT_FINDINGS, name="finding"))
    detail: Mapped[str | None] = mapped_column(Text)


class Breaker(Base):
    """A destination or a token that is not to be called for now.

    `scope` is `channel:<id>`, `channel:<id>:edit` or `channel:<id>:scan` for kinds of call, or a transport's
    `token_scope` such as `discord-token`.
    """

    __tablename__ = "breakers"

    scope: Mapped[str] = mapped_column(String(120), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    """Transport failures in a row."""
    open_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    dead: Mapped[bool] = mapped_column(default=False)
    """No call at all until the operator has changed something."""
    reason: Mapped[str | None] = mapped_column(String(500))
    fingerprint: Mapped[str | None] = mapped_column(String(16))
    """Of the token or address that was refused: another one is tried at once."""
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SendBucket(Base):
    """What a rate limit last said: no such call before `not_before`. `scope` is as that of a breaker,
    `service:<name>`, or `uploads:<token>`.
    """

    __tablename__ = "send_buckets"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
