"""Taking backups: of a database in use, whole or not at all, verified, rotated."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lol_dagster.backups import postgres, sqlite
from lol_dagster.backups.contents import Contents
from lol_dagster.backups.files import (
    BackupError,
    backup_name,
    one_at_a_time,
    superfluous,
    whole_or_not_at_all,
)
from lol_dagster.backups.take import last_backup, take_backup
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.waiting import wait_for

NOW = datetime(2026, 8, 1, 3, 15, tzinfo=UTC)


def furnish(database: Database) -> None:
    """One team, one player, one channel."""
    with database.writing() as session:
        team = make_team(session, "Friends")
        make_member(session, team, "Ann")
        make_channel(session, team, "games")


def test_a_backup_holds_what_the_database_holds(any_database: Database, tmp_path: Path) -> None:
    furnish(any_database)
    made = take_backup(any_database, tmp_path, NOW)
    assert {name: rows for name, rows in made.rows.items() if rows} == {
        # One row of each for what was furnished, each with its entry in the audit trail; the facts
        # are the salt, and since when the backup may lack something.
        "accounts": 1,
        "audit_entries": 5,
        "channels": 1,
        "facts": 2,
        "memberships": 1,
        "players": 1,
        "teams": 1,
    }
    assert made.file.parent == tmp_path / "backups"
    assert made.size == made.file.stat().st_size > 0
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert [path.name for path in made.file.parent.iterdir() if path.name != ".lock"] == [
        made.file.name
    ]
    with any_database.reading() as session:
        last = last_backup(session)
    assert last is not None
    assert (last.taken_at, last.file) == (NOW, str(made.file))


def test_writers_go_on_meanwhile_and_the_backup_is_of_one_moment(
    any_database: Database, tmp_path: Path
) -> None:
    """A writer adds two matches a transaction: a backup of one moment has an even number."""
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            with any_database.writing() as session:
                for number in (written, written + 1):
                    session.add(Match(match_id=f"NA1_{number}", state="listed", listed_at=NOW))
            written += 2

    writer = threading.Thread(target=write)
    writer.start()
    backups = []
    try:
        for number in range(3):
            before = written
            wait_for("two matches more", lambda before=before: written > before)
            backups.append(take_backup(any_database, tmp_path, NOW + timedelta(seconds=number)))
    finally:
        done.set()
        writer.join()
    counts = [made.rows["matches"] for made in backups]
    assert all(count % 2 == 0 for count in counts), counts
    assert 0 < counts[0] < counts[1] < counts[2]
    with any_database.reading() as session:
        assert session.scalar(select(func.count(Match.match_id))) == written >= counts[-1]


@pytest.mark.sqlite
@pytest.mark.parametrize("damage", ["a lost row", "a cut file"])
def test_a_copy_that_differs_from_its_source_is_no_backup(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    furnish(database)
    copy = sqlite.copy

    def copy_badly(source: Path, target: Path) -> Contents:
        contents = copy(source, target)
        if damage == "a cut file":
            os.truncate(target, target.stat().st_size // 2)
        else:
            with sqlite3.connect(target) as connection:
                connection.execute("DELETE FROM memberships")
            connection.close()
        return contents

    monkeypatch.setattr(sqlite, "copy", copy_badly)
    with pytest.raises(BackupError, match=r"memberships instead of 1|damaged"):
        take_backup(database, tmp_path, NOW)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".lock"]
    with database.reading() as session:
        assert last_backup(session) is None


def test_a_dump_that_was_cut_off_is_no_backup(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url)
    furnish(database)
    made = take_backup(database, tmp_path, NOW)
    os.truncate(made.file, made.size - 200)
    with pytest.raises(BackupError, match=r"pg_restore failed|no backup"):
        postgres.read(database, made.file)
    database.dispose()


def test_a_file_becomes_whole_or_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    target = folder / "backup"

    def die_halfway() -> None:
        with whole_or_not_at_all(target) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die_halfway()
    assert list(folder.iterdir()) == []
    with whole_or_not_at_all(target) as draft:
        draft.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"
    with pytest.raises(BackupError, match="there already"), whole_or_not_at_all(target):
        pass


def test_two_backups_at_once_are_refused_and_what_a_dead_one_left_goes(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with one_at_a_time(folder):
        (folder / "lol-1.sqlite3.unfinished").touch()
        with pytest.raises(BackupError, match="another backup"), one_at_a_time(folder):
            pass
    with one_at_a_time(folder):
        assert [path.name for path in folder.iterdir()] == [".lock"]


def nightly(*days_ago: int) -> dict[Path, datetime]:
    return {Path(f"{days:03d}"): NOW - timedelta(days=days) for days in days_ago}


def test_seven_days_and_four_weeks_are_kept() -> None:
    # NOW is a Saturday, 2026-08-01, of week 31: the last backups of the weeks 31, 30, 29 and 28
    # are of today and of the Sundays 6, 13 and 20 days ago.
    gone = superfluous(nightly(*range(40)), NOW)
    kept = {*range(40)} - {int(path.name) for path in gone}
    assert kept == {0, 1, 2, 3, 4, 5, 6, 13, 20}


def test_days_without_a_backup_do_not_count() -> None:
    """Waking after a month takes nothing away but what the new one replaces."""
    assert superfluous(nightly(0, 40, 41, 42, 43, 44, 45), NOW) == []
    # Seven days are 0, 40 to 45; the last of four weeks are 0, 40 (week 25), 41 (a Sunday, of
    # week 25 too: 2026-06-21), 48 and 55.
    gone = superfluous(nightly(0, *range(40, 60)), NOW)
    assert {0, 40, 41, 42, 43, 44, 45}.isdisjoint(int(path.name) for path in gone)
    assert Path("059") in gone


def test_several_of_one_day_are_kept_for_a_day() -> None:
    hours = {Path(f"{each}"): NOW - timedelta(hours=each) for each in (0, 1, 2, 25, 26, 27)}
    # Those of the last 24 hours all; of the day before the last alone.
    assert superfluous(hours, NOW) == [Path("26"), Path("27")]


def test_names_tell_the_time() -> None:
    assert backup_name(NOW, "sqlite3") == "lol-20260801T031500Z.sqlite3"


def test_without_a_fitting_pg_dump_it_is_said_what_to_install(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(postgres_url)
    monkeypatch.setattr(postgres, "DEBIANS_FOLDER", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BackupError, match=r"there is none here: install postgresql-client-\d+"):
        take_backup(database, tmp_path / "home", NOW)
    old = tmp_path / "9" / "bin"
    old.mkdir(parents=True)
    for name in ("pg_dump", "pg_restore"):
        (old / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
        (old / name).chmod(0o755)
    with pytest.raises(BackupError, match="only version 9 is here"):
        take_backup(database, tmp_path / "home", NOW)
    database.dispose()


def test_a_password_stands_on_no_command_line(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pg_dump that notes what it was started with; the connection itself trusts everybody."""
    database = Database(postgres_url)
    real = postgres._find(18)
    spy = tmp_path / "99" / "bin"
    spy.mkdir(parents=True)
    for name in ("pg_dump", "pg_restore"):
        (spy / name).write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/seen\nenv >> {tmp_path}/seen\n'
            f"cat $PGSERVICEFILE >> {tmp_path}/service\n"
            f'stat -c %a $PGSERVICEFILE >> {tmp_path}/mode\nexec {real}/{name} "$@"\n'
        )
        (spy / name).chmod(0o755)
    monkeypatch.setattr(postgres, "_find", lambda _: spy)
    database.url = database.url.set(password="very=secret")
    take_backup(database, tmp_path / "home", NOW)
    assert "secret" not in (tmp_path / "seen").read_text()
    assert "password=very=secret" in (tmp_path / "service").read_text()
    assert set((tmp_path / "mode").read_text().split()) == {"600"}
    database.dispose()
