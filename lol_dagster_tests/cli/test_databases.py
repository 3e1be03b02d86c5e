"""`lol-dagster db check` and `db upgrade`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.commands import as_json, refused, run, said


@pytest.fixture
def file(settings: Settings) -> Path:
    return settings.home / "lol.sqlite3"


def change(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


def checked() -> tuple[int, dict[str, object]]:
    result = run("db", "check", "--json")
    return result.exit_code, json.loads(result.stdout)


def test_checking_a_database_that_is_not_there_makes_none(file: Path) -> None:
    result = run("db", "check")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"empty: sqlite:///{file} has no tables yet")
    assert not file.parent.exists()


def test_upgrading_makes_the_tables_and_then_has_nothing_to_do(file: Path) -> None:
    first, second = as_json("db", "upgrade"), as_json("db", "upgrade")
    assert first == {"database": f"sqlite:///{file}", "before": "empty", "state": "current"}
    assert second == {**first, "before": "current"}
    assert "was up to date already" in said("db", "upgrade")
    assert checked() == (
        0,
        {"database": f"sqlite:///{file}", "state": "current", "damage": []},
    )


@pytest.mark.sqlite
def test_a_database_from_a_newer_version_is_left_alone(database: Database, file: Path) -> None:
    change(file, "UPDATE alembic_version SET version_num = '9999_the_future'")
    status, found = checked()
    assert (status, found["state"]) == (1, "newer")
    assert "newer version of lol_dagster" in refused("db", "upgrade")
    # And by every other command.
    assert "newer version of lol_dagster" in refused("team", "list")


@pytest.mark.sqlite
def test_damage_is_named(database: Database, file: Path) -> None:
    # SQLite enforces references only on connections that ask for it.
    change(
        file,
        "INSERT INTO memberships (team_id, player_id, since, version) "
        "VALUES (7, 8, '2026-08-01 00:00:00', 1)",
    )
    status, found = checked()
    assert status == 1
    assert sorted(found["damage"]) == [
        "row 1 of memberships refers to a row of players that is not there",
        "row 1 of memberships refers to a row of teams that is not there",
    ]
    assert "restore a backup" in run("db", "check").stdout


@pytest.mark.sqlite
def test_a_damaged_page_is_a_line_and_no_traceback(database: Database, file: Path) -> None:
    with database.reading() as session:
        root = text("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'teams'")
        found_pages = session.scalars(root).all()
        size = session.scalar(text("PRAGMA page_size"))
    assert size
    database.dispose()
    with file.open("r+b") as pages:
        for page in found_pages:
            pages.seek((page - 1) * size)
            pages.write(b"\xff" * size)
    status, found = checked()
    assert status == 1
    assert found["damage"]
    # So is any other command.
    listed = run("team", "list")
    assert listed.exit_code == 1, listed.output
    assert listed.stderr.count("\n") == 1
    assert f"{file} is damaged: " in listed.stderr


def test_a_file_that_is_no_database_is_one_line(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("Dear diary, " * 100)
    assert f"{file} is damaged: file is not a database" in refused("db", "check")


def test_a_password_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, file: Path
) -> None:
    monkeypatch.setenv("LOL_DATABASE_URL", "postgresql://lol:very-secret@127.0.0.1:1/lol")
    assert "very-secret" not in run("db", "check").output
    monkeypatch.setenv("LOL_DATABASE_URL", postgres_url)
    assert checked()[0] == 0
    assert not file.exists()
