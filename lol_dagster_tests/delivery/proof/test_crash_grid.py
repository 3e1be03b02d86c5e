"""Killed with SIGKILL at every labelled point, under every fault: posted once all the same.

One message per (fault, label), each with a channel and a first worker of its own, which dies at the
label; then workers that live bring everything to its end.
"""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from lol_dagster.delivery import worker
from lol_dagster_tests.delivery.proof.answers import endured
from lol_dagster_tests.delivery.proof.harness import Harness
from lol_dagster_tests.delivery.proof.worker import HURRIED, LABELS, NONCE_WINDOW, Strike

POST = {
    "discord-bot": "discord.post",
    "discord-webhook": "discord-hook.post",
    "slack-bot": "slack.post",
    "slack-webhook": "slack-hook.post",
}
READABLE = ("discord-bot", "discord-webhook", "slack-bot")
NONE = ""
ACCEPTED = ("error-after-accept(500)", "half-body", "header-drip", "late-accept(0.6)")
"""The message stands in the channel, and the answer does not say so."""
REFUSED = ("503", "reset-before-accept", "429(0.3)")
"""Nothing stands in the channel."""
FAULTS = {
    "discord-bot": (NONE, *ACCEPTED, *REFUSED),
    "discord-webhook": (NONE, "error-after-accept(500)", "503"),
    "slack-bot": (NONE, *ACCEPTED, *REFUSED, "internal-error(internal_error)"),
}
"""A selection; `make soak` runs them all, on services whose clocks are an hour behind."""
HALVES = pytest.mark.parametrize("labels", [LABELS[:4], LABELS[4:]], ids="-".join)


def ask(
    harness: Harness, kind: str, faults: Sequence[str], labels: Sequence[str], **channel: str
) -> None:
    """A message per fault and label, and for each a worker that dies."""
    strikes = []
    for fault, label in itertools.product(faults, labels):
        channel_id, place = harness.channel(kind, **channel)
        strikes.append((harness.say(channel_id), Strike(label)))
        if fault:
            harness.fault(f"{POST[kind]}@{place}={fault}*1")
    assert harness.strike(strikes) == {-signal.SIGKILL: len(strikes)}, harness.stderr[-4000:]
    assert harness.struck == dict.fromkeys(labels, len(faults))


@HALVES
@pytest.mark.parametrize("kind", READABLE)
def test_killed_anywhere_under_any_fault_a_message_is_posted_once(
    harness: Harness, kind: str, labels: tuple[str, ...]
) -> None:
    harness.timing = HURRIED
    harness.fault(f"discord.post=nonce-window({NONCE_WINDOW})")
    ask(harness, kind, FAULTS[kind], labels)
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert verdict.needs_review == frozenset()
    # Under error-after-accept each was accepted unseen, wherever its worker died, and found.
    assert len(verdict.recovered) >= len(labels)


@pytest.mark.soak
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", READABLE)
def test_the_whole_grid(harness: Harness, kind: str, label: str) -> None:
    harness.timing = HURRIED
    harness.clock.ahead = -3600.0
    harness.fault(f"discord.post=nonce-window({NONCE_WINDOW})")
    faults = (NONE, *endured(kind, "post"))
    ask(harness, kind, faults, [label])
    verdict = harness.finish()
    print(f"\n{kind}, {len(faults)} faults, killed at {label}: {verdict}")  # noqa: T201 - the figures
    assert verdict.wrong == {}
    assert verdict.needs_review == frozenset()


@HALVES
@pytest.mark.parametrize("kind", ["discord-webhook", "slack-webhook"])
def test_killed_anywhere_a_webhook_alone_holds_what_is_in_doubt_and_never_duplicates(
    harness: Harness, kind: str, labels: tuple[str, ...]
) -> None:
    harness.settings = harness.settings.model_copy(update={"discord_bot_token": None})
    ask(harness, kind, (NONE, "error-after-accept(500)", "429(0.3)"), labels, uncertain="review")
    verdict = harness.finish()
    assert verdict.wrong == {}
    assert verdict.needs_review
    assert verdict.recovered == frozenset()


@HALVES
def test_killed_anywhere_a_webhook_alone_that_resends_loses_nothing(
    harness: Harness, labels: tuple[str, ...]
) -> None:
    ask(
        harness,
        "slack-webhook",
        (NONE, "error-after-accept(500)", "503"),
        labels,
        uncertain="resend",
    )
    verdict = harness.finish()
    assert verdict.wrong.keys() <= {"duplicated"}  # as its promise says
    assert verdict.needs_review == frozenset()


def test_the_same_harness_shows_that_sending_and_then_marking_duplicates(harness: Harness) -> None:
    """Or it could not see a duplicate at all."""
    channel, _ = harness.channel("discord-bot")
    for _ in range(10):
        harness.say(channel)
    harness.fault("discord.post=error-after-accept(500):0.3")
    assert harness.finish(workers=1, naive=True).duplicated


def test_every_point_at_which_the_deliverer_can_be_killed_is_in_the_grid() -> None:
    """A label that is added to the product is added here; each test above sees that it was hit."""
    sources = Path(worker.__file__).parent.rglob("*.py")
    labels = re.findall(r'crashpoint\("(\w+)"\)', "".join(each.read_text() for each in sources))
    assert sorted(labels) == sorted(LABELS)
