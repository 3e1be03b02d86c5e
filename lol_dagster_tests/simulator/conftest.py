"""Worlds whose clock only the test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lol_dagster.simulator.main import Simulator
from lol_dagster_tests._support.simulated_world import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def world(clock: HandClock) -> Iterator[Simulator]:
    """An empty world on a clock that stands still."""
    with Simulator(clock=clock) as world:
        yield world
