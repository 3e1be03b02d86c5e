"""What is switched off in Dagster's UI: seen at once, and set right when `up` starts."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus, SensorInstigatorData
from dagster._core.test_utils import create_run_for_test
from pydantic import SecretStr

from lol_dagster.definitions import defs
from lol_dagster.monitoring.switched_off import SwitchedOff, switched_off
from lol_dagster.orchestration import switches
from lol_dagster.orchestration.instance import POOL_LIMITS, prepare_instance
from lol_dagster.orchestration.switches import look, looking, switch_on
from lol_dagster.services import run_heartbeats
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Heartbeat, RunWorker, SendBucket
from lol_dagster_tests._support.dagster_switches import click
from lol_dagster_tests._support.waiting import wait_for

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def instance(settings: Settings) -> dg.DagsterInstance:
    return prepare_instance(settings)


def found(database: Database) -> list[SwitchedOff]:
    with database.reading() as session:
        return switched_off(session)


def test_what_is_switched_off_is_known_at_once_with_its_beginning(
    instance: dg.DagsterInstance, database: Database
) -> None:
    click(instance, "nightly_schedule", InstigatorStatus.RUNNING)
    look(instance, database, NOW)
    assert found(database) == []
    click(instance, "check_everything_schedule", InstigatorStatus.STOPPED)
    click(instance, "due_work_sensor", InstigatorStatus.STOPPED)
    instance.event_log_storage.set_concurrency_slots("channels", 0)
    look(instance, database, NOW)
    instance.event_log_storage.delete_concurrency_limit("riot")
    later = NOW + timedelta(minutes=1)
    look(instance, database, later)
    assert found(database) == [
        SwitchedOff("pool", "channels", "0 instead of 1", NOW),
        SwitchedOff("pool", "riot", "no limit instead of 2", later),
        SwitchedOff("schedule", "check_everything_schedule", "", NOW),
        SwitchedOff("schedule", "due_work_sensor", "", NOW),
    ]
    click(instance, "due_work_sensor", InstigatorStatus.RUNNING)
    instance.event_log_storage.set_concurrency_slots("channels", 1)
    look(instance, database, later)
    assert [each.name for each in found(database)] == ["riot", "check_everything_schedule"]


def test_up_sets_all_of_it_as_the_code_says_and_keeps_cursors(
    settings: Settings, instance: dg.DagsterInstance, database: Database
) -> None:
    click(instance, "check_everything_schedule", InstigatorStatus.STOPPED)
    click(instance, "failed_runs_sensor", InstigatorStatus.STOPPED)
    before = datetime.now(UTC).timestamp()
    instance.event_log_storage.set_concurrency_slots("riot", 0)
    again = prepare_instance(settings)
    assert switch_on(again) == ["check_everything_schedule", "failed_runs_sensor"]
    assert switch_on(again) == []
    look(again, database, NOW)
    assert found(database) == []
    states = {each.instigator_name: each for each in again.all_instigator_state()}
    assert {each.status for each in states.values()} == {InstigatorStatus.DECLARED_IN_CODE}
    sensor = states["failed_runs_sensor"].sensor_instigator_data
    assert sensor is not None
    assert sensor.cursor == "7"
    schedule = states["check_everything_schedule"].instigator_data
    # Without one Dagster would go through all minutes since 1970.
    assert schedule.start_timestamp >= before


def test_up_forgets_what_former_versions_had(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """A stopped one would be switched off for good: nobody could start it."""
    click(instance, "due_messages_sensor", InstigatorStatus.STOPPED)
    click(instance, "poll_match_lists_schedule", InstigatorStatus.DECLARED_IN_CODE)
    click(instance, "nightly_schedule", InstigatorStatus.DECLARED_IN_CODE)
    assert switch_on(instance) == []
    assert [each.instigator_name for each in instance.all_instigator_state()] == [
        "nightly_schedule"
    ]
    look(instance, database, NOW)
    assert found(database) == []


def test_nothing_is_forgotten_that_the_code_declares() -> None:
    repository = defs.get_repository_def()
    declared = {each.name for each in [*repository.schedule_defs, *repository.sensor_defs]}
    assert not declared & switches.REMOVED


def test_up_does_it_in_a_process_that_it_runs_first(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    click(instance, "due_work_sensor", InstigatorStatus.STOPPED)
    (stopped,) = instance.all_instigator_state()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    ticked = SensorInstigatorData(cursor="7", last_tick_timestamp=tomorrow)
    instance.update_instigator_state(stopped.with_data(ticked))
    instance.event_log_storage.set_concurrency_slots("channels", 0)
    done = subprocess.run(
        [sys.executable, "-m", "lol_dagster.orchestration.switches"],
        env={**os.environ, "LOL_HOME": str(settings.home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "due_work_sensor was stopped in Dagster's UI: it is started again.\n"
    (state,) = instance.all_instigator_state()
    assert state.status == InstigatorStatus.DECLARED_IN_CODE
    assert state.sensor_instigator_data is not None
    assert state.sensor_instigator_data.cursor == "7"
    assert (state.sensor_instigator_data.last_tick_timestamp or 0) < tomorrow
    limits = {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()}
    assert limits == POOL_LIMITS


def test_everything_that_the_code_declares_runs_by_default() -> None:
    """So whatever is stopped was stopped by somebody."""
    repository = defs.get_repository_def()
    declared = [*repository.schedule_defs, *repository.sensor_defs]
    assert len(declared) == 5
    assert {each.default_status.value for each in declared} == {"RUNNING"}


def test_the_code_server_looks_by_itself_whatever_is_stopped(
    settings: Settings, instance: dg.DagsterInstance, database: Database
) -> None:
    click(instance, "due_work_sensor", InstigatorStatus.STOPPED)
    with looking(settings):
        (only,) = wait_for("what was found", lambda: found(database))
    assert only.name == "due_work_sensor"


def test_the_code_server_puts_right_by_itself_what_a_clock_wrote_that_was_ahead(
    settings: Settings, instance: dg.DagsterInstance, database: Database
) -> None:
    """No sensor would tick until tomorrow, the one that runs the checks among them."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    click(instance, "monitoring_sensor", InstigatorStatus.RUNNING)
    (state,) = instance.all_instigator_state()
    ticked = SensorInstigatorData(cursor="7", last_tick_timestamp=tomorrow.timestamp())
    instance.update_instigator_state(state.with_data(ticked))

    def is_put_right() -> bool:
        (state,) = instance.all_instigator_state()
        assert state.sensor_instigator_data is not None
        return (state.sensor_instigator_data.last_tick_timestamp or 0) < tomorrow.timestamp()

    with looking(settings):
        wait_for("tick of today", is_put_right)


