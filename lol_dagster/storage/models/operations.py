"""What the system notes about itself: request budgets, audit trail, installation facts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.types import UtcDateTime


class RateWindow(Base):
    """One of the rate limits that Riot's headers told us of: `limit` calls in `seconds`.

    `scope` is `<key fingerprint>/<route>/app` or `…/<method name>`.
    """

    __tablename__ = "rate_windows"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True)
    """The window's length."""
    limit: Mapped[int] = mapped_column("max_calls")


class RateCall(Base):
    """A call that counts against a scope's windows. A call to Riot has a row in each of its two
    scopes; calls that were not ours, as Riot's counts tell, stand in one row together.
    """

    __tablename__ = "rate_calls"
    __table_args__ = (Index("ix_rate_calls_scope_done_at", "scope", "done_at"),)

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The call's own, the same in both scopes."""
    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    done_at: Mapped[float]
    """Epoch seconds by which Riot had counted it: when its answer came, or while it is under way
    the moment by which it will be over."""
    calls: Mapped[int] = mapped_column(default=1)


class RateHold(Base):
    """A scope that Riot told us to leave alone until a moment (Retry-After). Every scope in use has
    a row, which whoever reserves a call in it locks.
    """

    __tablename__ = "rate_holds"

    scope: Mapped[str] = mapped_column(String(160), primary_key=True)
    until: Mapped[float] = mapped_column(default=0.0)
    """Epoch seconds; in the past: no hold."""
    strikes: Mapped[int] = mapped_column(default=0)
    """Refusals in a row without Retry-After: the pause doubles with each."""


class AuditEntry(Base):
    """One change to a row that people edit, or one decision about a message. Secrets stand as «changed»."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(24))
    """added, changed, removed; of a message: resent, marked delivered, dropped."""
    table: Mapped[str] = mapped_column("table_name", String(40))
    row: Mapped[str] = mapped_column("row_key", String(80))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Fact(Base):
    """A small fact about this installation, such as its salt or a sweep's cursor."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
