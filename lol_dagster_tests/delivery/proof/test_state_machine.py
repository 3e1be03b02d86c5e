"""Hypothesis' walks through `machine`, far beyond what can be searched exhaustively: limits that are
reached, texts that change, messages that moderators delete, the machine booting anew.

That they would find something is shown by `test_mutants`.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from lol_dagster.delivery.model import Terms
from lol_dagster_tests.delivery.proof.model import (
    BARE_WEBHOOK,
    DISCORD_BOT,
    SLACK_BOT,
    UNREADABLE_DISCORD_BOT,
)
from lol_dagster_tests.delivery.proof.state_machine import Limits, machine

UNREADABLE = Limits(pause=14.0, delay=14.0)
"""A bot without the history needs more of A2: see docs/delivery.md."""


@pytest.mark.parametrize(
    ("terms", "limits"),
    [
        pytest.param(DISCORD_BOT, Limits.of(DISCORD_BOT), id="discord-bot"),
        pytest.param(UNREADABLE_DISCORD_BOT, UNREADABLE, id="discord-bot without history"),
        pytest.param(SLACK_BOT, Limits.of(SLACK_BOT), id="slack-bot"),
        pytest.param(BARE_WEBHOOK, Limits.of(BARE_WEBHOOK), id="webhook alone"),
    ],
)
def test_no_walk_posts_twice_or_lies_or_gets_stuck(terms: Terms, limits: Limits) -> None:
    walks = settings(
        max_examples=100,
        stateful_step_count=60,
        derandomize=os.environ.get("CI") == "true",
    )
    run_state_machine_as_test(machine(terms, limits), settings=walks)
