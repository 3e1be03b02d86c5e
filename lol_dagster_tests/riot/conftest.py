"""Fixtures of the tests of riot/."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lol_dagster.storage.database import Database
from lol_dagster_tests.riot.fake_riot import fake_riot
from lol_dagster_tests.riot.world import World


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with fake_riot() as riot:
        yield World(database, riot)
