"""The night's work on a real Dagster instance: what goes, what stays, and what one failure stops."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus, TickData, TickStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy import Engine, event, func, select

from lol_dagster.backups.take import last_backup
from lol_dagster.definitions import build_definitions
from lol_dagster.orchestration import history, nightly
from lol_dagster.orchestration.history import (
    prune_events,
    prune_runs,
    prune_ticks,
    remove_leftovers,
    retire_partitions,
)
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.resources import AppContext, WallClock
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Quarantine
from lol_dagster.storage.models.system import RunRequest
from lol_dagster.storage.retention import prune_attempts
from lol_dagster_tests._support.dagster_history import (
    NOW,
    add_run,
    events_of_no_run,
    game,
    list_games,
    partitions,
)
from lol_dagster_tests._support.dagster_switches import click

STEPS = {
    "take_backup",
    "prune_database",
    "prune_logs",
    "retire_partitions",
    "report_finished_games",
    "prune_runs",
    "prune_events",
    "remove_leftovers",
}


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with prepare_instance(settings) as instance:
        yield instance


def test_partitions_of_old_games_go_and_their_data_stays(
    instance: dg.DagsterInstance, database: Database
) -> None:
    list_games(database, instance, {1: 61, 2: 59, 3: 61, 4: 61, 5: 61})
    with database.writing() as session:
        session.get_one(Match, game(3)).state = "quarantined"
        session.get_one(Match, game(4)).next_try_at = NOW
        session.add(
            RunRequest(match_id=game(5), requested_at=NOW, requested_by="Ann", reason="again")
        )
    assert retire_partitions(instance, database, NOW) == 1
    assert partitions(instance) == [2, 3, 4, 5]
    with database.reading() as session:
        assert session.get(Match, game(1)) is not None
    assert retire_partitions(instance, database, NOW) == 0


def test_no_partition_goes_under_a_run_in_progress(
    instance: dg.DagsterInstance, database: Database
) -> None:
    list_games(database, instance, dict.fromkeys(range(1, 6), 100))
    ends = {
        "dagster/asset_partition_range_start": game(1),
        "dagster/asset_partition_range_end": game(3),
    }
    add_run(instance, "poll_match_lists", 0, dg.DagsterRunStatus.STARTED, ends)
    add_run(
        instance,
        "poll_match_lists",
        0,
        dg.DagsterRunStatus.NOT_STARTED,
        {"dagster/partition": game(4)},
    )
    assert retire_partitions(instance, database, NOW) == 1
    assert partitions(instance) == [1, 2, 3, 4]


def test_hundreds_of_partitions_go_in_one_statement(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """With a transaction each, as Dagster itself deletes them, a night's 5,000 took 15 s of processor."""
    list_games(database, instance, dict.fromkeys(range(1, 301), 61))
    writes: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM dynamic_partitions"):
            writes.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert retire_partitions(instance, database, NOW) == 300
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert partitions(instance) == []
    assert len(writes) == 1


