"""What the system notes about itself: request budgets, audit trail, installation facts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.types import UtcDateTime


class RateWindow(Base):
    """One of Riot's rate-limit windows, shared by all processes.

    `scope` is `<key fingerprint>/<route host>/app` or `…/<method name>`.
    """

    __tablename__ = "rate_windows"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True)
    """The window's length."""
    limit: Mapped[int] = mapped_column("max_calls")
    used: Mapped[int] = mapped_column(default=0)
    """Calls reserved or counted since `started_at`."""
    started_at: Mapped[float | None]
    """Epoch seconds of the window's first counted call; None: no window is open."""


class RateHold(Base):
    """A scope that Riot told us to leave alone until a moment (Retry-After)."""

    __tablename__ = "rate_holds"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    until: Mapped[float]
    """Epoch seconds."""
    strikes: Mapped[int] = mapped_column(default=0)
    """Refusals in a row without Retry-After: the pause doubles with each."""


class AuditEntry(Base):
    """One change to a row that people edit. Secrets stand as «changed»."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(24))
    """added, changed, removed."""
    table: Mapped[str] = mapped_column("table_name", String(40))
    row: Mapped[str] = mapped_column("row_key", String(80))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Fact(Base):
    """A small fact about this installation, such as its salt or a sweep's cursor."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
