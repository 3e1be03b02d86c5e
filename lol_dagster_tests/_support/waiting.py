"""Waiting for what other threads and processes do: until it is so, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(what: str, poll: Callable[[], _T | None], *, seconds: float = 120) -> _T:
    """What `poll` returns once that is true.

    Args:
        what: A noun for the error message.
        seconds: After which it is given up. Generous: nothing is proven by how soon it comes.

    Raises:
        AssertionError: it was not true in time.
    """
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not (found := poll()):
        assert time.monotonic() < deadline, f"after {seconds:g} s: no {what}"
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
    return found
