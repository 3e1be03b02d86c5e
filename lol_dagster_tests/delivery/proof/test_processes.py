"""Real processes that freeze, lose their database, disagree about the time, or cannot see.

Each test that says what must not happen has one beside it, or a count in it, that shows that the
fault was there.
"""

from __future__ import annotations

import itertools
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from lol_dagster.storage.models import Attempt, ChannelProbe, Message
from lol_dagster_tests.delivery.kinds import BOTS
from lol_dagster_tests.delivery.proof.harness import Harness, Process
from lol_dagster_tests.delivery.proof.test_crash_grid import POST
from lol_dagster_tests.delivery.proof.worker import HURRIED, LABELS, Deed, Strike

BETWEEN_COMMITS = ("after_claim", "after_intent", "before_call", "after_call", "after_result")
SEEN = ""
UNSEEN = "error-after-accept(500)"


def freeze(harness: Harness, kind: str, label: str) -> Process:
    """A worker that stands still at the label, with a message of its own."""
    return harness.freeze(harness.say(harness.channel(kind)[0]), label)


def thaw(harness: Harness, frozen: list[Process]) -> None:
    harness.thaw(*frozen)
    assert {each.exitcode for each in frozen} == {0}, harness.stderr


# --- frozen --------------------------------------------------------------------------------------


def test_row_21_a_worker_that_froze_for_longer_than_its_lease_finds_itself_replaced(
    any_harness: Harness,
) -> None:
    strikes = []
    for kind, label, fault in itertools.product(BOTS, BETWEEN_COMMITS, (SEEN, UNSEEN)):
        if (kind, label) == ("slack-bot", "before_call"):  # see row 22
            continue
        channel, place = any_harness.channel(kind)
        strikes.append((any_harness.say(channel), label))
        if fault:
            any_harness.fault(f"{POST[kind]}@{place}={fault}*1")
    frozen = any_harness.freeze_all(strikes)
    verdict = any_harness.finish(workers=3)  # leases are over, and everything is sent by others
    assert verdict.wrong == {}
    posted = len(any_harness.world.truth.posted)
    thaw(any_harness, frozen)
    assert any_harness.verdict().wrong == {}
    assert len(any_harness.world.truth.posted) == posted == len(frozen)
    assert "fenced" in any_harness.stderr


def test_row_22_frozen_after_its_last_check_discord_drops_the_second_post(harness: Harness) -> None:
    frozen = freeze(harness, "discord-bot", "before_call")
    assert harness.finish().wrong == {}
    thaw(harness, [frozen])
    assert harness.verdict().wrong == {}
    assert len(harness.world.truth.events("deduplicated")) == 1


def test_row_22_frozen_after_its_last_check_slack_shows_it_twice(harness: Harness) -> None:
    """Assumption A1 of docs/delivery.md: a service without a nonce cannot check our fence."""
    frozen = freeze(harness, "slack-bot", "before_call")
    assert harness.finish().wrong == {}
    thaw(harness, [frozen])
    assert harness.verdict().wrong.keys() == {"duplicated"}


# --- several at once -----------------------------------------------------------------------------


def test_killed_with_several_calls_under_way_nothing_is_lost_and_nothing_posted_twice(
    any_harness: Harness,
) -> None:
    """Sixteen are claimed, of which three are under way or over when the fourth is about to be."""
    for kind in ("discord-bot", "slack-bot"):
        for _ in range(9):
            channel, place = any_harness.channel(kind)
            any_harness.say(channel)
            any_harness.say(channel)
            any_harness.fault(f"{POST[kind]}@{place}=no-answer*1")
    # A longer lease, so that on a busy machine no claim grows too old to be used.
    any_harness.timing = replace(HURRIED, lease=3.0)
    dies = any_harness.start(strike=Strike("before_call", 4), at_once=16)
    any_harness.join([dies])
    assert dies.exitcode == -signal.SIGKILL
    with any_harness.database.reading() as session:
        claimed = session.scalar(
            select(func.count()).where(Message.state == "sending", Message.fence == 1)
        )
        called = session.scalar(select(func.count(Attempt.id)))
    assert claimed is not None
    assert claimed >= 13
    assert called is not None
    assert called >= 4
    assert any_harness.finish(at_once=16).wrong == {}
    assert len(any_harness.world.truth.posted) == 36


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("label", ["claiming", "intending", "concluding"])
def test_frozen_within_a_transaction_a_worker_holds_up_no_other_message(
    any_harness: Harness, label: str
) -> None:
    """PostgreSQL alone: SQLite has one writer at a time, and a frozen one is that one."""
    frozen = freeze(any_harness, "discord-bot", label)
    other = any_harness.say(any_harness.channel("discord-bot")[0])
    any_harness.join([any_harness.start(only=other)])
    assert len(any_harness.verdict().delivered) == 1
    thaw(any_harness, [frozen])
    assert any_harness.finish().wrong == {}


