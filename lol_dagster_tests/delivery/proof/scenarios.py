"""What real processes are put through to show that a mechanism is missed when it is taken out.

Each scenario ends well with the whole protocol, and badly without the mechanism that it is about.
"""

from __future__ import annotations

from collections.abc import Callable

from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.proof.ablation import Mechanism
from lol_dagster_tests.delivery.proof.harness import Harness, Verdict
from lol_dagster_tests.delivery.proof.worker import HURRIED, Strike

UNSEEN = "error-after-accept(500)"
Scenario = Callable[[Harness, Mechanism | None], Verdict]


def dies_before_the_answer(harness: Harness, without: Mechanism | None) -> Verdict:
    """Slack has the message; who sent it is dead."""
    match_id = harness.say(harness.channel("slack-bot")[0])
    harness.strike([(match_id, Strike("after_call"))], without=without)
    return harness.finish(without=without)


def goes_unanswered_and_the_nonce_is_forgotten(
    harness: Harness, without: Mechanism | None
) -> Verdict:
    """Discord has the message, says 500, and remembers no nonce any more."""
    harness.fault("discord.post=nonce-window(0.1)", f"discord.post={UNSEEN}*1")
    harness.say(harness.channel("discord-bot")[0])
    return harness.finish(without=without)


def goes_unanswered_and_the_history_is_unreadable(
    harness: Harness, without: Mechanism | None
) -> Verdict:
    harness.fault("discord.list=unreadable", "discord.get=unreadable")
    return goes_unanswered_and_the_nonce_is_forgotten(harness, without)


def goes_unanswered_while_the_services_are_an_hour_behind(
    harness: Harness, without: Mechanism | None
) -> Verdict:
    harness.clock.ahead = -3600.0
    channel, place = harness.channel("slack-bot")
    harness.fault(f"slack.post@{place}={UNSEEN}*1")
    harness.say(channel)
    return harness.finish(without=without)


def is_accepted_late(harness: Harness, without: Mechanism | None) -> Verdict:
    """Slack accepts the message two seconds after it was given up on: later than anybody who does
    not wait looks, and a second sooner than who does.
    """
    harness.timing = HURRIED
    channel, place = harness.channel("slack-bot")
    harness.fault(f"slack.post@{place}=late-accept(2.5)*1")
    harness.say(channel)
    harness.finish(without=without, settle=3.0)
    _arrived(harness, place, "late-accept(2.5)")
    return harness.verdict()


def freezes_before_its_last_check(harness: Harness, without: Mechanism | None) -> Verdict:
    """For longer than its lease, just after its intent; another one tells the message meanwhile."""
    match_id = harness.say(harness.channel("slack-bot")[0])
    frozen = harness.freeze(match_id, "after_intent", without=without)
    harness.finish(without=without)
    harness.thaw(frozen)
    return harness.verdict()


def writes_its_result_late(harness: Harness, without: Mechanism | None) -> Verdict:
    """Refused with a pause, it freezes; another one posts the message and dies before it has written
    that down; then the first one, whose fence is the older, writes down that nothing was sent."""
    channel, place = harness.channel("slack-bot")
    harness.fault(f"slack.post@{place}=429(0.1)*1")
    match_id = harness.say(channel)
    frozen = harness.freeze(match_id, "after_call", without=without)
    harness.end_leases()
    # The first call is its scan of the channel. Its lease goes on: the message is still being sent.
    second = harness.start(only=match_id, strike=Strike("after_call", nth=2), without=without)
    harness.join([second])
    harness.wake(frozen)
    written = [frozen.name, "after_result", "-"]
    wait_for("late result", lambda: written in harness.passages)
    harness.end_leases()
    harness.join([frozen])
    return harness.finish(without=without)


def _arrived(harness: Harness, place: str, fault: str) -> None:
    def calls() -> list[tuple[str, str]]:
        return [(each["place"], each["fault"]) for each in harness.world.truth.calls()]

    wait_for("late call", lambda: (place, fault) in calls(), seconds=30)
