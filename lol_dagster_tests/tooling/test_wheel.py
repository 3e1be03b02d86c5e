"""What `pip install` of a built wheel brings along."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def in_wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a wheel built from this checkout: path → content."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml"])
def test_dagsters_files_stand_where_an_installed_version_looks_for_them(
    in_wheel: dict[str, bytes], name: str
) -> None:
    shipped = in_wheel[f"lol_dagster/orchestration/{name}"]
    assert shipped == (CHECKOUT / name).read_bytes()


def test_the_migrations_and_their_template_are_there(in_wheel: dict[str, bytes]) -> None:
    for file in (CHECKOUT / "lol_dagster/storage/migrations").rglob("*"):
        if file.suffix in {".py", ".mako"}:
            assert str(file.relative_to(CHECKOUT)) in in_wheel


def test_every_file_of_the_package_is_there_and_no_test(in_wheel: dict[str, bytes]) -> None:
    wanted = {
        str(file.relative_to(CHECKOUT))
        for file in (CHECKOUT / "lol_dagster").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert wanted <= in_wheel.keys()
    tops = {name.partition("/")[0] for name in in_wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lol_dagster"}
