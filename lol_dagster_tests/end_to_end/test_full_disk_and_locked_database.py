"""A full disk and a locked database: what was tried is done later, once."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.storage import database as database_module
from lol_dagster.storage.models import Attempt, Match
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

GAMES = [f"NA1_500000000{number}" for number in range(1, 3)]


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: no file of this process can be written beyond so many bytes. What it has
    open already counts, too: databases, their logs, our log.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_announced_once_each(world: World) -> None:
    assert len(world.posted("Gamers")) == len(GAMES)
    with world.app.database.reading() as session:
        assert set(session.scalars(select(Match.state))) == {"processed"}
        assert session.scalar(select(func.count()).select_from(Match)) == len(GAMES)


@pytest.mark.sqlite
@pytest.mark.timeout(600)
def test_on_a_full_disk_nothing_is_lost_and_with_space_again_all_is_done(world: World) -> None:
    """The disk is full at another point of the way each time, in our database or in Dagster's."""
    world.instance = prepare_instance(world.app.settings)
    world.add_team("Gamers", "Ann")
    for match_id in GAMES:
        world.finish(match_id, participants=[participant("Ann")])
    home = world.app.settings.home

    def largest() -> int:
        return max(file.stat().st_size for file in home.rglob("*") if file.is_file())

    # A file of Dagster's grows; ours, at once; ours, in the middle of a batch.
    for size in (65_536, largest(), largest() + 131_072):
        with no_file_larger_than(size), pytest.raises(OperationalError, match="disk I/O error"):
            world.once()
    world.once()
    assert_announced_once_each(world)
    world.instance.dispose()


@pytest.mark.sqlite
@pytest.mark.timeout(300)
def test_a_database_locked_for_long_is_waited_for_and_then_left_for_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 100)
    world.add_team("Gamers", "Ann")
    for match_id in GAMES:
        world.finish(match_id, participants=[participant("Ann")])
    connection = sqlite3.connect(world.app.database.url.database or "", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="database is locked"):
        world.once()
    connection.execute("ROLLBACK")
    connection.close()
    assert world.posted("Gamers") == []
    assert world.once()["delivered"] == len(GAMES)
    assert_announced_once_each(world)
    with world.app.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == len(GAMES)
