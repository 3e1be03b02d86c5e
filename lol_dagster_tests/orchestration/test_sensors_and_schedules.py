"""The sensor's parts and the schedules: what they request, and when they hold back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance import InstanceRef
from sqlalchemy import update

from lol_dagster.definitions import defs
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.polling import PollingThread
from lol_dagster.orchestration.resources import resources
from lol_dagster.orchestration.runs import delivering
from lol_dagster.orchestration.schedules import SCHEDULES
from lol_dagster.orchestration.sensors import (
    LATE,
    DueWork,
    Found,
    SensorOfOneInstance,
    due_work_sensor,
)
from lol_dagster.pipeline.discovery import DiscoveryReport, PollReport
from lol_dagster.pipeline.run_requests import request_run
from lol_dagster.settings import Settings
from lol_dagster.simulator.games import Account
from lol_dagster.storage.models import AccountPoll, Heartbeat, Match, Message, Quarantine
from lol_dagster_tests._support.payloads import participant, puuid_of
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

BATCH = {"lol/batch": "true", "dagster-celery/queue": "americas"}


def a_run(
    world: World, job: str, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    """A run as the daemon would have left it."""
    chosen = {"ops": {"process_chosen": {"config": {"match_ids": []}}}}
    return world.instance.create_run_for_job(
        world.definitions.resolve_job_def(job),
        run_config=chosen if job == "process_requested" else None,
        status=status,
        tags=tags,
    )


def list_matches(world: World, *match_ids: str, hours_ago: float = 0) -> None:
    """What the match lists have brought."""
    at = world.app.clock.now() - timedelta(hours=hours_ago)
    with world.app.database.writing() as session:
        for match_id in match_ids:
            session.add(Match(match_id=match_id, state="listed", listed_at=at, next_try_at=at))


def skipped(result: dg.SensorResult) -> str:
    """Why a tick asks for no run."""
    assert not result.run_requests
    assert result.skip_reason is not None
    return result.skip_reason.skip_message or ""


def materializations(world: World, asset: str) -> list[dg.AssetMaterialization]:
    """Those that were stored without a run, oldest first."""
    records = world.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return [each.asset_materialization for each in reversed(records) if each.asset_materialization]


def somebody_quiet(world: World) -> None:
    """Ann, who has not played for a while; the clock stands still."""
    world.add_team("Gamers", "Ann")
    world.simulator.add_account(Account(puuid_of("Ann"), "Ann", "NA1", "na1"))
    move_clock(world)


def move_clock(world: World, **by: float) -> None:
    """On by so much, to a moment in which every account is due."""
    now = world.app.clock.now() + timedelta(**by)
    world.app.clock.now = lambda: now
    with world.app.database.writing() as session:
        session.execute(update(AccountPoll).values(next_poll_at=now))


# --- asking Riot ---------------------------------------------------------------------------------


def test_a_tick_asks_riot_and_requests_the_run_over_what_is_new(world: World) -> None:
    """In one: no run asks, and no second tick looks what has come of it."""
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    result = world.tick()
    (request,) = result.run_requests or ()
    assert request.job_name == "process_matches"
    assert request.tags["dagster/asset_partition_range_start"] == "NA1_5000000001"
    assert not world.runs("poll_match_lists")
    (shown,) = materializations(world, "match_lists")
    assert shown.metadata["new_matches"].value == 1


def test_a_tick_says_how_many_a_poll_had_no_time_for(world: World) -> None:
    app = world.app
    polling = PollingThread(lambda: DiscoveryReport((PollReport(1, "Ann#NA1"),), not_asked=12))
    work = DueWork(
        world.instance, app.database, app.settings, app.deliverer, polling, app.clock.now, rest_s=0
    )
    somebody_quiet(world)
    said = "Asked for the lists of Ann#NA1: 0 new, 12 have their turn in the next poll"
    assert said in skipped(work.tick())


def test_a_poll_without_news_is_shown_by_its_tick_and_every_quarter_of_an_hour(
    world: World,
) -> None:
    somebody_quiet(world)
    world.tick()
    assert len(materializations(world, "match_lists")) == 1
    move_clock(world, minutes=14)
    assert "Asked for the lists of Ann#" in skipped(world.tick())
    assert len(materializations(world, "match_lists")) == 1
    move_clock(world, minutes=2)
    world.tick()
    *_, shown = materializations(world, "match_lists")
    assert len(materializations(world, "match_lists")) == 2
    # When each account was last asked.
    asked_at = world.app.clock.now().strftime("%Y-%m-%d %H:%M:%S")
    assert asked_at in str(shown.metadata["all_accounts"].value).replace("\\", "")


def test_a_poll_that_fails_is_shown_with_why(world: World) -> None:
    somebody_quiet(world)
    world.tick()
    world.simulator.set_faults("riot.match-list=403*1")
    move_clock(world, minutes=5)
    assert "1 failed" in skipped(world.tick())
    *_, shown = materializations(world, "match_lists")
    assert shown.metadata["failed"].value == 1
    assert "403" in str(shown.metadata["all_accounts"].value)


def test_the_asset_is_materialized_often_enough_to_be_fresh() -> None:
    from lol_dagster.orchestration.metadata import FRESH_WARN
    from lol_dagster.orchestration.sensors import SHOWN_EVERY
    from lol_dagster.riot.polling import LONGEST_PAUSE

    # At worst every account's turn comes just before it would be shown again.
    assert SHOWN_EVERY + LONGEST_PAUSE < FRESH_WARN


def test_nobody_is_asked_while_a_run_asks(world: World) -> None:
    world.add_team("Gamers", "Ann")
    run = a_run(world, "poll_match_lists", dg.DagsterRunStatus.STARTED)
    assert run.run_id[:8] in world.work.poll().said
    assert not world.simulator.truth.calls("riot")


def test_where_nobody_is_due_nothing_is_asked(world: World) -> None:
    assert world.work.poll() == Found()
    world.add_team("Gamers", "Ann")
    world.tick()
    calls = len(world.simulator.truth.calls("riot"))
    world.tick()
    assert len(world.simulator.truth.calls("riot")) == calls


def test_a_refused_key_stops_all_calls_for_some_minutes_and_then_one_is_tried(
    world: World,
) -> None:
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.simulator.set_faults("riot=403")
    (key_check, *_) = [
        each for each in world.tick().asset_events
        if isinstance(each, dg.AssetCheckEvaluation) and each.check_name == "no_refused_key"
    ]  # fmt: skip
    assert not key_check.passed
    refused_until = world.key_refused_until()
    assert refused_until is not None

    list_matches(world, "NA1_5000000009")
    calls = len(world.simulator.truth.calls("riot"))
    assert f"{refused_until:%H:%M}" in skipped(world.tick())
    assert len(world.simulator.truth.calls("riot")) == calls

    world.app.clock.now = lambda: refused_until
    world.simulator.set_faults("")
    assert world.tick().run_requests
    assert world.key_refused_until() is None


class SlowRiot:
    """A poll that ends when the test says so."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.begun = 0

    def poll(self) -> DiscoveryReport:
        self.begun += 1
        assert self.may_end.wait(60)
        return DiscoveryReport(())


