"""How commands print: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len

from lol_dagster.storage.models import Base

as_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


def print_json(value: Any) -> None:
    """One JSON document; instants in ISO 8601 with their offset."""
    click.echo(json.dumps(value, indent=2, default=_iso))


def print_either(value: Any, as_json: bool, for_people: str | Callable[[], None]) -> None:
    """The value as JSON, or what people read: a sentence, or whatever `for_people` prints."""
    if as_json:
        print_json(value)
    elif isinstance(for_people, str):
        click.echo(for_people)
    else:
        for_people()


def columns_of(row: Base, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Aligned columns, as wide as they need to be.

    Args:
        empty: Said instead when there are no rows.
    """
    cells = [[shown(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    lines = [list(headings), *cells]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def print_section(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = ""
) -> None:
    """A blank line, then as `print_table`; nothing where there are no rows and nothing to say of it."""
    rows = list(rows)
    if rows or empty:
        click.echo()
        print_table(headings, rows, empty=empty)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One `name: value` per line, the values below each other."""
    lines = [(f"{name}:", shown(value)) for name, value in fields]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name:<{width}} {value}")


def shown(value: object) -> str:
    """A value as people read it, on one line and without anything a terminal would obey."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(each) for each in value) or "–"
    return "".join(c if c.isprintable() else "·" for c in str(value))


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
