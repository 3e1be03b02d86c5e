"""What the system notes about itself: rate limits, runs that people requested, audit trail, heartbeats,
alerts, facts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.types import UtcDateTime, choice, only_where

RUN_OUTCOMES = ("processed", "quarantined", "delayed", "deferred", "not_found", "failed")


class RateWindow(Base):
    """One of the rate limits that Riot's headers name: `limit` calls in `seconds`.

    `scope` is `<key fingerprint>/<route>/app` or `…/<method name>`.
    """

    __tablename__ = "rate_windows"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True)
    """The window's length."""
    limit: Mapped[int] = mapped_column("max_calls")
    calls: Mapped[list[tuple[float, int]]] = mapped_column(JSON, default=list)
    """Epoch seconds → how many calls were answered by then, oldest first; those of a window's
    two-hundredth together. Calls that were not ours, as Riot's counts tell, among them."""


class RateCall(Base):
    """A call that is under way. A call to Riot has a row in each of its two scopes."""

    __tablename__ = "rate_calls"
    __table_args__ = (Index("ix_rate_calls_scope_done_at", "scope", "done_at"),)

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The call's own, the same in both scopes."""
    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    done_at: Mapped[float]
    """Epoch seconds by which it will be over, whatever happens to its process."""


class RateHold(Base):
    """A scope in which Riot wants no calls until a moment (Retry-After). Every scope in use has
    a row, which whoever reserves a call in it locks.
    """

    __tablename__ = "rate_holds"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    until: Mapped[float] = mapped_column(default=0.0)
    """Epoch seconds; in the past: no hold."""
    strikes: Mapped[int] = mapped_column(default=0)
    """Refusals in a row without Retry-After: the pause doubles with each."""


class RunRequest(Base):
    """A match that a person wants processed (again), until a run has done it.

    A sensor turns it into a run; whichever run processes the match next completes it.
    """

    __tablename__ = "run_requests"
    __table_args__ = (
        Index("ix_run_requests_open", "requested_at", **only_where("finished_at IS NULL")),
        Index("ix_run_requests_match_id", "match_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    match_id: Mapped[str] = mapped_column(ForeignKey("matches.match_id"))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    requested_by: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(String(200))
    run_key: Mapped[str | None] = mapped_column(String(80))
    """Of the run that was asked for, shared by requests that one run completes; None: not yet."""
    run_id: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a run started on the match."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(choice(*RUN_OUTCOMES, name="outcome"))
    """`delayed`, `deferred`, `not_found`: Riot did not give the game; `failed`: the run came to nothing."""
    detail: Mapped[str | None] = mapped_column(String(500))
    """What came of it, in a line."""


class AuditEntry(Base):
    """One change to a row that people edit, or one decision about a message. Secrets stand as «changed»."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_at", "at"),
        # What was done about one row.
        Index("ix_audit_entries_table_name_row_key", "table_name", "row_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(24))
    """added, changed, removed; of a message: resent, marked delivered, dropped; of a match:
    run requested, ignored."""
    table: Mapped[str] = mapped_column("table_name", String(40))
    row: Mapped[str] = mapped_column("row_key", String(80))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Fact(Base):
    """A small fact about this installation, such as its salt or a cursor."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class Heartbeat(Base):
    """That a part of the system is alive: `up`, `daemon` (a sensor's tick, which needs the code
    server, too), `admin`; of `once` that it has run.
    """

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the process that wrote it first did so."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class RunWorker(Base):
    """The process that works on one of Dagster's runs, as it shows itself to other hosts: on PostgreSQL alone."""

    __tablename__ = "run_workers"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    beat_at: Mapped[float]
    """Its last heartbeat: epoch seconds of the server's clock."""


class Alert(Base):
    """Something that is wrong, from when it was first seen until it was over. At most one open row
    per key; closed rows are history.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "key", unique=True, **only_where("closed_at IS NULL")),
        Index("ix_alerts_key_closed_at", "key", "closed_at"),
        Index("ix_alerts_kind_notified_at", "kind", "notified_at"),
        # Over and not yet said to be over.
        Index(
            "ix_alerts_to_end",
            "closed_at",
            **only_where("notified_at IS NOT NULL AND ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(60))
    """What is wrong: `refused_key`, `quarantined_game:NA1_5012345678`."""
    kind: Mapped[str] = mapped_column(String(24))
    """The check's id: alerts of one kind are summed up where they are many."""
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(String(1000))
    """As it stood when it was last seen."""
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it was first seen; for some, when it is known to have begun."""
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    notify_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Not announced before; None: never, as it is about the channel that it would be announced in."""
    notified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    message_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its end was announced, or it was decided not to announce it."""
    end_message_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id"))


class FailedJob(Base):
    """A job whose last run failed for good; there is no row once a run has succeeded."""

    __tablename__ = "failed_jobs"

    job: Mapped[str] = mapped_column(String(80), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64))
    """The last one that failed."""
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(String(500))
