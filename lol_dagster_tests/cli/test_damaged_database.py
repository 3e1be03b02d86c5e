"""A main database that is damaged, in whatever way: each command says what helps, and that helps."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.commands import as_json, refused, run, said
from lol_dagster_tests._support.roster_rows import make_team

pytestmark = pytest.mark.sqlite
CURE = "'lol-dagster db restore BACKUP --put-aside'"


def no_database_at_all(file: Path) -> None:
    file.write_bytes(b"Dear diary, " * 1000)


def zeroed_pages(file: Path) -> None:
    """All but the first, which holds the header and the list of tables."""
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(bytes(file.stat().st_size - 4096))


def cut_in_half(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def garbage_in_its_header(file: Path) -> None:
    """Where the number of its schema's format stands: https://sqlite.org/fileformat.html, 1.3."""
    with file.open("r+b") as opened:
        opened.seek(44)
        opened.write(b"\xa5" * 4)


DAMAGES = [no_database_at_all, zeroed_pages, cut_in_half, garbage_in_its_header]


@pytest.fixture
def backup(database: Database, settings: Settings, tmp_path: Path) -> Path:
    """Of a database with one team, which is closed, and in one file."""
    with database.writing() as session:
        make_team(session, "Barons")
    made = Path(as_json("db", "backup", "--to", str(tmp_path / "backup.sqlite3"))["file"])
    database.dispose()
    connection = sqlite3.connect(settings.home / "lol.sqlite3")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return made


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_command_says_what_helps_and_that_helps(
    backup: Path,
    settings: Settings,
    damage: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-key")
    file = settings.home / "lol.sqlite3"
    damage(file)
    before = file.read_bytes()
    for command in (
        ["status"], ["team", "list"], ["db", "upgrade"], ["db", "check"], ["db", "backup"],
        ["db", "restore", str(backup)],
    ):  # fmt: skip
        result = run(*command)
        assert result.exit_code in {1, 2}, (command, result.output)
        assert "is damaged" in result.stderr, command
        assert CURE in result.stderr, command
        assert result.stderr.count("\n") == 1, command
    assert file.read_bytes() == before, "nobody has touched it"

    restored = as_json("db", "restore", str(backup), "--put-aside")
    aside = Path(restored["put_aside"])
    assert aside.read_bytes() == before
    assert aside.name.startswith("lol.sqlite3.damaged-")
    assert [team["name"] for team in as_json("team", "list")] == ["Barons"]
    assert "current" in said("db", "check")


def test_once_says_so_before_dagster_has_begun(
    backup: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeroed_pages(settings.home / "lol.sqlite3")
    ended = subprocess.run(
        [Path(sys.executable).with_name("lol-dagster"), "once"],
        env={**os.environ, "LOL_RIOT_API_KEY": "RGAPI-key"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert CURE in ended.stderr


def test_a_sound_database_is_not_put_aside(backup: Path, settings: Settings) -> None:
    file = settings.home / "lol.sqlite3"
    before = file.read_bytes()
    assert "is not damaged: nothing is put aside" in refused(
        "db", "restore", str(backup), "--put-aside"
    )
    assert file.read_bytes() == before


def test_a_bad_backup_leaves_the_damaged_one_where_it_is(backup: Path, settings: Settings) -> None:
    file = settings.home / "lol.sqlite3"
    zeroed_pages(file)
    zeroed_pages(backup)
    run("db", "restore", str(backup), "--put-aside")
    assert [each.name for each in settings.home.glob("lol.sqlite3*") if "-" not in each.name] == [
        "lol.sqlite3"
    ]