@pytest.mark.parametrize("label", ["claiming", "intending", "concluding"])
def test_frozen_with_sqlites_one_lock_in_hand_a_worker_is_waited_for(
    harness: Harness, label: str
) -> None:
    """For longer than its lease: what it then writes is its own, as nobody else could write."""
    frozen = freeze(harness, "slack-bot", label)
    waiting = harness.start(busy_ms=100)
    harness.join([waiting])
    assert waiting.exitcode == 1
    assert "database is locked" in harness.stderr
    harness.end_leases()
    thaw(harness, [frozen])
    assert harness.finish().wrong == {}


# --- the database fails --------------------------------------------------------------------------


def test_row_17_a_database_that_is_locked_at_a_claim_sends_nothing(harness: Harness) -> None:
    harness.say(harness.channel("discord-bot")[0])
    assert harness.database.url.database is not None
    with closing(sqlite3.connect(harness.database.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        worker = harness.start(busy_ms=100)
        harness.join([worker])
    assert worker.exitcode == 1
    assert "database is locked" in harness.stderr
    assert harness.world.truth.calls("discord") == []
    assert harness.finish().wrong == {}


@pytest.mark.parametrize(
    ("deed", "error"), [("lock", "database is locked"), ("fill", "disk I/O error")]
)
def test_row_17_a_database_locked_or_full_at_intent_or_result_doubles_nothing(
    harness: Harness, deed: Deed, error: str
) -> None:
    posted = set()
    for kind in ("discord-bot", "slack-bot"):
        for label in ("after_claim", "after_intent", "after_call"):
            match_id = harness.say(harness.channel(kind)[0])
            died = harness.strike([(match_id, Strike(label, deed=deed))], busy_ms=100)
            assert died == {1: 1}
            if label != "after_claim":
                posted.add(title_of(match_id))
    assert f"sqlite3.OperationalError: {error}" in harness.stderr
    assert (
        len(harness.world.truth.posted) == 4
    )  # all but those that could not write their intent down
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert verdict.recovered == posted


def title_of(match_id: str) -> str:
    """Of the message about it, as verdicts have it."""
    return f"game{int(match_id.removeprefix('NA1_')):05d}"


def struck_once_posted(harness: Harness, kind: str, deed: Deed) -> str:
    """A message that was posted when its worker was struck, before that was written down."""
    match_id = harness.say(harness.channel(kind)[0])
    assert harness.strike([(match_id, Strike("concluding", deed=deed))]) == {1: 1}
    return match_id


def test_row_17_a_disk_that_is_full_at_any_commit_doubles_nothing(harness: Harness) -> None:
    posted = set()
    for kind in ("discord-bot", "slack-bot"):
        for label in ("claiming", "intending"):
            match_id = harness.say(harness.channel(kind)[0])
            assert harness.strike([(match_id, Strike(label, deed="fill"))]) == {1: 1}
        posted.add(title_of(struck_once_posted(harness, kind, "fill")))
    assert "sqlite3.OperationalError: disk I/O error" in harness.stderr
    assert len(harness.world.truth.posted) == 2  # of those that were to conclude
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert verdict.recovered == posted


def test_row_17_a_webhook_alone_holds_what_it_could_not_write_down(harness: Harness) -> None:
    match_id = harness.say(harness.channel("slack-webhook")[0])
    harness.strike([(match_id, Strike("after_call", deed="lock"))], busy_ms=100)
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.needs_review) == len(harness.world.truth.posted) == 1


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
def test_row_18_a_connection_that_is_cut_before_a_commit_doubles_nothing(
    any_harness: Harness,
) -> None:
    posted = set()
    for kind in ("discord-bot", "slack-bot"):
        for label in ("claiming", "intending"):
            match_id = any_harness.say(any_harness.channel(kind)[0])
            assert any_harness.strike([(match_id, Strike(label, deed="cut"))]) == {1: 1}
        posted.add(title_of(struck_once_posted(any_harness, kind, "cut")))
    assert "psycopg2.OperationalError" in any_harness.stderr
    assert any_harness.struck.keys() == {"claiming", "intending", "concluding"}
    assert len(any_harness.world.truth.posted) == 2  # of those that were to conclude
    verdict = any_harness.finish()
    assert verdict.wrong == {}
    assert verdict.recovered == posted


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("deed", "needs_review"),
    [
        ("lose-commit", 1),  # the webhook's that was posted, and could not be noted
        ("lose-answer", 1),  # the webhook's whose intent stands, and that was not posted
    ],
)
def test_row_18_a_connection_lost_during_any_commit_doubles_nothing(
    any_harness: Harness, deed: Deed, needs_review: int
) -> None:
    """COMMIT does not arrive, or its answer does not: to the deliverer that is the same."""
    posted = set()
    for kind in ("discord-bot", "slack-bot", "slack-webhook"):
        for label in ("claiming", "intending", "concluding"):
            match_id = any_harness.say(any_harness.channel(kind)[0])
            assert any_harness.strike([(match_id, Strike(label, deed=deed))]) == {1: 1}
        if kind != "slack-webhook":  # whose channel nobody can read
            posted.add(title_of(match_id))
    assert any_harness.struck == {"claiming": 3, "intending": 3, "concluding": 3}
    assert "psycopg2.OperationalError" in any_harness.stderr
    assert len(any_harness.world.truth.posted) == 3  # of those that were to conclude
    verdict = any_harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.needs_review) == needs_review
    # What was written, though the worker believed otherwise, need not be searched for.
    assert verdict.recovered & posted == (posted if deed == "lose-commit" else set())


