"""Who is running, as the parts themselves have written it down."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from lol_dagster.monitoring.disk import RESERVE_BYTES, Disk
from lol_dagster.monitoring.heartbeats import (
    Part,
    Sign,
    beat,
    beating,
    end_of,
    read_signs,
    silence,
)
from lol_dagster.monitoring.riot_limits import RiotKey
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.waiting import wait_for

NOW = datetime(2026, 8, 1, 20, tzinfo=UTC)


def signs_of(database: Database) -> dict[str, Sign]:
    with database.reading() as session:
        return read_signs(session)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_part_writes_at_most_every_half_minute(any_database: Database) -> None:
    for seconds in (0, 10, 29):
        beat(any_database, "daemon", at(seconds))
    assert signs_of(any_database)["daemon"] == Sign("daemon", os.getpid(), NOW, NOW)
    beat(any_database, "daemon", at(30))
    assert signs_of(any_database)["daemon"] == Sign("daemon", os.getpid(), NOW, at(30))
    # The clock was put back: what was written lies ahead, and is put right.
    beat(any_database, "daemon", at(-3600))
    assert signs_of(any_database)["daemon"].at == at(-3600)


def test_another_process_has_started_anew(any_database: Database) -> None:
    beat(any_database, "daemon", NOW)
    with mock.patch("os.getpid", return_value=7):
        beat(any_database, "daemon", at(1))
    assert signs_of(any_database)["daemon"] == Sign("daemon", 7, at(1), at(1))


def test_whoever_runs_in_the_foreground_says_goodbye(database: Database) -> None:
    with beating(database, "up"):
        wait_for("heartbeat", lambda: signs_of(database).get("up"))
    assert signs_of(database) == {}
    end_of(database, "daemon")  # that it never was is no trouble


def sign(part: Part, *, minutes: float, ran_for: float = 600) -> dict[str, Sign]:
    last = NOW - timedelta(minutes=minutes)
    return {part: Sign(part, 1, last - timedelta(minutes=ran_for), last)}


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        ({}, "nothing is running: start"),
        (sign("daemon", minutes=2.9), None),
        (sign("daemon", minutes=3.1), "nothing is running since 2026-08-01 19:56 UTC"),
        (
            sign("daemon", minutes=4) | sign("up", minutes=0.2),
            "the daemon has not been heard of for 4 minutes",
        ),
        # `up` has just begun: its daemon has yet to come.
        (sign("daemon", minutes=500) | sign("up", minutes=0.2, ran_for=2), None),
        (sign("up", minutes=0.2, ran_for=5), "the daemon has not been heard of for 5 minutes"),
        # Cron calls `once`: nothing runs in between, and nothing is wrong.
        (sign("once", minutes=64), None),
        (sign("once", minutes=66), "nothing is running since 2026-08-01 18:54 UTC"),
        # A look by hand does not hide that the daemon of an `up` that runs is silent.
        (
            sign("once", minutes=1) | sign("up", minutes=0.2) | sign("daemon", minutes=150),
            "the daemon has not been heard of for 2 h 30 min",
        ),
        (sign("admin", minutes=0.1), "nothing is running: start"),
    ],
)  # fmt: skip
def test_a_silence_is_noticed_and_cron_is_none(signs: dict[str, Sign], said: str | None) -> None:
    found = silence(signs, NOW)
    assert (found is None) if said is None else (found or "").startswith(said)


@pytest.mark.parametrize(
    ("free", "is_nearly_full"), [(RESERVE_BYTES + 999, True), (RESERVE_BYTES + 1000, False)]
)
def test_a_disk_without_room_for_a_backup_is_nearly_full(free: int, is_nearly_full: bool) -> None:
    assert Disk(free=free, total=10**12, database=1000).is_nearly_full is is_nearly_full


@pytest.mark.parametrize(
    ("hours", "may_be", "warns"),
    # A personal key has the same limits: that it lives on shows that it is one.
    [
        (19.9, True, False),
        (20, True, True),
        (23.9, True, True),
        (24, True, False),
        (22, False, False),
    ],
)
def test_only_what_may_be_a_development_key_is_warned_of_and_only_before_it_would_die(
    hours: float, may_be: bool, warns: bool
) -> None:
    key = RiotKey(NOW - timedelta(hours=hours), may_be_development_key=may_be)
    assert (key.expires_at(NOW) is not None) is warns
