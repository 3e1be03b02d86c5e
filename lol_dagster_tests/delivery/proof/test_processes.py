"""Real processes that freeze, lose their database, disagree about the time, or cannot see.

Each test that says what must not happen has one beside it, or a count in it, that shows that the
trouble was there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from sqlalchemy import select

from lol_dagster.storage.models import ChannelProbe
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.proof.harness import Process, Rig
from lol_dagster_tests.delivery.proof.worker import LABELS, TIMING, Deed, Strike

BETWEEN_COMMITS = ("after_claim", "after_intent", "before_call", "after_call", "after_result")
SEEN = ""
UNSEEN = "error-after-accept(500)"


def freeze(rig: Rig, kind: str, label: str, fault: str = SEEN) -> Process:
    """A worker that stands still at the label, with a message of its own."""
    channel, place = rig.channel(kind)
    if fault:
        rig.fault(f"{kind.removesuffix('-bot')}.post@{place}={fault}*1")
    return rig.freeze(rig.say(channel), label)


def thaw(rig: Rig, frozen: list[Process]) -> None:
    rig.thaw(*frozen)
    assert {each.exitcode for each in frozen} == {0}, rig.stderr


# --- frozen --------------------------------------------------------------------------------------


def test_row_21_a_worker_that_froze_for_longer_than_its_lease_finds_itself_replaced(
    any_rig: Rig,
) -> None:
    frozen = [
        freeze(any_rig, kind, label, fault)
        for kind in ("discord-bot", "slack-bot")
        for label in BETWEEN_COMMITS
        for fault in (SEEN, UNSEEN)
        if (kind, label) != ("slack-bot", "before_call")  # see row 22
    ]
    verdict = any_rig.finish(workers=3)  # leases run out, and everything is carried by others
    assert verdict.wrong == {}
    posted = len(any_rig.world.truth.posted)
    thaw(any_rig, frozen)
    assert any_rig.verdict().wrong == {}
    assert len(any_rig.world.truth.posted) == posted == len(frozen)
    assert "fenced" in any_rig.stderr


def test_row_22_frozen_after_its_last_look_discord_drops_the_second_post(rig: Rig) -> None:
    frozen = freeze(rig, "discord-bot", "before_call")
    assert rig.finish().wrong == {}
    thaw(rig, [frozen])
    assert rig.verdict().wrong == {}
    assert len(rig.world.truth.events("deduplicated")) == 1


def test_row_22_frozen_after_its_last_look_slack_shows_it_twice(rig: Rig) -> None:
    """Assumption A1 of docs/delivery.md: a service without a nonce cannot check our fence."""
    frozen = freeze(rig, "slack-bot", "before_call")
    assert rig.finish().wrong == {}
    thaw(rig, [frozen])
    assert rig.verdict().wrong.keys() == {"duplicated"}


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("label", ["claiming", "intending", "concluding"])
def test_frozen_within_a_transaction_a_worker_holds_up_no_other_message(
    any_rig: Rig, label: str
) -> None:
    """PostgreSQL alone: SQLite has one writer at a time, and a frozen one is that one."""
    frozen = freeze(any_rig, "discord-bot", label)
    other = any_rig.say(any_rig.channel("discord-bot")[0])
    any_rig.join([any_rig.start(only=other)])
    assert len(any_rig.verdict().delivered) == 1
    thaw(any_rig, [frozen])
    assert any_rig.finish().wrong == {}


@pytest.mark.parametrize("label", ["claiming", "intending", "concluding"])
def test_frozen_with_sqlites_one_lock_in_hand_a_worker_is_waited_for(rig: Rig, label: str) -> None:
    """For longer than its lease: what it then writes is its own, as nobody else could write."""
    frozen = freeze(rig, "slack-bot", label)
    waiting = rig.start(busy_ms=100)
    rig.join([waiting])
    assert waiting.exitcode == 1
    assert "database is locked" in rig.stderr
    thaw(rig, [frozen])
    assert rig.finish().wrong == {}


# --- the database fails --------------------------------------------------------------------------


def test_row_17_a_database_that_is_locked_at_a_claim_sends_nothing(rig: Rig) -> None:
    rig.say(rig.channel("discord-bot")[0])
    assert rig.database.url.database is not None
    with closing(sqlite3.connect(rig.database.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        worker = rig.start(busy_ms=100)
        rig.join([worker])
    assert worker.exitcode == 1
    assert "database is locked" in rig.stderr
    assert rig.world.truth.calls("discord") == []
    assert rig.finish().wrong == {}


@pytest.mark.parametrize(
    ("deed", "error"), [("lock", "database is locked"), ("fill", "disk I/O error")]
)
def test_row_17_a_database_locked_or_full_at_intent_or_result_doubles_nothing(
    rig: Rig, deed: Deed, error: str
) -> None:
    for kind in ("discord-bot", "slack-bot"):
        for label in ("after_claim", "after_intent", "after_call"):
            match_id = rig.say(rig.channel(kind)[0])
            died = rig.strike([(match_id, Strike(label, deed=deed))], busy_ms=100)
            assert died == {1: 1}
    assert f"sqlite3.OperationalError: {error}" in rig.stderr
    assert len(rig.world.truth.posted) == 4  # all but those that could not write their intent down
    verdict = rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.recovered) == 4


def test_row_17_a_disk_that_is_full_at_any_commit_doubles_nothing(rig: Rig) -> None:
    for kind in ("discord-bot", "slack-bot"):
        for label in ("claiming", "intending", "concluding"):
            match_id = rig.say(rig.channel(kind)[0])
            assert rig.strike([(match_id, Strike(label, deed="fill"))]) == {1: 1}
    assert "sqlite3.OperationalError: disk I/O error" in rig.stderr
    assert len(rig.world.truth.posted) == 2  # of those that were to conclude
    verdict = rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.recovered) == 2


def test_row_17_a_webhook_alone_parks_what_it_could_not_write_down(rig: Rig) -> None:
    match_id = rig.say(rig.channel("slack-webhook")[0])
    rig.strike([(match_id, Strike("after_call", deed="lock"))], busy_ms=100)
    verdict = rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.parked) == len(rig.world.truth.posted) == 1


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
def test_row_18_a_connection_that_is_cut_before_a_commit_doubles_nothing(any_rig: Rig) -> None:
    for kind in ("discord-bot", "slack-bot"):
        for label in ("claiming", "intending", "concluding"):
            match_id = any_rig.say(any_rig.channel(kind)[0])
            assert any_rig.strike([(match_id, Strike(label, deed="cut"))]) == {1: 1}
    assert "psycopg2.OperationalError" in any_rig.stderr
    assert any_rig.struck == {"claiming": 2, "intending": 2, "concluding": 2}
    assert len(any_rig.world.truth.posted) == 2  # of those that were to conclude
    verdict = any_rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.recovered) == 2


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("deed", "parked"),
    [
        ("lose-commit", 1),  # the webhook's that was posted, and could not be noted
        ("lose-answer", 1),  # the webhook's whose intent stands, and that was not posted
    ],
)
def test_row_18_a_connection_lost_during_any_commit_doubles_nothing(
    any_rig: Rig, deed: Deed, parked: int
) -> None:
    """COMMIT does not arrive, or its answer does not: to the deliverer that is the same."""
    for kind in ("discord-bot", "slack-bot", "slack-webhook"):
        for label in ("claiming", "intending", "concluding"):
            match_id = any_rig.say(any_rig.channel(kind)[0])
            assert any_rig.strike([(match_id, Strike(label, deed=deed))]) == {1: 1}
    assert any_rig.struck == {"claiming": 3, "intending": 3, "concluding": 3}
    assert "psycopg2.OperationalError" in any_rig.stderr
    assert len(any_rig.world.truth.posted) == 3  # of those that were to conclude
    verdict = any_rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.parked) == parked
    # What was noted, though nobody was told so, need not be looked for.
    assert len(verdict.recovered) == (2 if deed == "lose-commit" else 0)


def test_row_18_a_commit_whose_answer_is_lost_doubles_nothing(any_rig: Rig) -> None:
    """It was committed, and the worker is told that it failed (Temporal's ExecuteAndTimeout)."""
    for kind in ("discord-bot", "slack-bot"):
        for label in ("after_claim", "after_intent", "after_result"):
            match_id = any_rig.say(any_rig.channel(kind)[0])
            assert any_rig.strike([(match_id, Strike(label, deed="raise"))]) == {1: 1}
    assert len(any_rig.world.truth.posted) == 2  # of those whose result was written
    assert any_rig.finish().wrong == {}


# --- clocks --------------------------------------------------------------------------------------


def test_row_24_wall_clocks_that_disagree_by_more_than_a_lease_double_nothing(rig: Rig) -> None:
    for kind in ("discord-bot", "slack-bot"):
        for fault in (SEEN, UNSEEN, "503", "late-accept(0.6)"):
            channel, place = rig.channel(kind)
            if fault:
                rig.fault(f"{kind.removesuffix('-bot')}.post@{place}={fault}*1")
            rig.say(channel)
    ahead = rig.start(wall_skew=2.0)
    behind = rig.start(wall_skew=-2.0)
    rig.join([ahead, behind])
    verdict = rig.finish()
    assert verdict.wrong == {}
    assert len(verdict.delivered) == 8


@pytest.mark.parametrize(("kind", "times"), [("discord-bot", 1), ("slack-bot", 2)])
def test_row_24_delivery_clocks_that_disagree_are_what_one_clock_prevents(
    rig: Rig, kind: str, times: int
) -> None:
    """A worker whose clock is ahead takes leases and settling times for over. Discord's nonce bears
    even that; Slack shows why no two clocks are ever compared."""
    channel, place = rig.channel(kind)
    rig.fault(
        f"{kind.removesuffix('-bot')}.post@{place}=late-accept(2.0)*1",
        "discord.post=nonce-window(60)",  # however long a busy machine takes to start the second
    )
    slow = rig.start(only=rig.say(channel))
    wait_for("call", lambda: [slow.name, "before_call", "-"] in rig.passages, seconds=30)
    rig.join([rig.start(skew=60.0), slow])
    wait_for(
        "calls",
        lambda: len(rig.world.truth.calls(f"{kind.removesuffix('-bot')}.post")) == 2,
        seconds=30,
    )
    assert len(rig.world.truth.posted) == times


# --- a channel that cannot be seen ---------------------------------------------------------------


def test_row_25_without_the_permission_to_read_nothing_is_posted_again(rig: Rig) -> None:
    """An empty list is all that Discord says; nonces are soon forgotten."""
    rig.fault(
        "discord.list=unreadable",
        "discord.get=unreadable",
        f"discord.post=nonce-window({TIMING.call})",
    )
    strikes = []
    for label in LABELS:
        channel, place = rig.channel("discord-bot")
        rig.fault(f"discord.post@{place}={UNSEEN}*1")
        strikes.append((rig.say(channel), Strike(label)))
    rig.strike(strikes)
    verdict = rig.finish()  # leases run out later than the nonces: only the protocol protects
    assert verdict.wrong == {}
    # "after_intent" and "before_call" had sent nothing, but nobody could know.
    assert len(verdict.parked) == len(LABELS)
    called = Counter(each["place"] for each in rig.world.truth.calls("discord.post"))
    assert set(called.values()) == {1}
    assert len(called) >= len(LABELS) - 2
    with rig.database.reading() as session:
        assert set(session.scalars(select(ChannelProbe.unreadable_history))) == {True}
