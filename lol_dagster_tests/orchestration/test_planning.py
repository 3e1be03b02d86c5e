"""What people ask for becomes runs: through the sensor, and through `lol-dagster once`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from lol_dagster.pipeline.run_requests import Progress, latest_progress, request_run
from lol_dagster.riot.key import RIOT_KEY_SCOPE
from lol_dagster.storage.models import Breaker, Match
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

FIRST, SECOND = "NA1_5000000001", "NA1_5000000002"


def ask(world: World, *match_ids: str) -> None:
    with world.app.database.writing() as session:
        for match_id in match_ids:
            request_run(session, match_id, "op", "test", now=world.app.clock.now())


def progress(world: World, match_id: str) -> Progress:
    with world.app.database.reading() as session:
        found = latest_progress(session, match_id)
    assert found is not None
    return found


def tick(world: World) -> list[dg.RunRequest]:
    """The runs that one tick asks for on people's behalf."""
    return list(world.work.requested().runs)


def run(world: World, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Do what the daemon does with a request."""
    assert request.job_name is not None
    how: dict[str, Any] = {"run_config": request.run_config, "tags": request.tags}
    if request.partition_key is not None:
        how["partition_key"] = request.partition_key
    return world.definitions.resolve_job_def(request.job_name).execute_in_process(
        instance=world.instance, raise_on_error=False, **how
    )


@pytest.fixture
def delivered(world: World) -> str:
    """A game that has gone the whole way."""
    world.add_team("Gamers", "Ann")
    world.finish(FIRST, participants=[participant("Ann")])
    world.once()
    return FIRST


def test_a_request_becomes_one_run_over_the_matchs_partition(world: World, delivered: str) -> None:
    ask(world, delivered)
    (request,) = tick(world)
    assert (request.job_name, request.partition_key) == ("process_matches", delivered)
    assert progress(world, delivered).state == "queued"
    # A tick that was cut short is repeated, and Dagster knows the run by its key.
    (again,) = tick(world)
    assert again.run_key == request.run_key

    result = run(world, request)
    assert result.success
    done = progress(world, delivered)
    assert (done.state, done.run_id) == ("processed", result.run_id)
    assert tick(world) == []


def test_the_run_is_known_while_it_is_queued(world: World, delivered: str) -> None:
    ask(world, delivered)
    (request,) = tick(world)
    queued = world.instance.create_run_for_job(
        world.definitions.resolve_job_def("process_matches"),
        status=dg.DagsterRunStatus.NOT_STARTED,
        tags=dict(request.tags),
    )
    assert tick(world) == []
    assert (progress(world, delivered).state, progress(world, delivered).run_id) == (
        "queued",
        queued.run_id,
    )


@pytest.mark.parametrize("will_retry", [False, True])
def test_a_run_that_died_fails_the_request_unless_dagster_repeats_it(
    world: World, delivered: str, will_retry: bool
) -> None:
    ask(world, delivered)
    (request,) = tick(world)
    retry = {"dagster/will_retry": "true"} if will_retry else {}
    dead = world.instance.create_run_for_job(
        world.definitions.resolve_job_def("process_matches"), tags={**request.tags, **retry}
    )
    world.instance.report_run_failed(dead)
    assert tick(world) == []
    assert progress(world, delivered).state == ("queued" if will_retry else "failed")
    assert progress(world, delivered).run_id == dead.run_id


def test_a_game_that_is_still_malformed_fails_in_its_run_and_says_so(world: World) -> None:
    world.add_team("Gamers", "Ann")
    world.finish(FIRST, participants=[participant("Ann", deaths="many")])
    world.once()
    ask(world, FIRST)
    (request,) = tick(world)
    result = run(world, request)
    assert not result.success
    done = progress(world, FIRST)
    assert (done.state, done.run_id) == ("quarantined", result.run_id)
    assert "deaths" in done.detail


def test_many_requests_share_a_run_that_stays_green(world: World) -> None:
    world.add_team("Gamers", "Ann")
    games = [f"NA1_500000000{number}" for number in range(7)]
    for match_id in games:
        malformed = {"deaths": "many"} if match_id == games[3] else {}
        world.finish(match_id, participants=[participant("Ann", **malformed)])
    world.once()
    runs_before = len(world.runs("process_matches"))
    ask(world, *games)
    (request,) = tick(world)
    assert (request.job_name, request.partition_key) == ("process_requested", None)
    assert run(world, request).success
    states = [progress(world, match_id).state for match_id in games]
    assert states == ["processed"] * 3 + ["quarantined"] + ["processed"] * 3
    # It was seen in a run of its own before: nothing new is to be seen of it.
    world.once()
    assert len(world.runs("process_matches")) == runs_before


def test_whatever_run_processes_the_match_completes_the_request(
    world: World, delivered: str
) -> None:
    ask(world, delivered)
    assert world.process(delivered).success
    assert progress(world, delivered).state == "processed"
    assert tick(world) == []


def test_once_completes_requests_also_for_games_that_no_match_list_has_shown(
    world: World,
) -> None:
    """Bob is tracked by nobody; the operator asks for one of their games by its id."""
    world.finish(SECOND, participants=[participant("Bob")])
    ask(world, SECOND)
    assert world.once()["processed"] == 1
    assert progress(world, SECOND).state == "processed"
    assert world.materialized("player_stats") == {SECOND}


def test_a_game_that_riot_does_not_have_is_delayed_and_the_batches_go_on_with_it(
    world: World,
) -> None:
    ask(world, FIRST)
    world.once()
    done = progress(world, FIRST)
    assert done.state == "delayed"
    assert "404" in done.detail
    with world.app.database.reading() as session:
        assert session.get_one(Match, FIRST).next_try_at is not None


def test_while_riot_refuses_our_key_only_what_is_archived_is_done(
    world: World, delivered: str
) -> None:
    soon = world.app.clock.now() + timedelta(minutes=5)
    with world.app.database.writing() as session:
        session.add(Breaker(scope=RIOT_KEY_SCOPE, open_until=soon))
    ask(world, delivered, SECOND)
    (request,) = tick(world)
    assert request.partition_key == delivered
    assert progress(world, SECOND).state == "waiting"


def test_a_partition_that_was_retired_is_admitted_again(world: World, delivered: str) -> None:
    world.instance.delete_dynamic_partition("match_id", delivered)
    ask(world, delivered)
    assert len(tick(world)) == 1
    assert world.instance.get_dynamic_partitions("match_id") == [delivered]
