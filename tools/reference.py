"""Writes the parts of the documentation that follow from others: docs/reference/{commands,settings,
checks,data-model}.md from the code, docs/decisions/README.md from the pages beside it, and the layers in
docs/architecture.md from pyproject.toml.

    .venv/bin/python tools/reference.py

A test compares what it would write with what is there.
"""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

import click
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from sqlalchemy import Column, Enum, Table
from sqlalchemy.orm import DeclarativeBase, Mapper

from lol_dagster import settings
from lol_dagster.cli import cli
from lol_dagster.monitoring.checks import CHECKS, Check
from lol_dagster.storage.models import Base, delivery, games, roster, system

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DECISIONS = ROOT / "docs" / "decisions"
_WRITTEN = "*Written by `tools/reference.py`: change the code and run it again.*"
_GROUPS = (roster, games, delivery, system)
_ABOUT_THE_TABLES = """\
The tables of the product's own database (SQLite or PostgreSQL), as `lol_dagster/storage/models/`
defines them. Instants are in UTC. **Bold** columns are the primary key; `?` marks a column that may
be NULL."""


def documents() -> dict[Path, str]:
    """Path → what should stand there."""
    return {
        REFERENCE / "commands.md": _commands(),
        REFERENCE / "settings.md": _settings(),
        REFERENCE / "checks.md": _checks(),
        REFERENCE / "data-model.md": _data_model(),
        DECISIONS / "README.md": _decisions(),
        ARCHITECTURE: _architecture(),
    }


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", _WRITTEN, *parts)) + "\n"


# Commands


def _commands() -> str:
    context = click.Context(cli, info_name="lol-dagster")
    parts = [inspect.cleandoc(cli.help or ""), "With `--json` a command prints one JSON document."]
    parts += [part for command in _visible(cli, context) for part in _command(command, context)]
    return _page("Commands", *parts)


def _command(command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=command.name, parent=parent)
    level = "##" if parent.parent is None else "###"
    yield f"{level} `{f'{context.command_path} {_arguments(command)}'.strip()}`"
    yield _paragraphs(command.help or "")
    if options := [each for each in command.params if _is_explained(each)]:
        rows = [(_option(each), _help(each)) for each in options]
        yield _table(("option", "meaning"), rows)
    if command.epilog:
        yield _paragraphs(command.epilog)
    if isinstance(command, click.Group):
        for each in _visible(command, context):
            yield from _command(each, context)


def _visible(group: click.Group, context: click.Context) -> list[click.Command]:
    commands = (group.get_command(context, name) for name in group.list_commands(context))
    return [each for each in commands if each is not None and not each.hidden]


def _arguments(command: click.Command) -> str:
    found = [each for each in command.params if isinstance(each, click.Argument)]
    return " ".join(each.make_metavar(click.Context(command)) for each in found)


def _is_explained(parameter: click.Parameter) -> TypeGuard[click.Option]:
    return isinstance(parameter, click.Option) and parameter.help != "For programs."


def _option(option: click.Option) -> str:
    names = ", ".join(option.opts) + "".join(f" / {each}" for each in option.secondary_opts)
    if option.is_flag or option.count:
        return f"`{names}`"
    return f"`{names} {option.make_metavar(click.Context(click.Command('any')))}`".replace(
        "INTEGER RANGE", "N"
    )


def _help(option: click.Option) -> str:
    parts = [option.help or ""]
    if option.required:
        parts.append("Required.")
    if option.show_default and option.default is not None:
        parts.append(f"Default: `{option.default}`.")
    return " ".join(part for part in parts if part)


def _paragraphs(text: str) -> str:
    """A click help text as Markdown: what its backspace mark keeps from being wrapped is code."""
    found = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            found.append(f"```\n{paragraph.removeprefix(chr(8)).strip()}\n```")
        else:
            found.append(paragraph)
    return "\n\n".join(found)


# Settings


def _settings() -> str:
    meanings = _docstrings(settings)["Settings"]
    rows = [
        (f"`LOL_{name.upper()}`", _in_a_cell(meanings[name]), _default(field))
        for name, field in settings.Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "They come from the environment or from a `.env` file in the working directory; the "
        "environment wins.\nA duration is written `90s`, `30m`, `12h`, `7d` or `1d12h`.",
        _table(("variable", "meaning", "default"), rows),
    )


def _default(field: Any) -> str:
    value = field.default
    if value is None or value is PydanticUndefined:
        return "–"
    if isinstance(value, timedelta):
        return f"`{value.total_seconds() / 3600:g}h`"
    if isinstance(value, SecretStr):
        raise TypeError("a secret has no default")
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


# The data model


_ABOUT_THE_CHECKS = """\
Everything that can be wrong. Each check shows in every face: `status`, the start page and `/healthz`; the
metric `lol_check_failing{check="…"}`; an alert; the dead-man ping, which falls silent; and Dagster's asset
checks, there named `no_…`. Where one is left out, the last column says why."""


