"""Makes migrations, and what the tests know of released ones.

    .venv/bin/python tools/migrations.py new "what it does"
    .venv/bin/python tools/migrations.py release

`new` writes the next migration: what Alembic finds different between the newest one and the models.
`release` writes lol_dagster_tests/storage/released/<version>.json: the sha256 of every migration, and
rows for every table as this version has them, with each choice of each column and NULL wherever that
may be. Tests upgrade them to whatever comes later.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import tempfile
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Column, Enum, Table

from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import Keyring
from lol_dagster.storage.models import Base
from lol_dagster.storage.schema import alembic_config, upgrade
from lol_dagster.storage.types import AddressText

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ROOT / "lol_dagster/storage/migrations/versions"
RELEASED = ROOT / "lol_dagster_tests/storage/released"
_SECRET_KEY = "a key for tests that opens nothing anywhere"  # noqa: S105 - of test data
_WEBHOOK = "https://discord.com/api/webhooks/1/secret"
_BEGINNING = datetime(2026, 11, 28, 12, tzinfo=UTC)
_KINDS = {"UtcDateTime": "instant", "LargeBinary": "bytes", "JSON": "json", "Boolean": "boolean",
          "Integer": "integer", "BigInteger": "integer", "Double": "float", "Float": "float"}  # fmt: skip


def new(message: str) -> None:
    """Write the next migration."""
    newest = max(int(path.name[:4]) for path in VERSIONS.glob("[0-9]*.py"))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/lol.sqlite3")
        upgrade(database, lock_file=Path(folder) / "lock")
        with database.engine.connect() as connection:
            config = alembic_config(connection)
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.revision(config, message, autogenerate=True, rev_id=f"{newest + 1:04d}")
        database.dispose()


def release() -> None:
    """Write the file of pyproject.toml's version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    file = RELEASED / f"{version}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(_with_a_line_per_row(released()))


def released() -> dict[str, Any]:
    """What the tests know of this version."""
    migrations = sorted(VERSIONS.glob("[0-9]*.py"))
    tables = {}
    count: dict[str, int] = {}
    for table in Base.metadata.sorted_tables:
        choices = [len(each.type.enums) for each in table.columns if isinstance(each.type, Enum)]
        count[table.name] = max(2, *choices, 0)
        tables[table.name] = {
            "columns": {column.name: _kind(column) for column in table.columns},
            "rows": [_row(table, number, count) for number in range(count[table.name])],
        }
    return {
        "revision": migrations[-1].name[:4],
        "migrations": {path.name: sha256(path) for path in migrations},
        "secret_key": _SECRET_KEY,
        "tables": tables,
    }


def _with_a_line_per_row(content: dict[str, Any]) -> str:
    rows = [row for table in content["tables"].values() for row in table["rows"]]
    lines = {
        f'"row {number}"': json.dumps(row, ensure_ascii=False) for number, row in enumerate(rows)
    }
    numbers = iter(range(len(rows)))
    for table in content["tables"].values():
        table["rows"] = [f"row {next(numbers)}" for _ in table["rows"]]
    text = json.dumps(content, indent=1, ensure_ascii=False)
    for name, line in lines.items():
        text = text.replace(name, line, 1)
    return text + "\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _row(table: Table, number: int, count: dict[str, int]) -> list[Any]:
    return [
        _value(column, number, position, count) for position, column in enumerate(table.columns)
    ]


def _value(column: Column[Any], number: int, position: int, count: dict[str, int]) -> Any:
    if column.nullable and number % 2:
        return None
    for key in column.foreign_keys:
        target = key.column
        same = number % count[target.table.name]
        return _value(target, same, list(target.table.columns).index(target), count)
    if isinstance(column.type, Enum):
        return column.type.enums[number % len(column.type.enums)]
    if isinstance(column.type, AddressText):
        secret = Keyring(_SECRET_KEY, Path("none")).encrypt(_WEBHOOK)
        return secret if number % 2 else "420420420420420420"
    kind = _kind(column)
    if kind == "instant":
        return (_BEGINNING + timedelta(days=number, hours=position)).isoformat()
    by_kind: dict[str, Any] = {
        "bytes": base64.b64encode(bytes(range(number, 256))).decode(),
        "json": {"text": "Ö \U0001f40d", "numbers": [number, 0.5], "nothing": None},
        "boolean": number % 2 == 0,
        "integer": number + 1,
        "float": number + 0.25,
    }
    if kind in by_kind:
        return by_kind[kind]
    return f"{column.name} {number} Ö"[-(getattr(column.type, "length", None) or 100) :]


def _kind(column: Column[Any]) -> str:
    return _KINDS.get(type(column.type).__name__, "text")


def main(arguments: list[str]) -> None:
    if re.fullmatch(r"new [^\n]+", " ".join(arguments)) and len(arguments) == 2:
        new(arguments[1])
    elif arguments == ["release"]:
        release()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
