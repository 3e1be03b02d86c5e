"""Whether what is committed stays: where the database stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from lol_dagster.storage import integrity
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import network_disk, undurable

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
