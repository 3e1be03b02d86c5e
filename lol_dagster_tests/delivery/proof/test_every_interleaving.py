"""The core in every order of events: two deliverers, death and time anywhere. Mutants: `mutants`.

Explicit-state: all reachable worlds of `model`, breadth first, so that a counterexample is a
shortest one. A mutant takes one mechanism out; if the search then finds nothing wrong, the model is
too weak to prove anything.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from lol_dagster.delivery.model import Terms
from lol_dagster_tests.delivery.proof import model
from lol_dagster_tests.delivery.proof.model import (
    BARE_WEBHOOK,
    DISCORD_BOT,
    RESENDING_WEBHOOK,
    SLACK_BOT,
    STEPS,
    UNREADABLE_DISCORD_BOT,
    Key,
    Pieces,
    Rules,
    Standing,
    World,
    begin,
    moves,
    wrong,
)

pytestmark = pytest.mark.timeout(300)


CameFrom = dict[Key, tuple[Key | None, str]]
"""For each world, by its key, the one before it and what happened in between."""


def search(start: World, rules: Rules, *, only: str | None = None) -> tuple[int, list[str] | None]:
    """All reachable worlds; their number, and the shortest way to a wrong one.

    Args:
        only: What is to be wrong with it; None: whatever.
    """
    pieces = Pieces(rules)
    queue = deque([pieces.normal(start)])
    came_from: CameFrom = {key: (None, "") for key, _ in queue}
    while queue:
        before, world = queue.popleft()
        for label, moved in moves(world, rules):
            found = pieces.normal(moved, known=came_from)
            if found is None:
                continue
            key, after = found
            came_from[key] = (before, label)
            if (what := wrong(after, rules)) and only in {None, what}:
                return len(came_from), [*_way(key, came_from), what]
            queue.append(found)
    return len(came_from), None


def _way(key: Key | None, came_from: CameFrom) -> list[str]:
    labels: list[str] = []
    while key is not None:
        key, label = came_from[key]
        labels.append(label)
    return labels[-2::-1]


@pytest.mark.parametrize(
    ("terms", "claims", "steps"),
    [
        pytest.param(DISCORD_BOT, 3, (61.0,), id="discord-bot, long steps"),
        pytest.param(DISCORD_BOT, 2, (22.0,), id="discord-bot, short steps"),
        pytest.param(UNREADABLE_DISCORD_BOT, 3, (44.0, 59.0), id="discord-bot without history"),
        pytest.param(UNREADABLE_DISCORD_BOT, 2, (22.0,), id="the same, short steps"),
        *(
            pytest.param(SLACK_BOT, claims, steps, id=f"slack-bot, {steps}")
            for steps, claims in zip(STEPS, (2, 3, 4), strict=True)
        ),
        *(
            pytest.param(BARE_WEBHOOK, claims, steps, id=f"webhook alone, {steps}")
            for steps, claims in zip(STEPS, (2, 3, 4), strict=True)
        ),
    ],
)
def test_no_order_of_events_posts_twice_or_lies_or_gets_stuck(
    terms: Terms, claims: int, steps: tuple[float, ...]
) -> None:
    worlds, counterexample = search(begin(claims=claims), Rules.of(terms, jumps=steps))
    assert counterexample is None
    assert worlds > 500  # or the model has lost its moves


def delivered_world(claims: int, texts: int) -> World:
    """The message stands in the channel, and its text is about to change."""
    world = begin(claims=claims, texts=texts)
    row = replace(
        world.row,
        state="delivered",
        evidence="response",
        remote_id="1",
        remote_rev=1,
        due_at=None,
        sent_maybe=True,
        clock="one",
    )
    return replace(world, row=row, channel=(Standing(1),))


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_no_order_of_events_leaves_another_text_than_is_believed(steps: tuple[float, ...]) -> None:
    rules = Rules.of(SLACK_BOT, jumps=steps)
    worlds, counterexample = search(delivered_world(claims=2, texts=2), rules)
    assert counterexample is None
    assert worlds > 500


def test_without_settling_a_late_edit_overtakes_a_newer_one() -> None:
    rules = Rules.of(SLACK_BOT, settling=False)
    _, counterexample = search(delivered_world(claims=3, texts=2), rules)
    assert counterexample is not None
    assert counterexample[-1] == "another text stands there than is believed"


def test_only_steps_shorter_than_a_claim_may_be_old_show_that_settling_is_counted_too_early() -> (
    None
):
    """From the intent on, and not from the last moment at which its call may begin. A POST that begins
    44 s after its intent is given up on at 54 s, when the settling time (10 + 30 s) is over."""
    found = {
        steps: search(begin(claims=2), Rules.of(SLACK_BOT, until_the_last_call=False, jumps=steps))[
            1
        ]
        for steps in STEPS
    }
    assert {steps for steps, counterexample in found.items() if counterexample} == {
        (10.0,),
        (22.0,),
    }


@pytest.mark.parametrize(
    "mechanism", ["scan", "visibility_check", "durable_intent", "uncertain_state"]
)
def test_the_nonce_alone_does_not_replace_a_mechanism(mechanism: str) -> None:
    rules = replace(Rules.of(DISCORD_BOT), **{mechanism: False})  # type: ignore[arg-type]
    _, counterexample = search(begin(claims=3), rules)
    assert counterexample is not None
    assert counterexample[-1] == "duplicate"


@pytest.mark.parametrize(
    ("terms", "start"),
    [
        pytest.param(SLACK_BOT, begin(claims=3, decisions=1), id="slack-bot, decisions"),
        pytest.param(DISCORD_BOT, begin(claims=2, decisions=1), id="discord-bot, decisions"),
        pytest.param(BARE_WEBHOOK, begin(claims=2, decisions=1), id="webhook alone, decisions"),
        pytest.param(SLACK_BOT, begin(claims=2, decisions=1, removals=1), id="slack-bot, removal"),
        pytest.param(BARE_WEBHOOK, begin(claims=2, decisions=1, removals=1), id="webhook, removal"),
        pytest.param(SLACK_BOT, begin(claims=3, restores=1), id="slack-bot, restored"),
        pytest.param(DISCORD_BOT, begin(claims=3, restores=1), id="discord-bot, restored"),
        pytest.param(BARE_WEBHOOK, begin(claims=3, restores=1), id="webhook alone, restored"),
        pytest.param(
            SLACK_BOT, begin(claims=2, decisions=1, withdrawals=1), id="slack-bot, withdrawn"
        ),
        pytest.param(
            SLACK_BOT,
            replace(delivered_world(claims=2, texts=2), decisions=1),
            id="slack-bot, edits",
        ),
        pytest.param(SLACK_BOT, begin(claims=2, texts=1, deletions=1), id="slack-bot, texts"),
        pytest.param(DISCORD_BOT, begin(claims=2, texts=1, deletions=1), id="discord-bot, texts"),
        pytest.param(BARE_WEBHOOK, begin(claims=2, texts=1, deletions=1), id="webhook, texts"),
    ],
)
def test_no_decision_removal_or_change_at_any_moment_does_harm(terms: Terms, start: World) -> None:
    worlds, counterexample = search(start, Rules.of(terms))
    assert counterexample is None
    assert worlds > 500


def test_a_webhook_alone_may_post_twice_by_the_operators_decision_to_resend() -> None:
    _, counterexample = search(begin(claims=3, decisions=1), Rules.of(BARE_WEBHOOK))
    assert counterexample is not None
    assert "the operator decides: Resend" in counterexample
    assert counterexample[-1] == "duplicate"


def test_a_webhook_alone_that_resends_may_post_twice_as_its_promise_says() -> None:
    _, counterexample = search(begin(claims=3), Rules.of(RESENDING_WEBHOOK))
    assert counterexample is not None
    assert counterexample[-1] == "duplicate"


def test_a_restored_backup_that_is_believed_posts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "change", lambda row, _event: row)
    _, counterexample = search(begin(claims=3, restores=1), Rules.of(SLACK_BOT))
    assert counterexample is not None
    assert "a backup before it was sent is restored" in counterexample
    assert counterexample[-1] == "duplicate"
