"""Every call over the network has an end, since there is one way out: lol_dagster/http.py."""

from __future__ import annotations

import ast
from pathlib import Path

import lol_dagster

PACKAGE = Path(lol_dagster.__file__).parent
WITHOUT_A_DEADLINE = {"requests", "urllib3", "httpx", "aiohttp", "http.client", "urllib.request"}
ALLOWED = {
    "http.py": "the way out",
    # On this machine only, each wait bounded and the whole, too.
    "services/supervisor.py": "asks whether a service that was started answers yet",
}


def imported(source: str) -> set[str]:
    """The modules that a file imports, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def test_no_other_module_calls_over_the_network() -> None:
    """The simulator is the other end and imports nothing of the app."""
    strays = {
        name: libraries
        for file in PACKAGE.rglob("*.py")
        if not (name := file.relative_to(PACKAGE).as_posix()).startswith("simulator/")
        and (libraries := imported(file.read_text()) & WITHOUT_A_DEADLINE)
    }
    assert strays.keys() == ALLOWED.keys(), strays


def test_no_call_is_made_while_the_caller_has_a_writing_transaction_open() -> None:
    """Each session that makes calls asks the database's guard first: so it holds in every test, too."""
    guards = {
        f"{file.relative_to(PACKAGE)}: {ast.unparse(call)}": [
            ast.unparse(given.value) for given in call.keywords if given.arg == "guard"
        ]
        for file in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("DeadlineSession")
    }
    assert len(guards) > 1
    assert [call for call, guard in guards.items() if guard != ["assert_no_open_write"]] == []
