"""Column types that read the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Enum
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, always aware and in UTC.

    SQLite keeps no zone: it stores the UTC wall time, which sorts and compares as text.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant needs a time zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def choice(*values: str, name: str) -> Enum:
    """A short text that is one of `values`, checked by the database.

    Not a native enum: a PostgreSQL enum type outlives a downgrade and needs DDL of its own to grow.
    """
    options: dict[str, Any] = {"native_enum": False, "create_constraint": True, "length": 24}
    return Enum(*values, name=name, validate_strings=True, **options)
