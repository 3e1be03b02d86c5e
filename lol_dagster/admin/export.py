"""What a list shows, taken away as CSV or JSON.

A cell that a spreadsheet would take for a formula begins with an apostrophe in CSV: names come from
players, and `=HYPERLINK(…)` is a name.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Response, stream_with_context
from markupsafe import Markup

from lol_dagster.admin.context import admin_context

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\0")


def download(view: Any, kind: str) -> Response:
    """The rows of a list under its filters, search and order, in the columns of its export.

    Args:
        view: A `BaseModelView`.
        kind: `csv` or `json`.
    """
    _, rows = view._export_data()  # noqa: SLF001 - Flask-Admin's way to the list's rows
    columns = [name for name, _ in view._export_columns]  # noqa: SLF001
    cells = ([view.get_export_value(row, name) for name in columns] for row in rows)
    lines = _csv(columns, cells) if kind == "csv" else _json(columns, cells)
    name = f"{view.endpoint}-{admin_context().now():%Y-%m-%dT%H%M}Z.{kind}"
    return Response(
        stream_with_context(lines),
        mimetype="text/csv" if kind == "csv" else "application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    text = _plain(value)
    if isinstance(text, str) and text.lstrip(" ").startswith(_FORMULA):
        return f"'{text}"
    return text


def _csv(columns: list[str], rows: Iterator[list[Any]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)
    for row in itertools.chain([columns], rows):
        writer.writerow([safe_cell(value) for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _json(columns: list[str], rows: Iterator[list[Any]]) -> Iterator[str]:
    yield "["
    between = "\n"
    for row in rows:
        shown = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        yield between + json.dumps(shown, ensure_ascii=False)
        between = ",\n"
    yield "\n]\n"


def _plain(value: Any) -> Any:
    """A value as JSON and CSV have it."""
    if isinstance(value, Markup):
        return value.striptags()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return str(value)


def attachment(body: bytes | str, name: str) -> Response:
    """A file to be saved.

    Args:
        name: Plain ASCII, such as `NA1_5012345678.json`.
    """
    return Response(
        body,
        mimetype="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
