"""Sensors and schedules: what they request, and when they hold back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lol_dagster.orchestration.resources import resources
from lol_dagster.orchestration.schedules import SCHEDULES
from lol_dagster.orchestration.sensors import (
    due_messages_sensor,
    new_matches_sensor,
    quarantined_games_sensor,
)
from lol_dagster.storage.models import Match, Quarantine
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

BATCH = {"lol/batch": "true"}


def tick(world: World, sensor: dg.SensorDefinition) -> list[Any]:
    """What one evaluation yields."""
    context = dg.build_sensor_context(instance=world.instance, resources=resources(world.app))
    return list(sensor(context))


def a_run(
    world: World, job: str, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> None:
    """A run as the daemon would have left it."""
    world.instance.create_run_for_job(
        world.definitions.resolve_job_def(job), status=status, tags=tags
    )


def list_matches(world: World, *match_ids: str, hours_ago: float = 0) -> None:
    """What the match lists have brought."""
    at = world.app.clock.now() - timedelta(hours=hours_ago)
    with world.app.database.writing() as session:
        for match_id in match_ids:
            session.add(Match(match_id=match_id, state="listed", listed_at=at, next_try_at=at))


def test_new_games_become_one_run_over_their_range(world: World) -> None:
    list_matches(world, "NA1_5000000002", "NA1_5000000001")
    (request,) = tick(world, new_matches_sensor)
    first, second = world.instance.get_dynamic_partitions("match_id")
    assert {first, second} == {"NA1_5000000001", "NA1_5000000002"}
    assert request.tags["dagster/asset_partition_range_start"] == first
    assert request.tags["dagster/asset_partition_range_end"] == second
    assert request.partition_key is None
    assert request.tags["lol/batch"] == "true"


def test_a_tick_that_was_cut_short_is_repeated_without_harm(world: World) -> None:
    """Its partitions are there, its run was never made: the next tick asks for the same run."""
    list_matches(world, "NA1_5000000001")
    assert [each.tags for each in tick(world, new_matches_sensor)] == [
        each.tags for each in tick(world, new_matches_sensor)
    ]
    assert world.instance.get_dynamic_partitions("match_id") == ["NA1_5000000001"]


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_no_batch_is_requested_while_one_lives(world: World, status: dg.DagsterRunStatus) -> None:
    list_matches(world, "NA1_5000000001")
    a_run(world, "process_matches", status, BATCH)
    (skipped,) = tick(world, new_matches_sensor)
    assert isinstance(skipped, dg.SkipReason)


def test_a_run_that_a_person_started_does_not_hold_the_batches_up(world: World) -> None:
    list_matches(world, "NA1_5000000001")
    a_run(world, "process_matches", dg.DagsterRunStatus.STARTED)
    (request,) = tick(world, new_matches_sensor)
    assert isinstance(request, dg.RunRequest)


def test_a_batch_that_has_ended_is_no_reason_to_wait(world: World) -> None:
    list_matches(world, "NA1_5000000001")
    a_run(world, "process_matches", dg.DagsterRunStatus.FAILURE, BATCH)
    (request,) = tick(world, new_matches_sensor)
    assert isinstance(request, dg.RunRequest)


def test_the_schedule_skips_while_its_last_run_lives(world: World) -> None:
    world.add_team("Gamers", "Ann")
    assert isinstance(world.plan_poll(), dg.RunRequest)
    a_run(world, "poll_match_lists", dg.DagsterRunStatus.STARTED)
    assert isinstance(world.plan_poll(), dg.SkipReason)


def test_no_schedule_starts_a_run_beside_a_living_one(world: World, tmp_path: Path) -> None:
    """Every schedule there is: a queue that stood for a night holds one run of each then."""
    world.add_team("Gamers", "Ann")
    # A schedule's context takes no instance that lives in memory.
    with dg.DagsterInstance.local_temp(str(tmp_path)) as world.instance:

        def asked(schedule: dg.ScheduleDefinition) -> object:
            context = dg.build_schedule_context(world.instance, resources=resources(world.app))
            return schedule(context)

        for schedule in SCHEDULES:
            assert isinstance(asked(schedule), dg.RunRequest), schedule.name
            a_run(world, schedule.job_name, dg.DagsterRunStatus.STARTED)
            assert isinstance(asked(schedule), dg.SkipReason), schedule.name


def test_the_schedule_skips_where_nobody_is_due(world: World) -> None:
    assert isinstance(world.plan_poll(), dg.SkipReason)


def test_messages_that_are_due_get_one_run_and_no_second_while_it_lives(world: World) -> None:
    assert isinstance(tick(world, due_messages_sensor)[0], dg.SkipReason)
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    assert world.poll().success
    assert world.run_batch("NA1_5000000001").success
    (request,) = tick(world, due_messages_sensor)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key is None
    a_run(world, "deliver_messages", dg.DagsterRunStatus.STARTED)
    (skipped,) = tick(world, due_messages_sensor)
    assert isinstance(skipped, dg.SkipReason)


def test_a_refused_key_stops_all_calls_for_some_minutes_and_then_one_is_tried(
    world: World,
) -> None:
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.simulator.set_faults("riot=403")
    assert not world.poll().success
    refused_until = world.key_refused_until()
    assert refused_until is not None

    list_matches(world, "NA1_5000000009")
    assert isinstance(tick(world, new_matches_sensor)[0], dg.SkipReason)
    assert isinstance(world.plan_poll(), dg.SkipReason)

    world.app.clock.now = lambda: refused_until
    assert isinstance(world.plan_poll(), dg.RunRequest)
    world.simulator.set_faults("")
    assert world.poll().success
    assert world.key_refused_until() is None


def test_only_quarantined_games_that_nobody_has_seen_yet_are_shown(world: World) -> None:
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann", deaths="many")])
    assert world.poll().success
    assert world.run_batch("NA1_5000000001").success
    (request,) = tick(world, quarantined_games_sensor)
    assert request.partition_key == "NA1_5000000001"
    assert not world.process("NA1_5000000001").success
    (skipped,) = tick(world, quarantined_games_sensor)
    assert isinstance(skipped, dg.SkipReason)


def test_a_game_quarantined_by_a_removed_stage_does_not_keep_the_others_from_being_shown(
    world: World,
) -> None:
    world.add_team("Gamers", "Ann")
    first, second = "NA1_5000000001", "NA1_5000000002"
    for match_id in (first, second):
        world.finish(match_id, participants=[participant("Ann", deaths="many")])
    assert world.poll().success
    assert world.run_batch(first, second).success
    with world.app.database.writing() as session:
        session.query(Quarantine).filter_by(match_id=first).one().stage = "gone_since"
    assert {each.partition_key for each in tick(world, quarantined_games_sensor)} == {first, second}


def test_a_run_that_ended_without_a_verdict_does_not_keep_the_others_from_being_shown(
    world: World,
) -> None:
    """Its key is spent, and it is red: so it is what there is to be seen of that game."""
    world.add_team("Gamers", "Ann")
    first, second = "NA1_5000000001", "NA1_5000000002"
    for match_id in (first, second):
        world.finish(match_id, participants=[participant("Ann", deaths="many")])
    assert world.poll().success
    assert world.run_batch(first, second).success
    request, other = tick(world, quarantined_games_sensor)
    lost = world.instance.create_run_for_job(
        world.definitions.resolve_job_def("process_matches"),
        tags={**request.tags, "dagster/run_key": request.run_key},
    )
    # While it lives nobody else asks for the same.
    assert [each.run_key for each in tick(world, quarantined_games_sensor)] == [other.run_key]
    world.instance.report_run_failed(lost)
    assert [each.run_key for each in tick(world, quarantined_games_sensor)] == [other.run_key]
    with world.app.database.reading() as session:
        shown = {row.match_id: row.shown_run_id for row in session.query(Quarantine)}
    assert shown == {request.partition_key: lost.run_id, other.partition_key: None}
