"""The tests' PostgreSQL may be newer than the system's programs: those beside it are used."""

from __future__ import annotations

import os

import pytest

from lol_dagster_tests._support.postgres import find_binaries


@pytest.fixture(autouse=True)
def fitting_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    if binaries := find_binaries():
        monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
