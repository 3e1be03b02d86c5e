"""Many calls to Riot at once: one that is slow keeps no other waiting."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeVar

AT_ONCE = 16
"""Calls under way in a lane: with answers after 0.2 s more than a production key allows in the long run."""
FIRST_ALONE_S = 1.0
"""How long the others wait for what comes of the first: a refused key is not tried sixteen times."""
SOON_S = 1.0
"""What takes longer leaves time for something else."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def as_they_come(
    call: Callable[[_T], _R], items: Sequence[_T], lane_of: Callable[[_T], str]
) -> Generator[tuple[_T, Future[_R]] | None]:
    """Call a function for each item, several at once, begun in their order.

    Whoever stops iterating drops what was not begun, and waits for what was.

    Args:
        lane_of: Riot's route, say, whose limits are its own: those who wait in a lane keep none in another
            waiting.

    Yields:
        An item and what came of it, in the order in which they are done; None where the next one is not
        done soon: there is time for something else.
    """
    lanes = {
        lane: ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"riot-{lane}")
        for lane in dict.fromkeys(map(lane_of, items))
    }
    item_of: dict[Future[_R], _T] = {}
    done: SimpleQueue[Future[_R]] = SimpleQueue()

    def begin(some: Sequence[_T]) -> None:
        for each in some:
            # With what the log knows of the caller.
            future = lanes[lane_of(each)].submit(copy_context().run, call, each)
            item_of[future] = each
            future.add_done_callback(done.put)

    try:
        begin(items[:1])
        if item_of and (first := _next(done, FIRST_ALONE_S)) is not None:
            yield item_of.pop(first), first
        begin(items[1:])
        while item_of:
            future = _next(done, SOON_S)
            if future is None:
                yield None
                future = done.get()
            yield item_of.pop(future), future
    finally:
        for threads in lanes.values():
            threads.shutdown(wait=False, cancel_futures=True)
        for threads in lanes.values():
            threads.shutdown()


def _next(done: SimpleQueue[Future[_R]], within_s: float) -> Future[_R] | None:
    try:
        return done.get(timeout=within_s)
    except Empty:
        return None
