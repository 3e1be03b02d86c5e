"""Searching for a part of a text, whatever its case, in every script. SQLite's own LIKE and lower() fold
ASCII alone.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Boolean, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.expression import FunctionElement

SQLITE_FUNCTION = "lol_folded"


def folded(text: str | None) -> str | None:
    """What SQLite calls `SQLITE_FUNCTION`: the text without its case."""
    return None if text is None else unicodedata.normalize("NFC", text).casefold()


class _HasPart(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


def has_part(
    column: ColumnElement[str] | InstrumentedAttribute[str], part: str
) -> ColumnElement[bool]:
    """Condition: the text has this part, in whatever case. Nothing in it is a wildcard."""
    # A PostgreSQL server whose locale is C folds ASCII alone: it is given the usual spellings.
    return _HasPart(column, *map(literal, (part, part.lower(), part.upper(), part.capitalize())))


@compiles(_HasPart)
def _with_lower(element: _HasPart, compiler: Any, **options: Any) -> str:
    text, *parts = (compiler.process(each, **options) for each in element.clauses)
    return " OR ".join(f"strpos(lower({text}), lower({part})) > 0" for part in parts).join("()")


@compiles(_HasPart, "sqlite")
def _with_our_function(element: _HasPart, compiler: Any, **options: Any) -> str:
    text, part, *_ = (compiler.process(each, **options) for each in element.clauses)
    return f"instr({SQLITE_FUNCTION}({text}), {SQLITE_FUNCTION}({part})) > 0"
