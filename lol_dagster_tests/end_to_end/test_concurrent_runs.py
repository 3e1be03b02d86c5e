"""The same work, done by two processes at the same time, is done once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.resources import AppContext
from lol_dagster.pipeline.discovery import discover
from lol_dagster.pipeline.process import due_matches
from lol_dagster.settings import load_settings
from lol_dagster.storage.models import (
    Attempt,
    Game,
    Match,
    Message,
    Participant,
    Payload,
    PlayerStat,
    Quarantine,
)
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.processing import process
from lol_dagster_tests._support.run_workers import run_worker
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")
GOOD = [f"NA1_500000000{number}" for number in range(1, 5)]
"""No more than Discord takes in a row, so that no delivery run has to wait."""
MALFORMED = "NA1_5000000007"


@pytest.fixture
def real_instance(world: World) -> Iterator[World]:
    """The world with Dagster's storage on disk, which processes share."""
    world.instance = prepare_instance(world.app.settings)
    yield world
    world.instance.dispose()


def _run_pipeline(urls: list[str], together: Any) -> None:
    """Poll, process and deliver, each step in the same moment as the other process."""
    for url in urls:
        app = AppContext(load_settings().model_copy(update={"database_url": SecretStr(url)}))
        together.wait(300)
        discover(app.database, app.riot, now=app.clock.now(), everyone=True)
        together.wait(300)
        with app.database.reading() as session:
            due = due_matches(session, now=app.clock.now(), limit=100)
        together.wait(300)
        for match_id in due:
            process(app, match_id, run_id=f"run-of-{os.getpid()}")
            together.wait(300)
        app.deliverer.deliver_due(app.clock.now(), wait_up_to=timedelta(0))


@pytest.mark.sqlite
@pytest.mark.timeout(600)
def test_two_concurrent_processes_do_the_same_work_once(world: World, postgres_url: str) -> None:
    on_postgres = World(
        world.simulator,
        AppContext(world.app.settings.model_copy(update={"database_url": SecretStr(postgres_url)})),
        world.instance,
    )
    for match_id in GOOD:
        world.finish(match_id, participants=[participant("Ann"), participant("Ben")])
    world.finish(MALFORMED, participants=[participant("Ann", deaths="many")])
    worlds = {"sqlite": world, "postgresql": on_postgres}
    for name, each in worlds.items():
        each.add_team(name, "Ann", "Ben")
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    urls = [each.app.database.url.render_as_string(hide_password=False) for each in worlds.values()]
    workers = [context.Process(target=_run_pipeline, args=(urls, together)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0]
    # Ten people play in a game, two of them tracked; each good game is one message and one call.
    expected = {
        Match: 5, Payload: 5, Game: 4, Participant: 40, PlayerStat: 8,
        Message: 4, Attempt: 4, Quarantine: 1,
    }  # fmt: skip
    for name, each in worlds.items():
        with each.app.database.reading() as session:
            found = {
                table: session.scalar(select(func.count()).select_from(table)) for table in expected
            }
            states = set(session.scalars(select(Message.state)))
        assert found == expected, name
        assert states == {"delivered"}, name
        assert len(each.posted(name)) == len(GOOD), name
    on_postgres.app.database.dispose()


@contextmanager
def a_once() -> Iterator[subprocess.Popen[str]]:
    """`lol-dagster once` in a process of its own, killed at the end if it has not ended."""
    with subprocess.Popen(
        [LOL_DAGSTER, "once", "--until-idle"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(600)
def test_a_frozen_once_blocks_no_other_and_when_it_wakes_nothing_is_done_twice(
    real_instance: World,
) -> None:
    """Cron calls `once` beside one that was frozen in the middle of a batch."""
    world = real_instance
    world.add_team("Gamers", "Ann")
    world.finish(GOOD[0], participants=[participant("Ann")])
    world.simulator.set_faults("riot.match=no-answer-before-accept")
    with a_once() as frozen:
        wait_for(
            "call for the match", lambda: world.simulator.truth.calls("riot.match"), seconds=300
        )
        os.kill(frozen.pid, signal.SIGSTOP)
        world.simulator.set_faults("")
        (held,) = world.runs("process_matches")

        world.finish(GOOD[1], participants=[participant("Ann")])
        assert world.once()["discovered"] == 1, "what no other run does is done"
        assert world.runs("process_matches") == [held], "no second batch beside the living one"
        assert world.posted("Gamers") == []

        # A quarter of an hour later run monitoring gives the run up.
        world.instance.report_run_failed(held, "Exceeded maximum runtime")
        assert world.once()["delivered"] == 2
        os.kill(frozen.pid, signal.SIGCONT)
        frozen.communicate(timeout=300)
    assert len(world.posted("Gamers")) == 2
    with world.app.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 2
        assert set(session.scalars(select(Match.state))) == {"processed"}


@contextmanager
def frozen_worker(world: World) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A batch whose worker was frozen: its run and its process."""
    job = world.definitions.resolve_job_def("process_matches")
    run = world.instance.create_run_for_job(
        job, tags={"lol/batch": "true", "dagster-celery/queue": "americas"}
    )
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    world.instance.report_dagster_event(started, run.run_id)
    file = Path(world.instance.root_directory) / "run_workers" / run.run_id
    with run_worker(file) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        yield run.run_id, worker


def twenty_minutes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is given 15, two more to end and one to be missed."""
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 1200)


def test_a_once_that_never_wakes_is_killed_by_the_next_one_and_its_work_done(
    real_instance: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cron alone, no daemon: nothing else would ever fail its run."""
    world = real_instance
    world.add_team("Gamers", "Ann")
    world.finish(GOOD[0], participants=[participant("Ann")])
    with frozen_worker(world) as (run_id, worker):
        assert world.once()["processed"] == 0
        twenty_minutes_later(monkeypatch)
        assert world.once()["delivered"] == 1
        assert worker.wait(timeout=120) == -signal.SIGKILL
    found = world.instance.get_run_by_id(run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE


def test_a_worker_that_never_wakes_is_killed_by_the_daemons_tick(
    real_instance: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with frozen_worker(real_instance) as (_, worker):
        real_instance.monitor()
        assert worker.poll() is None
        twenty_minutes_later(monkeypatch)
        real_instance.monitor()
        assert worker.wait(timeout=120) == -signal.SIGKILL


@pytest.mark.timeout(600)
def test_two_concurrent_once_announce_each_game_once(real_instance: World) -> None:
    world = real_instance
    world.add_team("Gamers", "Ann")
    for match_id in GOOD:
        world.finish(match_id, participants=[participant("Ann")])
    with a_once() as one, a_once() as other:
        said = [call.communicate(timeout=300)[0] for call in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert len(world.posted("Gamers")) == len(GOOD)
