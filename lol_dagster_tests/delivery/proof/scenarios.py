"""What real processes are put through to show that a mechanism is missed when it is taken out.

Each scenario ends well with the whole protocol, and badly without the mechanism that it is about.
"""

from __future__ import annotations

from collections.abc import Callable

from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.proof.ablation import Mechanism
from lol_dagster_tests.delivery.proof.harness import Rig, Verdict
from lol_dagster_tests.delivery.proof.worker import Strike

UNSEEN = "error-after-accept(500)"
Scenario = Callable[[Rig, Mechanism | None], Verdict]


def dies_before_the_answer(rig: Rig, without: Mechanism | None) -> Verdict:
    """Slack has the message; who sent it is dead."""
    match_id = rig.say(rig.channel("slack-bot")[0])
    rig.strike([(match_id, Strike("after_call"))], without=without)
    return rig.finish(without=without)


def goes_unanswered_and_the_nonce_is_forgotten(rig: Rig, without: Mechanism | None) -> Verdict:
    """Discord has the message, says 500, and remembers no nonce any more."""
    rig.fault("discord.post=nonce-window(0.1)", f"discord.post={UNSEEN}*1")
    rig.say(rig.channel("discord-bot")[0])
    return rig.finish(without=without)


def goes_unanswered_and_the_history_is_blind(rig: Rig, without: Mechanism | None) -> Verdict:
    rig.fault("discord.list=unreadable", "discord.get=unreadable")
    return goes_unanswered_and_the_nonce_is_forgotten(rig, without)


def is_accepted_late(rig: Rig, without: Mechanism | None) -> Verdict:
    """Slack accepts the message two seconds after it was given up on: later than anybody who does
    not wait looks, and a second sooner than who does.
    """
    channel, place = rig.channel("slack-bot")
    rig.fault(f"slack.post@{place}=late-accept(2.5)*1")
    rig.say(channel)
    rig.finish(without=without, settle=3.0)
    _arrived(rig, place, "late-accept(2.5)")
    return rig.verdict()


def freezes_before_its_last_look(rig: Rig, without: Mechanism | None) -> Verdict:
    """For longer than its lease, just after its intent; another one tells the message meanwhile."""
    match_id = rig.say(rig.channel("slack-bot")[0])
    frozen = rig.freeze(match_id, "after_intent", without=without)
    rig.finish(without=without)
    rig.thaw(frozen)
    return rig.verdict()


def writes_its_result_late(rig: Rig, without: Mechanism | None) -> Verdict:
    """Refused with "later", it freezes; another one posts the message unanswered and dies; then the
    first one writes down that nothing was sent."""
    channel, place = rig.channel("slack-bot")
    rig.fault(f"slack.post@{place}=429(0.1)*1", f"slack.post@{place}={UNSEEN}*1")
    match_id = rig.say(channel)
    frozen = rig.freeze(match_id, "after_call", without=without)
    # The first result is that of its look into the channel.
    rig.join([rig.start(only=match_id, strike=Strike("after_result", nth=2), without=without)])
    rig.thaw(frozen)
    return rig.finish(without=without)


def _arrived(rig: Rig, place: str, fault: str) -> None:
    def calls() -> list[tuple[str, str]]:
        return [(each["place"], each["fault"]) for each in rig.world.truth.calls()]

    wait_for("late call", lambda: (place, fault) in calls(), seconds=30)
