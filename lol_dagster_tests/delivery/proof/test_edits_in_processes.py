"""Texts that change while workers die, freeze and lose answers: one message, with the newest text.

The oracle reads what stands in the channel from the world's truth log. Labels are passed first by
the PATCH here, as every message was delivered before.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from lol_dagster.storage.models import Message
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.kinds import BOTS, READABLE
from lol_dagster_tests.delivery.proof.answers import endured
from lol_dagster_tests.delivery.proof.harness import Harness, revision_of
from lol_dagster_tests.delivery.proof.test_crash_grid import NONE, POST
from lol_dagster_tests.delivery.proof.test_processes import BETWEEN_COMMITS, UNSEEN
from lol_dagster_tests.delivery.proof.worker import GIVES_UP, HURRIED, LABELS, Strike

EDIT = {
    "discord-bot": "discord.edit",
    "discord-webhook": "discord-hook.edit",
    "slack-bot": "slack.edit",
}
DELETED = "deleted"
"""By a moderator, before the edit."""
FAULTS = {
    "discord-bot": (UNSEEN, DELETED),
    "slack-bot": (UNSEEN,),
    "discord-webhook": (UNSEEN,),
}
"""A selection; `make soak` runs them all."""


def delivered(harness: Harness, kind: str, number: int) -> list[tuple[str, str]]:
    """Messages that stand in channels of their own: match and place."""
    messages = []
    for _ in range(number):
        channel, place = harness.channel(kind)
        messages.append((harness.say(channel), place))
    assert len(harness.finish().delivered) == number
    return messages


def kill_around_edits(
    harness: Harness, kind: str, faults: Sequence[str], labels: Sequence[str] = LABELS
) -> None:
    cases = list(itertools.product(faults, labels))
    messages = delivered(harness, kind, len(cases))
    strikes = []
    for (fault, label), (match_id, place) in zip(cases, messages, strict=True):
        harness.change(match_id)
        if fault == DELETED:
            harness.delete(match_id)
        elif fault:
            harness.fault(f"{EDIT[kind]}@{place}={fault}*1")
        strikes.append((match_id, Strike(label)))
    assert harness.strike(strikes) == {-signal.SIGKILL: len(strikes)}, harness.stderr[-4000:]
    assert harness.struck == dict.fromkeys(labels, len(faults))
    verdict = harness.finish()
    print(f"\n{kind}, edits, {len(faults)} faults, killed at {len(labels)} labels: {verdict}")  # noqa: T201 - the figures
    assert verdict.wrong == {}
    assert len(harness.world.truth.posted) == len(cases)
    with harness.database.reading() as session:
        rows = list(session.scalars(select(Message)))
    assert sum(row.remote_deleted for row in rows) == faults.count(DELETED) * len(labels)
    assert {row.remote_rev for row in rows if not row.remote_deleted} == {2}


@pytest.mark.parametrize("kind", READABLE)
def test_row_28_killed_anywhere_around_an_edit_the_newest_text_stands_in_one_message(
    harness: Harness, kind: str
) -> None:
    kill_around_edits(harness, kind, FAULTS[kind])


@pytest.mark.soak
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", READABLE)
def test_the_whole_grid_of_edits(harness: Harness, kind: str, label: str) -> None:
    harness.timing = HURRIED
    harness.clock.ahead = -3600.0
    kill_around_edits(harness, kind, (NONE, *endured(kind, "edit"), DELETED), [label])


@pytest.mark.soak
@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kind", READABLE)
def test_a_grid_of_edits_on_postgresql(any_harness: Harness, kind: str) -> None:
    any_harness.timing = HURRIED
    kill_around_edits(any_harness, kind, (NONE, UNSEEN, "503", "late-accept(0.6)", DELETED))


@pytest.mark.parametrize("kind", BOTS)
def test_row_29_a_text_that_changes_after_its_deliverer_died_anywhere_is_posted_once(
    harness: Harness, kind: str
) -> None:
    """Pending, in doubt or delivered, as the label will have it."""
    strikes = []
    for label in LABELS:
        channel, place = harness.channel(kind)
        harness.fault(f"{POST[kind]}@{place}={UNSEEN}*1")
        strikes.append((harness.say(channel), Strike(label)))
    assert harness.strike(strikes) == {-signal.SIGKILL: len(strikes)}, harness.stderr[-4000:]
    for match_id, _ in strikes:
        harness.change(match_id)
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.delivered) == len(strikes)


def test_row_29_a_text_that_changes_while_a_deliverer_has_it_is_posted_once(
    harness: Harness,
) -> None:
    strikes = []
    for kind, label in itertools.product(BOTS, BETWEEN_COMMITS):
        channel, place = harness.channel(kind)
        harness.fault(f"{POST[kind]}@{place}={UNSEEN}*1")
        strikes.append((harness.say(channel), label))
    frozen = harness.freeze_all(strikes)
    for match_id in harness.matches:
        harness.change(match_id)
    harness.thaw(*frozen)
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert len(verdict.delivered) == len(frozen)


@pytest.mark.parametrize("kind", BOTS)
def test_row_30_an_edit_that_lands_late_is_not_the_last_one(harness: Harness, kind: str) -> None:
    """Given up on after 2 s, landing after 3 s; the newer text waits until that must be over."""
    harness.timing = GIVES_UP
    ((match_id, place),) = delivered(harness, kind, 1)
    harness.fault(f"{EDIT[kind]}@{place}=late-accept(3.0)*1")
    harness.change(match_id)
    worker = harness.start(only=match_id, settle=2.0)
    wait_for("call", lambda: [worker.name, "before_call", "-"] in harness.passages, seconds=30)
    harness.change(match_id)
    harness.join([worker])
    wait_for("edits", lambda: len(harness.world.truth.events("edited")) == 2, seconds=30)
    assert harness.verdict().wrong == {}
    landed = [revision_of(each) for each in harness.world.truth.events("edited")]
    assert landed == [2, 3]


def test_row_30_frozen_after_its_last_check_an_older_edit_can_land_last(harness: Harness) -> None:
    """Assumption A1 of docs/delivery.md, for edits: no channel compares revisions."""
    ((match_id, _),) = delivered(harness, "discord-bot", 1)
    harness.change(match_id)
    frozen = harness.freeze(match_id, "before_call")
    harness.change(match_id)
    assert harness.finish().wrong == {}
    harness.thaw(frozen)
    assert harness.verdict().wrong.keys() == {"stale"}