def test_row_18_a_commit_whose_answer_is_lost_doubles_nothing(any_harness: Harness) -> None:
    """It was committed, and the worker hears that it failed (Temporal's ExecuteAndTimeout)."""
    for kind in ("discord-bot", "slack-bot"):
        for label in ("after_claim", "after_intent", "after_result"):
            match_id = any_harness.say(any_harness.channel(kind)[0])
            assert any_harness.strike([(match_id, Strike(label, deed="raise"))]) == {1: 1}
    assert len(any_harness.world.truth.posted) == 2  # of those whose result was written
    assert any_harness.finish().wrong == {}


# --- clocks --------------------------------------------------------------------------------------


def say_under_faults(harness: Harness) -> int:
    """How many messages are to be sent."""
    harness.timing = HURRIED
    kinds, faults = tuple(POST)[:3], (SEEN, UNSEEN, "503", "late-accept(0.6)")
    for kind, fault in itertools.product(kinds, faults):
        channel, place = harness.channel(kind)
        if fault:
            harness.fault(f"{POST[kind]}@{place}={fault}*1")
        harness.say(channel)
    return len(kinds) * len(faults)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_row_24_services_whose_clocks_are_an_hour_apart_from_ours_show_what_was_sent(
    harness: Harness, ahead: float
) -> None:
    """Messages bear the time of the service: neither nonces nor histories are reckoned by ours."""
    harness.fault("discord.post=nonce-window(0.1)")
    harness.clock.ahead = ahead
    messages = say_under_faults(harness)
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.delivered) == messages
    assert len(verdict.recovered) >= 6  # of each kind two that were accepted unseen


def test_row_24_wall_clocks_of_two_deliverers_that_disagree_by_more_than_a_lease_double_nothing(
    harness: Harness,
) -> None:
    """What one defers by an hour would wait for so long: it is seconds here, as are leases."""
    messages = say_under_faults(harness)
    ahead = harness.start(wall_skew=2.0)
    behind = harness.start(wall_skew=-2.0)
    harness.join([ahead, behind])
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.delivered) == messages


@pytest.mark.parametrize(("kind", "times"), [("discord-bot", 1), ("slack-bot", 2)])
def test_row_24_delivery_clocks_that_disagree_are_what_one_clock_prevents(
    harness: Harness, kind: str, times: int
) -> None:
    """A worker whose clock is ahead takes leases and settling times for over. Discord's nonce bears
    even that; Slack shows why no two clocks are ever compared."""
    # However long a busy machine takes to start the second, the first is well within its lease.
    harness.fault("discord.post=nonce-window(60)")
    slow = harness.freeze(harness.say(harness.channel(kind)[0]), "before_call")
    harness.join([harness.start(skew=600.0)])
    assert len(harness.world.truth.posted) == 1, "by the second, while the first was about to"
    harness.thaw(slow)
    assert len(harness.world.truth.posted) == times


# --- a channel that cannot be seen ---------------------------------------------------------------


def test_row_25_without_the_permission_to_read_nothing_is_posted_again(harness: Harness) -> None:
    """An empty list is all that Discord says; nonces are soon forgotten."""
    harness.fault(
        "discord.list=unreadable",
        "discord.get=unreadable",
        "discord.post=nonce-window(0.5)",
    )
    strikes = []
    for label in LABELS:
        channel, place = harness.channel("discord-bot")
        harness.fault(f"discord.post@{place}={UNSEEN}*1")
        strikes.append((harness.say(channel), Strike(label)))
    harness.strike(strikes)
    # Nonces are forgotten when leases are over: only the protocol protects.
    verdict = harness.finish()
    assert verdict.wrong == {}
    # "after_intent" and "before_call" had sent nothing, but nobody could know.
    assert len(verdict.needs_review) == len(LABELS)
    called = Counter(each["place"] for each in harness.world.truth.calls("discord.post"))
    assert set(called.values()) == {1}
    assert len(called) >= len(LABELS) - 2
    with harness.database.reading() as session:
        assert set(session.scalars(select(ChannelProbe.unreadable_history))) == {True}