def test_there_are_never_more_partitions_than_the_ui_bears(
    instance: dg.DagsterInstance, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_PARTITIONS", 3)
    list_games(database, instance, dict.fromkeys(range(1, 7), 1))
    assert retire_partitions(instance, database, NOW) == 3
    assert partitions(instance) == [4, 5, 6]


def test_as_many_go_in_a_night_as_came(
    instance: dg.DagsterInstance, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 6,000 games a day a fixed number a night would be behind after the first."""
    list_games(database, instance, dict.fromkeys(range(1, 6_001), 61))
    assert retire_partitions(instance, database, NOW) == 6_000
    # Not without end: a night has other work, too.
    list_games(database, instance, dict.fromkeys(range(6_001, 7_502), 61))
    moments = iter([0.0, 599.0, 600.0, 601.0])
    monkeypatch.setattr(history.time, "monotonic", lambda: next(moments))
    assert retire_partitions(instance, database, NOW) == 1_000


def test_a_run_is_kept_though_nobody_had_played_for_weeks_before(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """That all partitions are younger does not mean that its own has gone: it was not too many."""
    list_games(database, instance, {1: 0.5})
    kept = {
        add_run(instance, "process_matches", 40),
        add_run(instance, "deliver_messages", 1, dg.DagsterRunStatus.FAILURE),
    }
    assert prune_runs(instance, database, NOW) == 0
    assert {run.run_id for run in instance.get_runs()} == kept


def test_runs_go_with_the_partitions_that_were_too_many(
    instance: dg.DagsterInstance, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite each has a file of 130 kB: with thousands of games a day a disk is full before 60 days."""
    monkeypatch.setattr(history, "MOST_PARTITIONS", 3)
    list_games(database, instance, {1: 7.0, 2: 5.0})
    list_games(database, instance, {3: 50.0}, state="quarantined")
    kept = {
        add_run(instance, "process_matches", 6.9),
        add_run(instance, "nightly", 40),
        add_run(instance, "poll_match_lists", 8, dg.DagsterRunStatus.FAILURE),
    }
    add_run(instance, "process_matches", 7.1)
    add_run(instance, "deliver_messages", 7.1, dg.DagsterRunStatus.FAILURE)
    assert prune_runs(instance, database, NOW) == 2
    assert {run.run_id for run in instance.get_runs()} == kept


def test_old_runs_go_and_what_shows_a_malformed_game_stays(
    instance: dg.DagsterInstance, database: Database
) -> None:
    failed = dg.DagsterRunStatus.FAILURE
    kept = {
        add_run(instance, "poll_match_lists", 2),
        add_run(instance, "poll_match_lists", 29, failed),
        add_run(instance, "process_matches", 59),
        add_run(instance, "deliver_messages", 59),
        add_run(instance, "poll_match_lists", 90, dg.DagsterRunStatus.STARTED),
    }
    shown = add_run(instance, "process_matches", 90, failed)
    add_run(instance, "poll_match_lists", 4)
    add_run(instance, "check_everything", 4)
    add_run(instance, "poll_match_lists", 31, failed)
    add_run(instance, "process_matches", 61)
    add_run(instance, "deliver_messages", 61, failed)
    with database.writing() as session:
        session.add(Match(match_id=game(1), state="quarantined", listed_at=NOW))
        session.flush()
        session.add(
            Quarantine(
                match_id=game(1), stage="games", error="", traceback="", code_version="1",
                shown_run_id=shown, quarantined_at=NOW,
            )
        )  # fmt: skip
    assert prune_runs(instance, database, NOW) == 5
    assert {run.run_id for run in instance.get_runs()} == kept | {shown}
    with database.writing() as session:
        session.scalars(select(Quarantine)).one().closed_at = NOW
    assert prune_runs(instance, database, NOW) == 1


@pytest.mark.parametrize("at", [0, 4096], ids=["header", "page"])
def test_a_run_whose_file_is_damaged_goes_too_and_keeps_no_other(
    instance: dg.DagsterInstance, database: Database, settings: Settings, at: int
) -> None:
    """On SQLite the events of each run stand in a file of their own."""
    damaged = add_run(instance, "deliver_messages", 62, delivered=game(1))
    add_run(instance, "deliver_messages", 61, delivered=game(2))
    (file,) = settings.dagster_home.rglob(f"{damaged}.db")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
    with prepare_instance(settings) as later:
        assert prune_runs(later, database, NOW) == 2
        assert (later.get_runs(), events_of_no_run(later)) == ([], 0)


def test_what_deleted_runs_leave_on_the_disk_goes(
    instance: dg.DagsterInstance, database: Database, settings: Settings
) -> None:
    lives, gone, young = (
        add_run(instance, "poll_match_lists", 0),
        "11111111-2222-3333-4444-555555555555",
        "99999999-2222-3333-4444-555555555555",
    )
    home = settings.dagster_home
    files = {}
    for run_id in (lives, gone, young):
        database_file = home / "history" / "runs" / f"{run_id}.db"
        printed = home / "storage" / run_id / "compute_logs"
        database_file.parent.mkdir(parents=True, exist_ok=True)
        database_file.touch()
        printed.mkdir(parents=True)
        files[run_id] = [database_file, printed.parent]
        if run_id != young:
            for path in files[run_id]:
                os.utime(path, (time.time() - 200_000,) * 2)
    index = home / "history" / "runs" / "index.db"
    os.utime(index, (time.time() - 200_000,) * 2)
    # Listed, and removed before it is read: so do the logs of SQLite's databases come and go.
    (home / "history" / "runs" / f"{uuid.uuid4()}.db-wal").symlink_to(home / "nowhere")
    assert remove_leftovers(instance, home, NOW) == 2
    assert {run_id for run_id, paths in files.items() if all(map(Path.exists, paths))} == {
        lives,
        young,
    }
    assert index.exists()


def test_evaluations_of_checks_do_not_grow_forever(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """Weeks of ticks in which nothing happens: the checks are evaluated, and their runs deleted."""
    app = AppContext(settings=Settings(), clock=WallClock(lambda: NOW))
    check = build_definitions(app).resolve_job_def("check_everything")
    for _ in range(3):
        assert check.execute_in_process(instance=instance).success
    checks, events = AssetCheckExecutionsTable, SqlEventLogStorageTable

    def rows() -> tuple[int, int]:
        with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            return (
                connection.execute(select(func.count()).select_from(checks)).scalar_one(),
                connection.execute(
                    select(func.count()).select_from(events).where(events.c.run_id == "")
                ).scalar_one(),
            )

    kinds = len(list(check.asset_layer.asset_graph.asset_check_keys))
    assert rows()[0] == 3 * kinds
    assert prune_events(instance, NOW) == 0
    assert prune_events(instance, NOW + timedelta(days=31)) == 2 * kinds
    assert rows()[0] == kinds


def test_ticks_are_kept_as_long_as_their_result_is_of_interest(
    instance: dg.DagsterInstance,
) -> None:
    click(instance, "due_work_sensor", InstigatorStatus.DECLARED_IN_CODE)
    (state,) = instance.all_instigator_state()
    for status in TickStatus:
        for days in (0, 2, 8, 15, 31):
            instance.create_tick(
                TickData(
                    state.instigator_origin_id, state.instigator_name, state.instigator_type, status,
                    (NOW - timedelta(days=days)).timestamp(), selector_id=state.selector_id, run_ids=[],
                    error=SerializableErrorInfo("boom", [], None) if status is TickStatus.FAILURE else None,
                )
            )  # fmt: skip
    prune_ticks(instance, NOW)
    left: dict[TickStatus, list[int]] = {}
    for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id):
        left.setdefault(tick.status, []).append(round((NOW.timestamp() - tick.timestamp) / 86400))
    assert left == {
        TickStatus.SKIPPED: [0],
        TickStatus.STARTED: [0, 2],
        TickStatus.SUCCESS: [0, 2, 8],
        TickStatus.FAILURE: [0, 2, 8, 15],
    }


@pytest.mark.sqlite
def test_one_step_that_fails_stops_no_other_and_the_run_is_red(
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list_games(database, instance, {1: 61})

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nightly, "prune_attempts", fail)
    # The second night is not a second after the first: backups are named after their second.
    nights = [NOW, NOW + timedelta(days=1)]
    app = AppContext(settings, clock=WallClock(lambda: nights[0]))
    job = build_definitions(app).resolve_job_def("nightly")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    succeeded = {event.step_key for event in result.all_events if event.is_step_success}
    assert succeeded == STEPS - {"prune_database"}
    assert partitions(instance) == []
    order = [event.step_key for event in result.all_events if event.is_step_start]
    assert order[0] == "take_backup"

    monkeypatch.setattr(nightly, "prune_attempts", prune_attempts)
    nights.pop(0)
    result = job.execute_in_process(instance=instance)
    with database.reading() as session:
        last = last_backup(session)
    assert last is not None
    (output,) = [
        event.step_output_data
        for event in result.all_events
        if event.is_successful_output and event.step_key == "take_backup"
    ]
    assert output.metadata["file"].value == last.file
