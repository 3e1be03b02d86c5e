"""What all tests share: a clean environment, a home of their own, and databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.schema import open_database


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the developer's own, no `.env` of the checkout, no Dagster home."""
    for name in list(os.environ):
        if name.startswith(("LOL_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOL_HOME", str(tmp_path / "home"))
    working_directory = tmp_path / "cwd"
    working_directory.mkdir()
    monkeypatch.chdir(working_directory)


@pytest.fixture
def settings() -> Settings:
    """Settings with a home of this test's own and nothing else set."""
    return load_settings()


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A fresh, migrated SQLite database in the test's home."""
    database = open_database(settings)
    yield database
    database.dispose()
