"""Only pipeline/records.py writes matches, quarantine and run requests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lol_dagster
from lol_dagster.storage.models import Match, Quarantine, RunRequest

PACKAGE = Path(lol_dagster.__file__).parent
WRITER = PACKAGE / "pipeline" / "records.py"
TABLES = {model.__name__ for model in (Match, Quarantine, RunRequest)}
# `processed_at` is the stats' own: when a game was first processed.
COLUMNS = {
    "next_try_at", "first_missing_at", "tries", "shown_run_id", "quarantined_at", "closed_as",
    "run_key", "requested_at",
}  # fmt: skip
# Columns of these names that other tables have, too: only on what is called after a match.
ROWS = {"match", "game", "quarantine", "request"}
SHARED = {"state", "last_error", "run_id", "outcome", "started_at", "finished_at", "closed_at"}
# Old rows are deleted by retention; nothing else is.
MAY_DELETE = {PACKAGE / "storage" / "retention.py"}


def writes(source: str) -> Iterator[str]:
    """What in a module writes one of these tables, as far as its text shows."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _calls(node)
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            yield from _assignments(target)


def _calls(call: ast.Call) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    # Dagster's own RunRequest is `dg.RunRequest`.
    if isinstance(call.func, ast.Name) and name in TABLES:
        yield f"{name}(…)"
    if name in {"insert", "update", "delete", "insert_if_absent"}:
        for argument in call.args:
            if isinstance(argument, ast.Name) and argument.id in TABLES:
                yield f"{name}({argument.id})"


def _assignments(target: ast.expr) -> Iterator[str]:
    for part in ast.walk(target):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            owner = part.value.id if isinstance(part.value, ast.Name) else ""
            is_ours = part.attr in SHARED and owner in ROWS
            if (part.attr in COLUMNS and owner != "self") or is_ours:
                yield f"{owner}.{part.attr} = …"


def test_nobody_else_writes_the_life_of_a_match() -> None:
    found = {
        f"{file.relative_to(PACKAGE)}: {what}"
        for file in PACKAGE.rglob("*.py")
        if file != WRITER and "migrations" not in file.parts
        for what in writes(file.read_text())
        if not (file in MAY_DELETE and what.startswith("delete("))
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        'session.add(Match(match_id="NA1_1"))',
        "session.execute(update(Quarantine).values(closed_at=now))",
        "insert_if_absent(session, Match, rows)",
        "match.state = 'processed'",
        "row.next_try_at, row.tries = None, 0",
        "row.tries += 1",
        "request.run_id: str = run_id",
        "delete(RunRequest)",
    ],
)
def test_a_write_is_recognized(source: str) -> None:
    assert list(writes(source))


def test_the_writer_itself_is_found_out() -> None:
    assert list(writes(WRITER.read_text()))


def test_reading_and_dagsters_own_requests_are_no_writes() -> None:
    source = "select(Match).where(Match.state == 'listed'); dg.RunRequest(); poll.last_error = 'E'"
    assert not list(writes(source))
