"""What SQLAlchemy has compiled, for all engines of a test process.

Each test has an engine of its own, and Dagster makes one whenever it opens one of its databases: each would compile
every statement anew, which is a third of what tests of the database take.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Compiled, Dialect, Engine
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache

from lol_dagster.storage.types import AddressText

_SHARED: LRUCache[Hashable, Compiled] = LRUCache(2000)

Key = tuple[Any, ...]
"""The dialect, and what SQLAlchemy tells a statement by."""


class _Statements:
    """In the place of an engine's own cache."""

    def __init__(self) -> None:
        self._own: LRUCache[Key, Compiled] = LRUCache(500)

    def get(self, key: Key) -> Compiled | None:
        return _SHARED.get(_of_any_engine(key)) or self._own.get(key)

    def __setitem__(self, key: Key, compiled: Any) -> None:
        if _has_secrets(compiled):
            self._own[key] = compiled
        else:
            _SHARED[_of_any_engine(key)] = compiled


def _of_any_engine(key: Key) -> Hashable:
    dialect: Dialect = key[0]
    return type(dialect), dialect.statement_compiler, key[1:]


def _has_secrets(compiled: Any) -> bool:
    """Whether what was compiled holds the keys of an engine's database: `storage.types.use_keyring`."""
    types = [each.type for each in compiled.binds.values()]
    types += [each.type for each in compiled._result_columns]
    return any(isinstance(each, AddressText) for each in types)


def _cache_of(engine: Engine) -> Any:
    return vars(engine)["_compiled_cache"]


def _set_cache_of(engine: Engine, cache: object) -> None:
    is_first = not isinstance(cache, _Statements | None)
    vars(engine)["_compiled_cache"] = _Statements() if is_first else cache


@contextmanager
def shared() -> Iterator[None]:
    """Engines that are made from now on share what is compiled."""
    with pytest.MonkeyPatch.context() as patch:
        of_engines = property(_cache_of, _set_cache_of)
        patch.setattr(Engine, "_compiled_cache", of_engines, raising=False)
        patch.setattr(Mapper, "_compiled_cache", _Statements())  # what the ORM inserts and updates
        yield
