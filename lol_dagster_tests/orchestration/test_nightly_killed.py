"""The nightly job is killed with SIGKILL in the middle, and the next one completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import func, select

from lol_dagster.backups import sqlite
from lol_dagster.backups.files import backups_in
from lol_dagster.cli import cli
from lol_dagster.monitoring.housekeeping import note_night
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.dagster_history import (
    NOW,
    add_run,
    events_of_no_run,
    game,
    list_games,
    partitions,
)
from lol_dagster_tests._support.waiting import wait_for

ONCE = """
import os, signal, sys
from dagster._core.storage.event_log import SqlEventLogStorage
from lol_dagster.cli import main
from lol_dagster.backups import sqlite

where, pipe = sys.argv.pop(1), int(sys.argv.pop(1))
deleted = []

def block(*_):
    os.write(pipe, b"!")
    signal.pause()

def delete_one(storage, run_id, delete=SqlEventLogStorage.delete_events):
    deleted.append(run_id)
    return delete(storage, run_id) if len(deleted) == 1 else block()

if where == "backup":
    sqlite.check = block
else:
    SqlEventLogStorage.delete_events = delete_one
main()
"""


def killed_in(where: str) -> None:
    """`lol-dagster once` in a process of its own, killed when it is in the middle of that."""
    reached, pipe = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", ONCE, where, str(pipe), "once"],
        pass_fds=[pipe],
        stdout=subprocess.DEVNULL,
    ) as process:
        os.close(pipe)
        try:
            assert os.read(reached, 1) == b"!", f"it never reached the {where}"
        finally:
            os.close(reached)
            process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def next_night(database: Database) -> None:
    with database.writing() as session:
        note_night(session, NOW - timedelta(hours=27))


@pytest.mark.sqlite
@pytest.mark.timeout(300)
def test_a_nightly_job_that_is_killed_anywhere_is_completed_by_the_next(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-of-nobody")
    failed, succeeded = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
    with prepare_instance(settings) as instance:
        list_games(database, instance, dict.fromkeys(range(1, 5), 61) | {5: 1})
        for number in range(1, 5):
            add_run(instance, "deliver_messages", 61, delivered=game(number))
        young = add_run(instance, "deliver_messages", 1, delivered=game(5))

        def runs(job: str) -> list[dg.DagsterRun]:
            return list(instance.get_runs(dg.RunsFilter(job_name=job)))

        def backups() -> list[Path]:
            return list(backups_in(settings.home / "backups"))

        next_night(database)
        killed_in("backup")
        assert backups() == []
        assert len(runs("deliver_messages")) == 5

        next_night(database)
        killed_in("pruning")
        assert [sqlite.check(file).rows["matches"] for file in backups()] == [5]
        assert partitions(instance) == [5]
        assert 1 < len(runs("deliver_messages")) < 5

        next_night(database)
        # Backups are named after their second: this one is not made in that of the last.
        killed_at = int(time.time())
        wait_for("the next second", lambda: int(time.time()) > killed_at, seconds=5)
        with pytest.raises(SystemExit) as ending:
            cli(["once"])
        assert ending.value.code == 0
        assert [run.run_id for run in runs("deliver_messages")] == [young]
        assert instance.get_materialized_partitions(dg.AssetKey("deliveries")) == {game(5)}
        assert events_of_no_run(instance) == 0
        assert [run.status for run in runs("nightly")] == [succeeded, failed, failed]
    assert [sqlite.check(file).rows["matches"] for file in backups()] == [5, 5]
    left = {file.name for file in (settings.home / "backups").iterdir()}
    assert left == {".lock", *(file.name for file in backups())}
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Match)) == 5
