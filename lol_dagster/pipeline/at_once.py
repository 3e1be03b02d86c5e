"""Many calls to Riot at once: one that is slow keeps no other waiting."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

AT_ONCE = 16
"""Calls under way: with answers after 0.2 s more than a production key allows in the long run."""
FIRST_ALONE_S = 1.0
"""How long the others wait for what comes of the first: a refused key is not tried sixteen times."""
SOON_S = 1.0
"""What takes longer leaves time for something else."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def as_they_come(
    call: Callable[[_T], _R], items: Sequence[_T]
) -> Generator[tuple[_T, Future[_R]] | None]:
    """Call a function for each item, several at once, begun in their order.

    Whoever stops iterating drops what was not begun, and waits for what was.

    Yields:
        An item and what came of it, in the order in which they are done; None where the next one is not
        done soon: there is time for something else.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="riot") as threads:
        item_of: dict[Future[_R], _T] = {}

        def begin(some: Sequence[_T]) -> None:
            # Each with what the log knows of the caller.
            item_of.update({threads.submit(copy_context().run, call, each): each for each in some})

        try:
            begin(items[:1])
            if wait(item_of, timeout=FIRST_ALONE_S).done:
                ((first, item),) = item_of.items()
                item_of.clear()
                yield item, first
            begin(items[1:])
            while item_of:
                done = wait(item_of, timeout=SOON_S, return_when="FIRST_COMPLETED").done
                if not done:
                    yield None
                    done = wait(item_of, return_when="FIRST_COMPLETED").done
                for future in [each for each in item_of if each in done]:
                    yield item_of.pop(future), future
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
