"""The life of a match in every order of events: two runs, people, Riot's answers, kills, time.

All reachable worlds of `match_model`, breadth first, so that a counterexample is a shortest one. Each
mutant takes one rule out; if the search then finds nothing wrong, the model proves nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from lol_dagster_tests.pipeline.match_model import Rules, World, begin, moves, normal, wrong


def search(start: World, rules: Rules, *, only: str | None = None) -> tuple[int, list[str] | None]:
    """All reachable worlds; their number, and the shortest way to a wrong one.

    Args:
        only: What is to be wrong with it; None: whatever.
    """
    start = normal(start)
    came_from: dict[World, tuple[World | None, str]] = {start: (None, "")}
    queue = deque([start])
    while queue:
        world = queue.popleft()
        for label, moved in moves(world, rules):
            after = normal(moved)
            if after in came_from:
                continue
            came_from[after] = (world, label)
            if (what := wrong(after, rules)) and only in {None, what}:
                return len(came_from), [*_way(after, came_from), what]
            queue.append(after)
    return len(came_from), None


def _way(world: World | None, came_from: dict[World, tuple[World | None, str]]) -> list[str]:
    labels: list[str] = []
    while world is not None:
        world, label = came_from[world]
        labels.append(label)
    return labels[-2::-1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(begin(starts=4), id="one of each"),
        pytest.param(begin(starts=3, asks=2), id="two requests"),
        pytest.param(begin(starts=3, hands=2, ignores=2), id="ignored twice"),
    ],
)
def test_no_order_of_events_loses_a_match_or_announces_an_ignored_one(start: World) -> None:
    worlds, counterexample = search(start, Rules())
    assert counterexample is None
    assert worlds > 5000  # or the model has lost its moves


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("ignoring_wins", "announces what was ignored"),
        ("sensors_leave_ignored", "announces what was ignored"),
        ("ignoring_ends_requests", "announces what was ignored"),
        ("archive_wins", "waits for a payload that is there"),
        ("fetched_is_due", "lost"),
        ("one_open_row", "two open quarantine rows"),
        ("verdict_closes_row", "the quarantine says something else than the state"),
        ("one_transaction", "a request fails although its run had come to a verdict"),
        ("not_found_stays", "silence revives what was given up"),
        ("missing_is_due", "due forever"),
    ],
)
def test_each_rule_is_needed(rule: str, what: str) -> None:
    rules = replace(Rules(), **{rule: False})  # type: ignore[arg-type]
    _, counterexample = search(begin(starts=3), rules, only=what)
    assert counterexample is not None
