"""Which parts are running, as they themselves have written it down."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from sqlalchemy.exc import NoResultFound

from lol_dagster.monitoring import heartbeat
from lol_dagster.monitoring.disk import RESERVE_BYTES, Disk
from lol_dagster.monitoring.heartbeat import (
    Beat,
    Part,
    Silence,
    beat,
    beating,
    end_of,
    read_beats,
    silence,
)
from lol_dagster.monitoring.riot_limits import RiotKey
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.waiting import wait_for

NOW = datetime(2026, 8, 1, 20, tzinfo=UTC)


def beats_of(database: Database) -> dict[str, Beat]:
    with database.reading() as session:
        return read_beats(session)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_part_writes_at_most_every_half_minute(any_database: Database) -> None:
    for seconds in (0, 10, 29):
        beat(any_database, "daemon", at(seconds))
    assert beats_of(any_database)["daemon"] == Beat("daemon", os.getpid(), NOW, NOW)
    beat(any_database, "daemon", at(30))
    assert beats_of(any_database)["daemon"] == Beat("daemon", os.getpid(), NOW, at(30))
    # The clock was put back: what was written lies ahead, and is put right.
    beat(any_database, "daemon", at(-3600))
    assert beats_of(any_database)["daemon"].at == at(-3600)


def test_another_process_has_started_anew(any_database: Database) -> None:
    beat(any_database, "daemon", NOW)
    with mock.patch("os.getpid", return_value=7):
        beat(any_database, "daemon", at(1))
    assert beats_of(any_database)["daemon"] == Beat("daemon", 7, at(1), at(1))


def test_a_part_that_was_ended_leaves_no_row(database: Database) -> None:
    with beating(database, "up"):
        wait_for("heartbeat", lambda: beats_of(database).get("up"))
    assert beats_of(database) == {}
    end_of(database, "daemon")  # which never ran


def test_whatever_fails_costs_a_heartbeat_and_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that somebody else removes between two statements, say, is no failure of the database's."""
    failed: list[bool] = []

    def fail_first(*_: object) -> None:
        if not failed:
            failed.append(True)
            raise NoResultFound
        beat(database, "up", NOW)

    monkeypatch.setattr(heartbeat, "beat", fail_first)
    monkeypatch.setattr(heartbeat, "BEAT_EVERY", timedelta(milliseconds=10))
    with beating(database, "up"):
        wait_for("heartbeat", lambda: beats_of(database).get("up"))


def beat_of(part: Part, *, minutes: float, ran_for: float = 600) -> dict[str, Beat]:
    last = NOW - timedelta(minutes=minutes)
    return {part: Beat(part, 1, last - timedelta(minutes=ran_for), last)}


def minutes_ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("beats", "silent"),
    [
        ({}, Silence("everything", None)),
        (beat_of("daemon", minutes=2.9), None),
        (beat_of("daemon", minutes=3.1), Silence("everything", minutes_ago(3.1))),
        (
            beat_of("daemon", minutes=4) | beat_of("up", minutes=0.2),
            Silence("daemon", minutes_ago(4)),
        ),
        # `up` has just begun: its daemon has yet to come.
        (beat_of("daemon", minutes=500) | beat_of("up", minutes=0.2, ran_for=2), None),
        (beat_of("up", minutes=0.2, ran_for=5), Silence("daemon", minutes_ago(5.2))),
        # Cron calls `once`: nothing runs in between, and nothing is wrong.
        (beat_of("once", minutes=64), None),
        (beat_of("once", minutes=66), Silence("everything", minutes_ago(66))),
        # A call by hand does not hide that the daemon of an `up` that runs is silent.
        (
            beat_of("once", minutes=1)
            | beat_of("up", minutes=0.2)
            | beat_of("daemon", minutes=150),
            Silence("daemon", minutes_ago(150)),
        ),
        (beat_of("admin", minutes=0.1), Silence("everything", None)),
    ],
)
def test_a_silence_is_noticed_and_cron_is_none(
    beats: dict[str, Beat], silent: Silence | None
) -> None:
    assert silence(beats, NOW) == silent


def test_that_a_damaged_database_takes_no_heartbeat_is_said_with_what_helps(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    database.dispose()
    for file in settings.home.glob("lol.sqlite3*"):
        file.write_bytes(b"Dear diary, " * 1000)
    with beating(database, "up"):
        wait_for("word of it", lambda: "cannot be written" in caplog.text)
    assert "lol-dagster db restore BACKUP --put-aside" in caplog.text


@pytest.mark.parametrize(
    ("free", "is_nearly_full"), [(RESERVE_BYTES + 999, True), (RESERVE_BYTES + 1000, False)]
)
def test_a_disk_without_space_for_a_backup_is_nearly_full(free: int, is_nearly_full: bool) -> None:
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
def test_only_what_may_be_a_development_key_is_warned_of_and_only_before_it_would_expire(
    hours: float, may_be: bool, warns: bool
) -> None:
    key = RiotKey(NOW - timedelta(hours=hours), may_be_development_key=may_be)
    assert (key.expires_at(NOW) is not None) is warns