def test_nothing_waits_for_a_riot_that_takes_its_time(world: World) -> None:
    """The poll goes on in its thread, one at a time; a later tick takes over what it has brought."""
    world.add_team("Gamers", "Ann")
    list_matches(world, "NA1_5000000001")
    riot = SlowRiot()
    app = world.app
    work = DueWork(
        world.instance, app.database, app.settings, app.deliverer, PollingThread(riot.poll),
        app.clock.now, riot_within_s=0, rest_s=0,
    )  # fmt: skip
    for _ in range(2):
        result = work.tick()
        assert [each.job_name for each in result.run_requests or ()] == ["process_matches"]
        assert not result.asset_events
    assert riot.begun == 1
    riot.may_end.set()
    wait_for("outcome", lambda: work.poll().events)
    assert not work.polling.goes_on
    assert riot.begun == 1


def test_a_poll_that_breaks_fails_the_tick_once_and_the_next_one_asks_again() -> None:
    polls: list[str] = []

    def broken() -> DiscoveryReport:
        polls.append("begun")
        raise OSError("no space left")

    thread = PollingThread(broken)
    for number in (1, 2):
        thread.begin()
        with pytest.raises(OSError, match="no space left"):
            thread.outcome(60)
        assert len(polls) == number
        assert thread.outcome(60) is None


