"""Real deliverers in processes of their own, on the real clocks of both databases."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Message
from lol_dagster_tests._support.processes import FORKED
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.proof.harness import Harness


def _deliver_everything(settings: Settings, database_url: str, all_have_claimed: Any) -> None:
    """Deliver what is due; the first message that is claimed is held until every process has one."""
    database = Database(database_url)
    claims = itertools.count(1)

    def crashpoint(label: str) -> None:
        if label == "after_claim" and next(claims) == 1:
            all_have_claimed.wait(120)

    deliverer = Deliverer(
        database, all_transports(settings), clock_for(database), crashpoint=crashpoint
    )
    deliverer.deliver_due(datetime.now(UTC), wait_up_to=timedelta(0))


def test_row_20_three_processes_share_the_work_without_meeting(any_delivery: DeliverySetup) -> None:
    channels = [any_delivery.channel(), any_delivery.channel()]
    due = datetime.now(UTC) - timedelta(seconds=1)
    titles = [f"game {number}" for number in range(30)]
    for number, title in enumerate(titles):
        any_delivery.message(channels[number % 2], title, due_at=due, created_at=due)
    url = any_delivery.database.url.render_as_string(hide_password=False)
    all_have_claimed = FORKED.Barrier(3)
    workers = [
        FORKED.Process(
            target=_deliver_everything, args=(any_delivery.settings, url, all_have_claimed)
        )
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(180)

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    posted = any_delivery.titles(channels[0]) + any_delivery.titles(channels[1])
    assert sorted(posted) == sorted(titles)
    with any_delivery.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 30
        assert set(session.scalars(select(Message.state))) == {"delivered"}
        owners = set(session.scalars(select(Message.lease_owner)))
    assert len(owners) == 3


def test_both_clocks_go_forward_and_bear_a_name(any_database: Database) -> None:
    clock = clock_for(any_database)
    with any_database.writing() as session:
        name, first = clock.read(session)
        again, second = clock.read(session)
    assert name == again
    assert name == "postgresql" if not any_database.is_sqlite else name.startswith("boot:")
    assert second > first
    before = clock.local()
    clock.sleep(0.01)
    assert clock.local() - before >= 0.01


@pytest.mark.parametrize(
    ("kind", "fault", "binds"),
    [
        ("discord-bot", "429-route(1.0)", "channel"),
        ("discord-bot", "429-shared(1.0)", "channel"),
        ("discord-bot", "429-global(1.0)", "token"),
        ("discord-bot", "429-cloudflare(1)", "token"),
        ("slack-bot", "429(1)", "channel"),
    ],
)
def test_row_13_a_429_to_one_process_binds_the_others(
    harness: Harness, kind: str, fault: str, binds: str
) -> None:
    """No call of any of three processes before retry_after is over."""
    operation = f"{kind.removesuffix('-bot')}.post"
    channel, place = harness.channel(kind)
    elsewhere, _ = harness.channel(kind)
    harness.fault(f"{operation}@{place}={fault}*1")
    workers = [harness.start(only=harness.say(channel))]
    wait_for(
        "result", lambda: [workers[0].name, "after_result", "-"] in harness.passages, seconds=30
    )
    workers += [harness.start(only=harness.say(each)) for each in (channel, elsewhere)]
    harness.join(workers)
    assert harness.verdict().wrong == {}
    limited, *others = harness.world.truth.calls(operation)
    bound = [each for each in others if binds == "token" or each["place"] == place]
    assert (limited["status"], len(others), len(bound)) == (429, 3, 3 if binds == "token" else 2)
    assert all(each["at"] >= limited["at"] + 1.0 for each in bound)
