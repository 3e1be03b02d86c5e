"""Hypothesis walks through the model far beyond what can be searched exhaustively: many claims,
texts that change, messages that moderators delete, the machine booting anew.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lol_dagster.delivery.states import Terms
from lol_dagster_tests.delivery.model import (
    BARE_WEBHOOK,
    DISCORD_BOT,
    SLACK_BOT,
    Rules,
    Worker,
    World,
    begin,
    moves,
    wrong,
)

CALM = (
    "claims",
    "Intend",
    "HoldBack",
    "checks its claim",
    "finds its claim old",
    "sends, answered",
    "scans",
    "reads",
    "writes down",
    "s pass",
)
"""What happens when nothing goes wrong any more."""


class Walk(RuleBasedStateMachine):
    """Any order of events keeps the promises, and from wherever it ends, calm brings an end."""

    world: World
    rules: Rules

    @initialize(terms=st.sampled_from([DISCORD_BOT, SLACK_BOT, BARE_WEBHOOK]))
    def start(self, terms: Terms) -> None:
        self.rules = Rules.of(terms)
        self.world = begin(claims=40, texts=5, deletions=1)

    @rule(choice=st.integers(min_value=0, max_value=10**6))
    def something_happens(self, choice: int) -> None:
        possible = list(moves(self.world, self.rules))
        _, self.world = possible[choice % len(possible)]

    @precondition(lambda self: not self.world.flights)
    @rule()
    def the_machine_boots(self) -> None:
        """What was noted is of another clock now, and every deliverer is gone."""
        row = replace(self.world.row, clock="another", lease_until=0.0)
        self.world = replace(self.world, row=row, workers=(Worker(), Worker()))

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert wrong(self.world) is None

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = replace(self.world, workers=(Worker(), Worker()), flights=(), claims=100, texts=0)
        for _ in range(150):
            if world.row.due_at is None and world.at_rest:
                break
            possible = [m for m in moves(world, self.rules) if m[0].endswith(CALM)]
            _, world = max(possible, key=lambda move: _urgency(move[0], world))
            assert wrong(world) is None
        assert world.row.state in {"delivered", "parked"}
        if world.row.state == "delivered" and world.visible and self.rules.terms.edit:
            assert world.visible[0].rev == world.row.desired_rev


def _urgency(label: str, world: World) -> int:
    """What is begun is ended first; a message is claimed when it is due, and by one deliverer."""
    if label.endswith("claims"):
        settling = (world.row.settle_until or 0) > 0
        return 0 if settling or not world.at_rest else 2
    return 1 if label.endswith("s pass") else 3


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
