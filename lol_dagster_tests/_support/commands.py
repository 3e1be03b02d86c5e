"""Running a command as typed, in this process."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from lol_dagster.cli import cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def said(*arguments: str) -> str:
    """What the command says; it must succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str) -> Any:
    """What the command says to programs; it must succeed."""
    return json.loads(said(*arguments, "--json"))


def refused(*arguments: str) -> str:
    """The one line that the command says when a person has to act."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("lol-dagster: ").rstrip("\n")
