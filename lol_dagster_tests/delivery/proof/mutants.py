"""What the protocol leans on, taken out one by one: which check must then find what is wrong.

A check that finds nothing wrong with a mutant proves nothing of the whole either. `test_mutants`
runs each row; docs/delivery.md shows the table to people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lol_dagster.delivery.model import Terms
from lol_dagster_tests.delivery.proof import scenarios
from lol_dagster_tests.delivery.proof.ablation import Mechanism
from lol_dagster_tests.delivery.proof.model import DISCORD_BOT, SLACK_BOT, Rules, World, begin
from lol_dagster_tests.delivery.proof.scenarios import Scenario
from lol_dagster_tests.delivery.proof.state_machine import Limits

BEGINNING = begin(claims=4)


@dataclass(frozen=True)
class Mutant:
    """One thing taken out."""

    name: str
    taken_out: str
    searched: Rules | None = None
    """In which the search of every order of events must find it."""
    finds: str = "duplicate"
    start: World = BEGINNING
    walked: tuple[Terms, Limits] | None = None
    """With which Hypothesis' walks must find it."""
    mechanism: Mechanism | None = None
    scenario: Scenario | None = None
    """In which real processes without that mechanism must tell twice, and whole ones must not."""


def _of_slack(**taken_out: object) -> Rules:
    return replace(Rules.of(SLACK_BOT), **taken_out)  # type: ignore[arg-type]


def _walked(without: str) -> tuple[Terms, Limits]:
    return SLACK_BOT, Limits.of(SLACK_BOT, without)


MUTANTS = (
    Mutant(
        "scan",
        "the channel is not read back: whatever is in doubt counts as absent",
        _of_slack(scan=False),
        walked=_walked("scan"),
        mechanism="scan",
        scenario=scenarios.goes_unanswered_and_the_nonce_is_forgotten,
    ),
    Mutant(
        "visibility check",
        "an empty history is believed, with the permission to read it or without",
        _of_slack(visibility_check=False),
        walked=_walked("visibility check"),
        mechanism="visibility check",
        scenario=scenarios.goes_unanswered_and_the_history_is_unreadable,
    ),
    Mutant(
        "their time",
        "the history is searched from this machine's time on, not from the service's",
        mechanism="their time",
        scenario=scenarios.goes_unanswered_while_the_services_are_an_hour_behind,
    ),
    Mutant(
        "intent",
        "the intent is not durable before the first byte",
        _of_slack(durable_intent=False),
        walked=_walked("intent"),
        mechanism="intent",
        scenario=scenarios.dies_before_the_answer,
    ),
    Mutant(
        "second check",
        "the claim's age is not checked once more after the intent",
        _of_slack(second_check=False),
        mechanism="claim's age",
        scenario=scenarios.freezes_before_its_last_check,
    ),
    Mutant(
        "uncertain",
        "no clear answer counts as not sent",
        _of_slack(uncertain_state=False),
        walked=_walked("uncertain"),
    ),
    Mutant(
        "fence",
        "results are written to whatever is being sent, by whomever it is claimed now",
        _of_slack(fence=False),
        mechanism="fence",
        scenario=scenarios.writes_its_result_late,
    ),
    Mutant(
        "state",
        "results are written under the fence alone, also to what was given up meanwhile",
        _of_slack(state=False),
        finds="goes on with what was given up",
        start=begin(claims=2, withdrawals=1),
    ),
    Mutant(
        "settling",
        "the channel is read back at once after an unanswered call",
        _of_slack(settling=False),
        mechanism="settling",
        scenario=scenarios.is_accepted_late,
    ),
    Mutant(
        "last moment",
        "settling counts from the intent, not from the last moment at which its call may begin",
        _of_slack(until_the_last_call=False, jumps=(22.0,)),
    ),
    Mutant(
        "timers",
        "an uncertain message is not due again",
        _of_slack(timers=False),
        finds="stuck",
        walked=_walked("timers"),
    ),
    Mutant(
        "A1",
        "without a nonce: a pause of 61 s between the last check and the first byte",
        _of_slack(pause=61.0),
    ),
    Mutant(
        "A1 with a nonce",
        "a pause for longer than the nonce is remembered",
        Rules.of(DISCORD_BOT, pause=200.0),
    ),
    Mutant(
        "A2",
        "without a nonce: a request is accepted long after the settling time",
        _of_slack(delay=200.0),
    ),
    Mutant(
        "A2 with a nonce",
        "a request is accepted after the nonce was forgotten",
        Rules.of(DISCORD_BOT, delay=400.0),
    ),
    Mutant(
        "A3",
        "Discord remembers a nonce for 30 s only",
        Rules.of(DISCORD_BOT, nonce_window=30.0),
    ),
)
