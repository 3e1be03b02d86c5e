"""Column types that read the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import DateTime, Dialect, Enum, String, text
from sqlalchemy.types import TypeDecorator

from lol_dagster.storage.keys import MARK, Keyring

_keyrings: WeakKeyDictionary[Dialect, Keyring] = WeakKeyDictionary()


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


def use_keyring(dialect: Dialect, keyring: Keyring) -> None:
    """Let secrets of this engine's database be encrypted with these keys."""
    _keyrings[dialect] = keyring


class AddressText(TypeDecorator[str]):
    """A channel's address: a URL is a secret and stands encrypted in the database, the id of a
    channel stands as it is. Not to be compared in SQL: the same secret never looks the same twice.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None or "://" not in value else _keys_of(dialect).encrypt(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """
        Raises:
            SecretKeyError: it was encrypted with a key that is not there.
        """
        if value is None or not value.startswith(MARK):
            return value
        return _keys_of(dialect).decrypt(value)


def _keys_of(dialect: Dialect) -> Keyring:
    keyring = _keyrings.get(dialect)
    if keyring is None:
        raise RuntimeError("this database was opened without the keys to its secrets")
    return keyring


def only_where(condition: str) -> dict[str, Any]:
    """What makes an `Index` of a table partial on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def choice(*values: str, name: str) -> Enum:
    """A short text that is one of `values`, checked by the database.

    Not a native enum: a PostgreSQL enum type outlives a downgrade and needs DDL of its own to grow.
    """
    options: dict[str, Any] = {"native_enum": False, "create_constraint": True, "length": 24}
    return Enum(*values, name=name, validate_strings=True, **options)
