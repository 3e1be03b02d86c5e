"""Whether what is committed stays: where the database stands."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from lol_dagster.storage import integrity
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import (
    damaged_files,
    network_disk,
    undurable,
    unreadable_files,
)

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
nas:/lol /srv/lol nfs4 rw 0 0
/dev/sdb1 /srv/lol/fast ext4 rw 0 0
//nas/home /mnt/my\\040share cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/home/ann/lol.sqlite3", None),
        ("/srv/lol/lol.sqlite3", "nfs4"),
        ("/srv/lol/fast/lol.sqlite3", None),
        ("/srv/lolly/lol.sqlite3", None),
        ("/mnt/my share/lol.sqlite3", "cifs"),
    ],
)
def test_the_nearest_mount_point_counts(file: str, kind: str | None) -> None:
    assert network_disk(Path(file), MOUNTS) == kind


@pytest.mark.sqlite
def test_a_database_on_a_network_disk_is_said(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(integrity, "_MOUNTS", mounts)
    assert undurable(database) is None
    mounts.write_text("nas:/ / nfs rw 0 0\n")
    assert "stands on a network disk (nfs)" in (undurable(database) or "")


PAGE = 4096


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A file with two tables: `runs` in pages 2 and, with its rows, 4 and further; `ticks` in page 3."""
    file = tmp_path / "runs.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE runs (body TEXT)")
        connection.execute("CREATE TABLE ticks (body TEXT)")
        connection.executemany("INSERT INTO runs VALUES (?)", [("x" * 500,)] * 100)
        connection.commit()
    return file


@pytest.mark.parametrize(
    ("at", "can_be_read"),
    [
        (0, False),  # the header
        (100, False),  # what tables there are: it follows the header of 100 bytes
        (2 * PAGE, False),  # page 3
        (8 * PAGE, True),  # in the midst of the rows
    ],
)
def test_a_damaged_file_is_one_and_what_every_query_meets_is_seen_without_reading_all_of_it(
    tables: Path, at: int, can_be_read: bool
) -> None:
    assert (damaged_files([tables]), unreadable_files([tables])) == ([], [])
    whole = tables.read_bytes()
    tables.write_bytes(whole[:at] + b"\xff" * 100 + whole[at + 100 :])
    assert damaged_files([tables]) == [tables]
    assert unreadable_files([tables]) == ([] if can_be_read else [tables])


def test_a_file_that_is_not_there_is_not_damaged(tmp_path: Path) -> None:
    gone = [tmp_path / "gone.db"]
    assert (damaged_files(gone), unreadable_files(gone)) == ([], [])
