"""Simulated worlds for tests of other rooms: a clock that only the test moves, and a world per test.

Use it in a test module or a room's conftest with
`from lol_dagster_tests.simulated import simulator  # noqa: F401`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lol_dagster.simulator.main import Simulator


class HandClock:
    """A clock that stands still until it is moved; epoch seconds."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A world of this test's own, on the real clock, that the settings lead to."""
    with Simulator() as world:
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        yield world
