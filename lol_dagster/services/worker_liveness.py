"""Whether a worker process is still alive, and an end for one that hangs.

A worker holds a lock on a file of its own: the system releases it however the worker dies, so that
no process id has to be trusted and nothing has to be cleaned up by hand. The watchdog runs
outside of Python's interpreter: it ends a process that is stuck in a system call, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from faulthandler import cancel_dump_traceback_later, dump_traceback_later
from pathlib import Path
from typing import Literal

from lol_dagster.storage.file_locks import hold, is_held

_LOCKED_WITHIN = 10.0
"""Seconds; others take the lock for a moment only, to see whether it is held."""


@contextlib.contextmanager
def alive(file: Path) -> Iterator[None]:
    """Show that this process is working, until the end of the block or of the process.

    Args:
        file: Of this piece of work alone; its folder is created if it is missing.
    """
    handle = alive_for_good(file)
    try:
        yield
    finally:
        # Before the lock is released: whoever finds no file does not check the lock.
        file.unlink(missing_ok=True)
        os.close(handle)


def alive_for_good(file: Path) -> int:
    """As `alive`, until this process ends or closes the handle; the file stays behind."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return hold(file, within=_LOCKED_WITHIN)


def liveness(file: Path) -> Literal["alive", "dead", "unknown"]:
    """Of the process that the file belongs to; `unknown`: there is no such file."""
    try:
        return "alive" if is_held(file) else "dead"
    except FileNotFoundError:
        return "unknown"


@contextlib.contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """End this process, with every thread's traceback on its standard error, unless the block is
    over in time. One block at a time in a process.
    """
    end_after(seconds)
    try:
        yield
    finally:
        cancel_dump_traceback_later()


def end_after(seconds: float) -> None:
    """As `ended_after`, without a way back."""
    dump_traceback_later(seconds, exit=True)