def test_of_two_ticks_at_once_one_asks_riot_and_one_takes_over_what_comes() -> None:
    """A person may have a tick shown in Dagster's UI while the daemon has one."""
    riot = SlowRiot()
    thread = PollingThread(riot.poll)
    thread.begin()
    thread.begin()
    with ThreadPoolExecutor(2) as ticks:
        outcomes = [ticks.submit(thread.outcome, 60) for _ in range(2)]
        riot.may_end.set()
        assert [each.result() is None for each in outcomes].count(False) == 1
    assert riot.begun == 1


# --- new games -----------------------------------------------------------------------------------


def test_new_games_become_one_run_over_their_range(world: World) -> None:
    list_matches(world, "NA1_5000000002", "NA1_5000000001")
    (request,) = world.work.batches().runs
    first, second = world.instance.get_dynamic_partitions("match_id")
    assert {first, second} == {"NA1_5000000001", "NA1_5000000002"}
    assert request.tags["dagster/asset_partition_range_start"] == first
    assert request.tags["dagster/asset_partition_range_end"] == second
    assert request.partition_key is None
    assert request.tags["lol/batch"] == "true"


def test_a_tick_that_was_cut_short_is_repeated_without_harm(world: World) -> None:
    """Its partitions are there, its run was never made: the next tick asks for the same run."""
    list_matches(world, "NA1_5000000001")
    assert [each.tags for each in world.work.batches().runs] == [
        each.tags for each in world.work.batches().runs
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
    run = a_run(world, "process_matches", status, BATCH)
    assert run.run_id[:8] in skipped(world.tick())


def test_each_of_riots_routes_has_batches_of_its_own_newest_games_first(world: World) -> None:
    """Each has its own limits. A run over one is no reason to wait for the games of another."""
    list_matches(world, "NA1_5000000001", "EUW1_7000000001", "BR1_3000000001", "XX9_1")
    assert [
        (run.tags["dagster-celery/queue"], run.tags["lol/games"])
        for run in world.work.batches().runs
    ] == [
        ("americas", "2 games from BR1_3000000001"),
        ("europe", "EUW1_7000000001"),
        ("dagster", "XX9_1"),
    ]
    a_run(world, "process_matches", dg.DagsterRunStatus.STARTED, BATCH)
    left = world.work.batches().runs
    assert [run.tags["dagster-celery/queue"] for run in left] == ["europe", "dagster"]


def test_a_run_that_a_person_started_does_not_hold_the_batches_up(world: World) -> None:
    list_matches(world, "NA1_5000000001")
    a_run(world, "process_matches", dg.DagsterRunStatus.STARTED)
    assert len(world.work.batches().runs) == 1


def test_a_batch_that_has_ended_is_no_reason_to_wait(world: World) -> None:
    list_matches(world, "NA1_5000000001")
    a_run(world, "process_matches", dg.DagsterRunStatus.FAILURE, BATCH)
    assert len(world.work.batches().runs) == 1


# --- messages ------------------------------------------------------------------------------------


def test_a_run_that_writes_messages_delivers_them_itself(world: World) -> None:
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    assert world.poll().success
    assert world.run_batch("NA1_5000000001").success
    assert len(world.posted("Gamers")) == 1
    assert world.materialized("deliveries") == {"NA1_5000000001"}
    assert world.work.messages() == Found()


@pytest.fixture
def with_due_message(world: World) -> World:
    """One that the run which wrote it could not deliver."""
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    assert world.poll().success
    with delivering(world.app.settings.home, world.app.database):
        assert world.run_batch("NA1_5000000001").success
    assert not world.posted("Gamers")
    return world


def test_messages_that_are_left_get_one_run_and_no_second_while_it_lives(
    with_due_message: World,
) -> None:
    world = with_due_message
    (request,) = world.work.messages().runs
    assert (request.job_name, request.partition_key) == ("deliver_messages", None)
    a_run(world, "deliver_messages", dg.DagsterRunStatus.STARTED)
    assert not world.work.messages().runs


@pytest.mark.parametrize("job", ["process_matches", "process_requested"])
def test_what_a_run_is_about_to_deliver_gets_no_other_until_it_is_late(
    with_due_message: World, job: str
) -> None:
    world = with_due_message
    a_run(world, job, dg.DagsterRunStatus.STARTED)
    with world.app.database.reading() as session:
        due_at = session.query(Message).one().due_at
    assert due_at is not None
    just_before = due_at + LATE - timedelta(microseconds=1)
    world.app.clock.now = lambda: just_before
    assert "still running" in world.work.messages().said
    world.app.clock.now = lambda: due_at + LATE
    assert [each.job_name for each in world.work.messages().runs] == ["deliver_messages"]


def test_two_runs_do_not_deliver_at_once(with_due_message: World) -> None:
    """A channel's messages come in their order."""
    world = with_due_message
    deliver = world.definitions.resolve_job_def("deliver_messages")
    with delivering(world.app.settings.home, world.app.database) as is_alone:
        assert is_alone
        assert world.work.messages() == Found("A run is delivering")
        assert deliver.execute_in_process(instance=world.instance).success
        assert not world.posted("Gamers")
    assert deliver.execute_in_process(instance=world.instance).success
    assert len(world.posted("Gamers")) == 1


# --- quarantined games ---------------------------------------------------------------------------


def shown_next(world: World) -> list[str | None]:
    return [each.partition_key for each in world.work.quarantined().runs]


def test_only_quarantined_games_that_nobody_has_seen_yet_are_shown(world: World) -> None:
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann", deaths="many")])
    assert world.poll().success
    assert world.run_batch("NA1_5000000001").success
    assert shown_next(world) == ["NA1_5000000001"]
    assert not world.process("NA1_5000000001").success
    assert shown_next(world) == []


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
    assert set(shown_next(world)) == {first, second}


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
    request, other = world.work.quarantined().runs
    lost = world.instance.create_run_for_job(
        world.definitions.resolve_job_def("process_matches"),
        tags={**request.tags, "dagster/run_key": request.run_key},
    )
    # While it lives nobody else asks for the same.
    assert [each.run_key for each in world.work.quarantined().runs] == [other.run_key]
    world.instance.report_run_failed(lost)
    assert [each.run_key for each in world.work.quarantined().runs] == [other.run_key]
    with world.app.database.reading() as session:
        shown = {row.match_id: row.shown_run_id for row in session.query(Quarantine)}
    assert shown == {request.partition_key: lost.run_id, other.partition_key: None}


# --- the tick as a whole -------------------------------------------------------------------------


def test_the_system_is_checked_every_half_minute(world: World) -> None:
    now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    checked = []
    for second in (0, 5, 29, 30, 35, 60):
        world.app.clock.now = lambda second=second: now + timedelta(seconds=second)
        if "alerts open: 0" in skipped(world.tick()):
            checked.append(second)
        with world.app.database.reading() as session:
            assert session.get_one(Heartbeat, "daemon").at == now + timedelta(seconds=checked[-1])
    assert checked == [0, 30, 60]


class Sleeper:
    """A sleep in which what the test says happens after so many seconds."""

    def __init__(self, world: World, after: float, then: Callable[[], object]) -> None:
        self.slept = 0.0
        self._world = world
        self._after = after
        self._then = then

    def tick(self) -> dg.SensorResult:
        return replace(self._world.work, rest_s=6.0, sleep=self._sleep).tick()

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self.slept == self._after:
            self._then()


def test_while_nobody_plays_a_tick_waits_and_what_is_written_ends_that(world: World) -> None:
    nothing = Sleeper(world, 0, lambda: None)
    skipped(nothing.tick())
    assert nothing.slept == 6
    listed = Sleeper(world, 2, lambda: list_matches(world, "NA1_5000000001"))
    assert listed.tick().run_requests
    assert listed.slept == 2


@pytest.mark.parametrize("asked", ["player", "request"])
def test_a_person_waits_for_no_rest(world: World, asked: str) -> None:
    def ask() -> None:
        if asked == "player":
            world.add_team("Gamers", "Ann")
            world.finish("NA1_5000000001", participants=[participant("Ann")])
            return
        with world.app.database.writing() as session:
            request_run(session, "NA1_5000000001", "op", "test", now=world.app.clock.now())

    sleeper = Sleeper(world, 3, ask)
    assert sleeper.tick().run_requests
    assert sleeper.slept == 3


def test_while_somebody_plays_no_tick_waits(world: World) -> None:
    somebody_quiet(world)
    world.tick()
    with world.app.database.writing() as session:
        session.execute(update(AccountPoll).values(last_played_at=world.app.clock.now()))
    playing = Sleeper(world, 0, lambda: None)
    skipped(playing.tick())
    assert playing.slept == 0


def test_a_part_that_fails_keeps_no_other_from_its_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_matches(world, "NA1_5000000001")

    def fail(*_: object) -> None:
        raise OSError("broken")

    monkeypatch.setattr("lol_dagster.orchestration.sensors.due_accounts", fail)
    assert [each.job_name for each in world.tick().run_requests or ()] == ["process_matches"]
    # Where nothing else is due the tick is red.
    a_run(world, "process_matches", dg.DagsterRunStatus.STARTED, BATCH)
    with pytest.raises(OSError, match="broken"):
        world.tick()


def test_the_sensor_is_that_tick(world: World) -> None:
    list_matches(world, "NA1_5000000001")
    context = dg.build_sensor_context(instance=world.instance, resources=resources(world.app))
    result = due_work_sensor(context)
    assert isinstance(result, dg.SensorResult)
    assert [each.job_name for each in result.run_requests or ()] == ["process_matches"]


def test_ticks_share_dagsters_instance(settings: Settings) -> None:
    """To open it takes twice as much as the rest of a tick that finds nothing to do."""
    # Dagster makes its own copies of sensors.
    loaded = defs.get_repository_def().get_sensor_def("due_work_sensor")
    assert isinstance(loaded, SensorOfOneInstance)
    ref = prepare_instance(settings).get_ref()
    seen: list[dg.DagsterInstance] = []

    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        seen.append(context.instance)
        return dg.SkipReason("seen")

    sensor = SensorOfOneInstance(name="looks", evaluation_fn=look)

    def tick(ref: InstanceRef) -> None:
        # As the code server does.
        with dg.SensorEvaluationContext(
            ref, None, None, None, None, "__repository__", defs.get_repository_def()
        ) as context:
            assert sensor.evaluate_tick(context).skip_message == "seen"

    tick(ref)
    tick(ref)
    first, second = seen
    assert first is second
    assert first.get_run_records() == []  # not closed with the first tick
    # What is changed in dagster.yaml counts from the daemon's next start on.
    tick(ref._replace(settings={**ref.settings, "telemetry": {"enabled": True}}))
    assert seen[2] is not first


def test_no_schedule_starts_a_run_beside_a_living_one(world: World, tmp_path: Path) -> None:
    """Every schedule there is: a queue that stood for a night holds one run of each then."""
    # A schedule's context takes no instance that lives in memory.
    with dg.DagsterInstance.local_temp(str(tmp_path)) as world.instance:

        def asked(schedule: dg.ScheduleDefinition) -> object:
            context = dg.build_schedule_context(world.instance, resources=resources(world.app))
            return schedule(context)

        for schedule in SCHEDULES:
            assert isinstance(asked(schedule), dg.RunRequest), schedule.name
            a_run(world, schedule.job_name, dg.DagsterRunStatus.STARTED)
            assert isinstance(asked(schedule), dg.SkipReason), schedule.name
