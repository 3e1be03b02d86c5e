"""Waiting for what other processes do: until it is so, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(what: str, look: Callable[[], _T | None], *, seconds: float) -> _T:
    """What `look` gives once it is true.

    Raises:
        AssertionError: it was not in time; says for what was waited.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:g} s: no {what}"
        time.sleep(0.1)
