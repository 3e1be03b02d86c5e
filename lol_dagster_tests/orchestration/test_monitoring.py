"""Monitoring in Dagster: the tick, failed runs, the key, and the same from `once`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from lol_dagster.monitoring import checks
from lol_dagster.monitoring.failed_jobs import note_failed_run
from lol_dagster.monitoring.heartbeat import read_beats
from lol_dagster.monitoring.switched_off import switched_off
from lol_dagster.orchestration.monitoring import failed_runs_sensor, monitor
from lol_dagster.orchestration.resources import AppContext, resources
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.settings import load_settings
from lol_dagster.storage.models import (
    AccountPoll,
    Breaker,
    FailedJob,
    Payload,
)
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World


@pytest.fixture
def alerted(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A team, and a channel of its own for alerts."""
    world.add_team("Gamers", "Ann")
    world.add_team("Ops")
    monkeypatch.setenv("LOL_ALERT_CHANNEL", "ops")
    world.app.settings = load_settings()
    return world


def titles(world: World, channel: str) -> list[str]:
    return [body["embeds"][0]["title"] for body in world.posted(channel)]


def later(world: World, minutes: float) -> None:
    """Time goes on; match lists keep coming."""
    then = world.app.clock.now() + timedelta(minutes=minutes)
    world.app.clock.now = lambda: then
    with world.app.database.writing() as session:
        for poll in session.scalars(select(AccountPoll)):
            poll.last_good_poll_at = poll.next_poll_at = then


def test_a_malformed_game_is_announced_once_in_the_alert_channel_and_again_when_it_is_processed(
    alerted: World,
) -> None:
    malformed = alerted.finish("NA1_5000000001", participants=[participant("Ann", deaths="many")])
    alerted.once()
    alerted.once()
    assert titles(alerted, "Ops") == [r"NA1\_5000000001 is quarantined"]
    assert "lol-dagster why" in str(alerted.posted("Ops")[0])
    assert alerted.posted("Gamers") == []

    alerted.finish(malformed, minutes_ago=2, participants=[participant("Ann")])
    with alerted.app.database.writing() as session:
        session.delete(session.get_one(Payload, malformed))
    assert alerted.process(malformed).success
    later(alerted, 6)
    alerted.once()
    assert titles(alerted, "Ops")[1:] == [r"Over: NA1\_5000000001 is quarantined"]


def test_a_dead_key_is_one_alert_also_from_once_and_ends_when_it_works(alerted: World) -> None:
    alerted.finish("NA1_5000000001", participants=[participant("Ann")])
    alerted.simulator.set_faults("riot=403")
    for minutes in (0, 15, 15):
        later(alerted, minutes)
        with pytest.raises(KeyRejected):
            alerted.once()
    assert titles(alerted, "Ops") == ["Riot refuses the API key"]
    alerted.simulator.set_faults("")
    alerted.once()
    later(alerted, 6)
    alerted.once()
    assert titles(alerted, "Ops") == ["Riot refuses the API key", "Over: Riot refuses the API key"]


def test_a_new_key_in_the_env_file_is_tried_at_once_and_without_a_restart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    good = world.simulator.environment["LOL_RIOT_API_KEY"]
    monkeypatch.delenv("LOL_RIOT_API_KEY")
    env_file = Path(".env")
    env_file.write_text("LOL_RIOT_API_KEY=RGAPI-dead\n")

    world.app = AppContext(load_settings())
    assert not world.poll().success
    assert world.key_refused_until() is not None
    calls = len(world.simulator.truth.calls("riot"))
    assert "refuses our key" in world.work.poll().said
    assert len(world.simulator.truth.calls("riot")) == calls

    env_file.write_text(f"LOL_RIOT_API_KEY={good}\n")
    world.app = AppContext(load_settings())
    assert "1 new" in world.work.poll().said
    with world.app.database.reading() as session:
        assert session.get(Breaker, "riot-key") is None


def test_the_tick_shows_that_the_daemon_lives_and_starts_no_run(world: World) -> None:
    assert not world.tick().run_requests
    world.once()
    with world.app.database.reading() as session:
        assert set(read_beats(session)) == {"daemon", "once"}


def test_once_sees_what_is_switched_off(world: World) -> None:
    """Where no code server runs, nobody else does."""
    world.once()
    with world.app.database.reading() as session:
        assert switched_off(session) == []
    world.instance.event_log_storage.set_concurrency_slots("channels", 0)
    world.once()
    with world.app.database.reading() as session:
        (only,) = switched_off(session)
    assert (only.name, only.why) == ("channels", "0 instead of 1")


def test_the_checks_are_run_once_a_tick_for_alerts_and_the_ping(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_PING_URL", "http://127.0.0.1:9/")
    runs: list[object] = []
    run_checks = checks.run_checks

    def counted(moment: checks.Moment) -> list[checks.CheckResult]:
        runs.append(moment)
        return run_checks(moment)

    monkeypatch.setattr(checks, "run_checks", counted)
    monitor(world.instance, world.app.database, load_settings(), datetime.now(UTC), "daemon")
    assert len(runs) == 1


def fail(world: World, **tags: str) -> None:
    """A run that fails as the database is gone, seen by the sensor as the daemon would."""
    job = world.definitions.resolve_job_def("poll_match_lists")
    now, world.app.clock.now = world.app.clock.now, _raise
    result = job.execute_in_process(instance=world.instance, raise_on_error=False, tags=tags)
    world.app.clock.now = now
    _seen_by_sensor(world, result)


def _seen_by_sensor(world: World, result: dg.ExecuteInProcessResult) -> None:
    assert not result.success
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs_sensor",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=world.instance,
        dagster_run=result.dagster_run,
        resources=resources(world.app),
    ).for_run_failure()
    failed_runs_sensor(context)


def _raise() -> Any:
    raise RuntimeError("no clock")


def failed(world: World) -> list[str]:
    with world.app.database.reading() as session:
        return list(session.scalars(select(FailedJob.job)))


def test_a_job_that_failed_for_good_is_remembered_until_a_run_succeeds(alerted: World) -> None:
    fail(alerted)
    assert failed(alerted) == ["poll_match_lists"]
    assert alerted.monitor().messages == 1
    assert failed(alerted) == ["poll_match_lists"]
    assert alerted.poll().success
    alerted.monitor()
    assert failed(alerted) == []


def test_a_job_that_was_renamed_or_removed_does_not_alert_forever(world: World) -> None:
    """An update took it away while its last run was red: no run of it will ever succeed."""
    app = world.app
    note_failed_run(app.database, "poll_everything", "run-1", "it failed", app.clock.now())
    assert world.monitor().open == 0
    assert failed(world) == []


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/will_retry": "true"},
        {"lol/quarantined": "games"},
        {"lol/requested": "1"},
    ],
)
def test_what_is_tried_again_or_watched_by_somebody_is_no_failed_job(
    alerted: World, tags: dict[str, str]
) -> None:
    fail(alerted, **tags)
    assert failed(alerted) == []


def test_a_run_that_met_a_refused_key_is_no_failed_job(alerted: World) -> None:
    """The key has its one alert, and nothing is left of it when another key is tried."""
    alerted.simulator.set_faults("riot=403")
    _seen_by_sensor(alerted, alerted.poll())
    assert failed(alerted) == []
