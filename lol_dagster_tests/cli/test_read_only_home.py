"""A home that cannot be written: looking works, and leaves no trace; changing says why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lol_dagster.settings import load_settings
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.commands import as_json, refused, run
from lol_dagster_tests._support.roster_rows import make_team


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a team in it; root may write anywhere, so the system is made to say that it may not."""
    if request.param == "postgresql":
        monkeypatch.setenv("LOL_DATABASE_URL", request.getfixturevalue("postgres_url"))
    settings = load_settings()
    database = open_database(settings)
    with database.writing() as session:
        make_team(session, "Barons")
    database.dispose()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: mode != os.W_OK | os.X_OK and access(path, mode)
    )
    return settings.home


def content(home: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in home.rglob("*") if each.is_file()}


def test_looking_works_and_writes_nothing(home: Path) -> None:
    before = content(home)
    assert [team["name"] for team in as_json("team", "list")] == ["Barons"]
    for command in (["status"], ["message", "list"], ["why", "NA1_1"], ["channel", "list"]):
        result = run(*command)
        assert result.exception is None or isinstance(result.exception, SystemExit), command
        assert "cannot be written: set LOL_HOME" not in result.output, command
    after = content(home)
    assert {name: each for name, each in after.items() if "/logs/" not in name} == before


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_changing_says_why_not(home: Path) -> None:
    result = run("team", "add", "Dragons")
    assert result.exit_code == 1
    assert "attempt to write a readonly database" in result.stderr.splitlines()[-1]


def test_what_needs_the_home_says_so(home: Path) -> None:
    assert "cannot be written (Permission denied)" in refused("db", "upgrade")
