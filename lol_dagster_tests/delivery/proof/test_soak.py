"""A long evening: most POSTs go wrong, texts change, workers are killed and frozen all the time.

Each message is posted once and stands there with its newest text.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field

import pytest

from lol_dagster_tests.delivery.proof.harness import Harness, Process
from lol_dagster_tests.delivery.proof.worker import HURRIED, NONCE_WINDOW

SERVICE = {"discord-bot": "discord", "slack-bot": "slack"}
HISTORY = {"discord": "list", "slack": "history"}
FAULTS = (
    "error-after-accept(500):0.08", "error-after-accept(502):0.05", "reset:0.08", "half-body:0.06",
    "html-body:0.04", "body-drip:0.03", "no-answer:0.03", "late-accept(0.6):0.04",
    "503:0.08", "reset-before-accept:0.06", "429(0.2):0.05",
)  # fmt: skip
"""60 of 100 POSTs: 41 are accepted and do not say so, 19 are not accepted."""
EDIT_FAULTS = ("error-after-accept(500):0.1", "late-accept(0.6):0.05", "503:0.1", "reset:0.05")
REFUSED_EDITS = {"discord": "refuse(50013):0.05", "slack": "refuse(is_inactive):0.05"}
"""By a channel that takes posts."""
HISTORY_FAULTS = ("503:0.05", "429(0.2):0.05", "no-answer:0.03", "body-drip:0.03")
"""It fails, is limited, and takes longer than a call may."""


@dataclass
class Disturbance:
    """Kills a worker now and then, or freezes one for less or more than its lease; and changes texts."""

    every_s: float
    changes: int = 0
    """How many texts are still to change."""
    frozen_s: tuple[float, ...] = (0.5, 2.0)
    jitter: random.Random = field(default_factory=lambda: random.Random(7))
    kills: int = 0
    freezes: int = 0
    changed: int = 0
    harness: Harness | None = None
    _next: float = 0.0
    _frozen: dict[int, float] = field(default_factory=dict)

    def __call__(self, running: list[Process]) -> None:
        now = time.monotonic()
        for pid, until in list(self._frozen.items()):
            if until < now:
                os.kill(pid, signal.SIGCONT)
                del self._frozen[pid]
        # Not while somebody is frozen, perhaps with SQLite's one lock in hand.
        if self.changed < self.changes and not self._frozen and self.jitter.random() < 0.3:
            assert self.harness is not None
            self.harness.change(self.jitter.choice(self.harness.matches))
            self.changed += 1
        awake = [each for each in running if each.pid not in self._frozen and each.is_alive()]
        if now < self._next or len(awake) < 2:
            return
        first, self._next = self._next == 0.0, now + self.every_s * self.jitter.uniform(0.5, 1.5)
        victim = self.jitter.choice(awake).pid
        if first or victim is None:
            return
        if self.jitter.random() < 0.7:
            os.kill(victim, signal.SIGKILL)
            self.kills += 1
        else:
            os.kill(victim, signal.SIGSTOP)
            self._frozen[victim] = now + self.jitter.choice(self.frozen_s)
            self.freezes += 1


def soak(
    harness: Harness, kind: str, messages: int, disturbance: Disturbance, *, within: float
) -> None:
    service = SERVICE[kind]
    harness.timing = HURRIED
    harness.clock.ahead = -3600.0
    harness.fault(f"discord.post=nonce-window({NONCE_WINDOW})")
    harness.fault(
        f"{service}.post={','.join(FAULTS)}",
        f"{service}.edit={','.join((*EDIT_FAULTS, REFUSED_EDITS[service]))}",
        f"{service}.{HISTORY[service]}={','.join(HISTORY_FAULTS)}",
    )
    channels = [harness.channel(kind)[0] for _ in range(8)]
    for number in range(messages):
        harness.say(channels[number % len(channels)])
    disturbance.harness = harness
    began = time.monotonic()
    harness.keep(3, disturb=disturbance, within=within, lifetime_s=int(within), at_once=8)
    verdict = harness.finish(within=within)  # what was changed after the last worker had left
    seconds = time.monotonic() - began
    outcomes = harness.world.truth.counts()[f"{service}.post"]
    posts, answered = sum(outcomes.values()), outcomes.get("200", 0)
    print(  # noqa: T201 - the figures
        f"\n{kind} on {harness.database.engine.dialect.name}: {messages} messages, {posts} POSTs, "
        f"{1 - answered / posts:.0%} of them faulted, {disturbance.changed} texts changed, 3 workers, "
        f"{disturbance.kills} killed, {disturbance.freezes} frozen, {seconds:.0f} s: {verdict}"
    )
    assert verdict.wrong == {}
    assert verdict.needs_review == frozenset()
    assert len(verdict.delivered) == messages
    assert disturbance.kills >= 2
    assert disturbance.changed > 0
    assert 0.4 < 1 - answered / posts < 0.8
    assert len(verdict.recovered) > messages / 5  # 41 of 100 first POSTs were accepted unseen


def test_forty_messages_under_faults_and_kills_are_posted_once(harness: Harness) -> None:
    soak(harness, "discord-bot", 40, Disturbance(every_s=0.7, changes=15), within=100)


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_a_thousand_messages_for_discord_are_posted_once(any_harness: Harness) -> None:
    soak(any_harness, "discord-bot", 1000, Disturbance(every_s=3.0, changes=300), within=2000)


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_a_thousand_messages_for_slack_are_posted_once(any_harness: Harness) -> None:
    """Nobody is frozen for longer than the margin: assumption A1, without which see row 22."""
    disturbance = Disturbance(every_s=3.0, frozen_s=(0.15,), changes=300)
    soak(any_harness, "slack-bot", 1000, disturbance, within=2000)


@pytest.mark.soak
def test_sending_and_then_marking_posts_twice(harness: Harness) -> None:
    harness.timing = HURRIED
    harness.fault(f"discord.post={','.join(FAULTS)}")
    channel, _ = harness.channel("discord-bot")
    for _ in range(200):
        harness.say(channel)
    verdict = harness.keep(1, disturb=Disturbance(every_s=3.0), within=300, naive=True)
    print(f"\nsend, then mark: 200 messages, 1 worker: {verdict}")  # noqa: T201 - the figures
    assert verdict.duplicated
