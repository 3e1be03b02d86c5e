"""The delivery clock: one name and one time for all who share a database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lol_dagster.delivery import clock
from lol_dagster.delivery.clock import BootClock, Clock, ServerClock, Watch, clock_for
from lol_dagster_tests._support.fake_channels import HandClock


def test_all_who_share_a_database_share_its_clock(any_database) -> None:
    """PostgreSQL may be used by several machines, so that its own clock counts; SQLite by one."""
    ours, theirs = clock_for(any_database), clock_for(any_database)
    with any_database.reading() as session:
        (name, first), (same, second) = ours.read(session), theirs.read(session)
    assert name == same
    assert first <= second
    if any_database.is_sqlite:
        assert name.startswith("boot:")
    else:
        assert name == "postgresql"
        assert abs(second - time.time()) < 60  # epoch seconds, of a server on this machine


def test_another_boot_of_the_machine_is_another_clock(
    database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot_id = tmp_path / "boot_id"
    monkeypatch.setattr(clock, "_BOOT_ID", boot_id)
    names = []
    with database.reading() as session:
        for boot in ("1111\n", "2222\n"):
            boot_id.write_text(boot)
            running = BootClock()
            name, at = running.read(session)
            names.append(name)
            assert 0 <= running.local() - at < 60
        assert names == ["boot:1111", "boot:2222"]

        # Nothing tells one boot from the next: only the wall clock goes on over both.
        boot_id.unlink()
        name, at = BootClock().read(session)
        assert name == "wall"
        assert abs(at - time.time()) < 60


def test_the_time_since_boot_counts_a_suspended_machines_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux has a clock of its own for that; elsewhere the monotonic one has to do."""
    asked: list[int] = []

    def read(which: int) -> float:
        asked.append(which)
        return 5.0

    monkeypatch.setattr(time, "clock_gettime", read)
    assert BootClock().local() == 5.0
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert BootClock().local() == 5.0
    assert asked == [7, time.CLOCK_MONOTONIC]  # CLOCK_BOOTTIME in Linux's time.h


@pytest.mark.parametrize("which", [BootClock(), ServerClock()])
def test_a_claims_age_and_a_wait_are_this_machines(
    which: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(time, "clock_gettime", lambda _: 70.0)
    which.sleep(2.5)
    assert (waited, which.local()) == ([2.5], 70.0)


def test_a_watch_goes_on_from_the_time_that_it_was_given() -> None:
    ticking = HandClock(at=70.0)
    began = datetime(2026, 8, 1, tzinfo=UTC)
    watch = Watch(began, ticking)
    assert watch.now() == began
    ticking.at += 12.5
    assert watch.now() == began + timedelta(seconds=12.5)