def _checks() -> str:
    rows = [
        (f"`{check.id}`", _in_a_cell(check.passes), _announced(check), _left_out(check))
        for check in CHECKS
    ]
    heading = ("check", "passes when", "alert", "left out of")
    return _page("Checks", _ABOUT_THE_CHECKS, _table(heading, rows))


def _announced(check: Check) -> str:
    if "alerts" in check.left_out:
        return "–"
    minutes = int(check.for_.total_seconds() // 60)
    when = f"after {minutes} minutes" if minutes else "at once"
    return f"{when}, one for each" if check.each else when


def _left_out(check: Check) -> str:
    faces: dict[str, list[str]] = {}
    for face, reason in check.left_out.items():
        faces.setdefault(reason, []).append(face)
    return "; ".join(f"{', '.join(each)}: {reason}" for reason, each in faces.items()) or "–"


def _data_model() -> str:
    parts = [_ABOUT_THE_TABLES, _diagram()]
    for module in _GROUPS:
        parts.append(f"## {module.__name__.rpartition('.')[2].capitalize()}")
        parts.append(inspect.cleandoc(module.__doc__ or ""))
        meanings = _docstrings(module)
        for model in _models(module):
            parts.append(f"### {model.__tablename__}")
            parts.append(inspect.cleandoc(model.__doc__ or ""))
            rows = _columns(model, meanings[model.__name__])
            parts.append(_table(("column", "type", "meaning"), rows))
    return _page("Data model", *parts)


def _diagram() -> str:
    lines = ["```mermaid", "erDiagram"]
    for table in Base.metadata.sorted_tables:
        lines += [f"    {line}" for line in _references(table)]
    return "\n".join([*lines, "```"])


def _references(table: Table) -> Iterator[str]:
    for column in table.columns:
        for key in column.foreign_keys:
            target = key.column.table.name
            many = "|o" if column.unique or _is_whole_key(column, table) else "o{"
            one = "|o" if column.nullable else "||"
            yield f"{target} {one}--{many} {table.name} : {column.name}"


def _is_whole_key(column: Column[Any], table: Table) -> bool:
    return list(table.primary_key.columns) == [column]


def _models(module: ModuleType) -> list[type[DeclarativeBase]]:
    mappers: list[Mapper[Any]] = list(Base.registry.mappers)
    found = [each.class_ for each in mappers if each.class_.__module__ == module.__name__]
    return sorted(found, key=lambda model: inspect.getsourcelines(model)[1])


def _columns(model: type[DeclarativeBase], meanings: dict[str, str]) -> Iterator[tuple[str, ...]]:
    for attribute in model.__mapper__.column_attrs:
        (column,) = attribute.columns
        assert isinstance(column, Column)
        name = f"**{column.name}**" if column.primary_key else column.name
        kind = _kind(column) + ("?" if column.nullable else "")
        notes = [f"→ {key.column.table.name}" for key in column.foreign_keys]
        if isinstance(column.type, Enum):
            notes.append(", ".join(f"`{each}`" for each in column.type.enums))
        notes += [_in_a_cell(meanings[attribute.key])] if attribute.key in meanings else []
        yield name, kind, ". ".join(notes)


def _kind(column: Column[Any]) -> str:
    kind = type(column.type).__name__
    names = {"UtcDateTime": "instant", "AddressText": "text", "LargeBinary": "bytes",
             "String": "text", "Text": "text", "Enum": "choice", "BigInteger": "integer", "Double": "float"}  # fmt: skip
    return names.get(kind, kind.lower())


def _docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    """Class → attribute → the string that stands below it."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_attribute_docstrings(node))
    return found


def _attribute_docstrings(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for before, after in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            yield before.target.id, inspect.cleandoc(after.value.value)


def _in_a_cell(text: str) -> str:
    return " ".join(text.split())


def _table(heading: tuple[str, ...], rows: Any) -> str:
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


# Decisions


def _decisions() -> str:
    pages = [page for page in sorted(DECISIONS.glob("*.md")) if page.name != "README.md"]
    titles = [(page.name, page.read_text().partition("\n")[0].removeprefix("# ")) for page in pages]
    return _page(
        "Decisions",
        "What was decided, why, and what follows, a page each. A decision that is taken back gets a "
        "page of its\nown that says so.",
        "\n".join(f"- [{name.partition('-')[0]}]({name}) {title}" for name, title in titles),
    )


# The layers


def _architecture() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [each.split(" | ") for each in contracts["contracts"][0]["layers"]]
    lines = [
        "<!-- layers -->",
        "",
        *(f"1. {_names(layer)}" for layer in layers),
        "",
        "<!-- /layers -->",
    ]
    before, _, rest = ARCHITECTURE.read_text().partition(lines[0])
    return before + "\n".join(lines) + rest.partition(lines[-1])[2]


def _names(layer: list[str]) -> str:
    return ", ".join(f"`{each}`" for each in layer)


def main() -> None:
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