def test_the_code_server_lets_nothing_of_ours_wait_that_a_clock_wrote_which_was_ahead(
    settings: Settings, instance: dg.DagsterInstance, database: Database
) -> None:
    """No tick shows it, only the heartbeat of a daemon that has ended."""
    ahead = datetime.now(UTC) + timedelta(hours=2)
    with database.writing() as session:
        session.add(Heartbeat(name="daemon", pid=1, started_at=ahead, at=ahead))
        # Slack may want us to wait for a day: by itself this is nothing odd.
        session.add(SendBucket(scope="channel:1", not_before=ahead))

    def may_go_on() -> bool:
        with database.reading() as session:
            bucket = session.get_one(SendBucket, "channel:1")
        return bucket.not_before is not None and bucket.not_before <= datetime.now(UTC)

    with looking(settings):
        wait_for("turn of the channel", may_go_on)


def test_the_code_server_fails_runs_whose_workers_were_lost_with_another_host(
    settings: Settings,
    instance: dg.DagsterInstance,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dagster's daemon cannot: it has no key to our database."""
    monkeypatch.setattr(run_heartbeats, "LOOK_EVERY", 0.01)
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    shared = Database(postgres_url)
    with shared.writing() as session:
        session.add(RunWorker(run_id=run.run_id, host="elsewhere", pid=7, beat_at=0.0))

    def has_failed() -> bool:
        found = instance.get_run_by_id(run.run_id)
        return found is not None and found.status == dg.DagsterRunStatus.FAILURE

    with looking(settings.model_copy(update={"database_url": SecretStr(postgres_url)})):
        wait_for("failure", has_failed)
    shared.dispose()


@pytest.fixture
def shared_settings(
    settings: Settings, instance: dg.DagsterInstance, postgres_url: str
) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(postgres_url)})


def test_no_worker_is_given_up_for_the_time_in_which_the_database_was_out_of_reach(
    shared_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could beat: with the link mended, workers get the minute that they have otherwise."""
    now, looks, judged = 0.0, list[float](), list[float]()

    def watch(_: object) -> list[str]:
        looks.append(now)
        if len(looks) == 1:
            raise OSError("no route to host")
        return []

    monkeypatch.setattr(switches, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(run_heartbeats.Watch, "look", watch)
    monkeypatch.setattr(switches, "fail_abandoned_runs", lambda *_: judged.append(now))
    monkeypatch.setattr(run_heartbeats, "LOOK_EVERY", 0.01)
    with looking(shared_settings):
        wait_for("further look", lambda: len(looks) > 2)
        now = 59.0
        wait_for("look before the minute is over", lambda: looks.count(now) > 1)
        assert judged == []
        now = 61.0
        wait_for("judgement", lambda: judged)


def test_switches_that_cannot_be_seen_keep_no_lost_run_waiting(
    shared_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not for a minute, either: that is for those who were cut off from the database."""
    judged = list[int]()

    def fail(*_: object) -> None:
        raise OSError("a row of Dagster's that cannot be read")

    monkeypatch.setattr(switches, "look", fail)
    monkeypatch.setattr(switches, "fail_abandoned_runs", lambda *_: judged.append(1))
    monkeypatch.setattr(run_heartbeats, "LOOK_EVERY", 0.01)
    with looking(shared_settings):
        wait_for("further judgements", lambda: len(judged) > 2)
    (said,) = (each.message for each in caplog.records if "cannot see" in each.message)
    assert said.startswith("cannot see what is switched off in Dagster: OSError")


def test_lost_runs_that_cannot_be_looked_for_keep_no_switch_unseen(
    shared_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = list[int]()

    def fail(*_: object) -> None:
        raise OSError("a run of Dagster's that cannot be read")

    monkeypatch.setattr(switches, "look", lambda *_: looks.append(1))
    monkeypatch.setattr(switches, "fail_abandoned_runs", fail)
    minutes = SimpleNamespace(monotonic=itertools.count(0.0, 60.0).__next__)
    monkeypatch.setattr(switches, "time", minutes)
    monkeypatch.setattr(run_heartbeats, "LOOK_EVERY", 0.01)
    with looking(shared_settings):
        wait_for("further looks", lambda: len(looks) > 2)
    (said,) = (each.message for each in caplog.records if "cannot see" in each.message)
    assert said.startswith("cannot see which runs were lost with another host: OSError")
