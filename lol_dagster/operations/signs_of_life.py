"""Whether the process that works on something is still alive, and an end for one that hangs.

A worker holds a lock on a file of its own: the system lets go of it however the worker dies, so
nobody has to believe a process id, and nothing has to be cleaned up by hand. The watchdog runs
outside of Python's interpreter: it ends a process that is stuck in a system call, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from faulthandler import cancel_dump_traceback_later, dump_traceback_later
from pathlib import Path
from typing import Literal


@contextlib.contextmanager
def alive(file: Path) -> Iterator[None]:
    """Show that this process is at work, until the end of the block or of the process.

    Args:
        file: Of this piece of work alone; its folder is made if it is not there.
    """
    handle = _hold(file)
    try:
        yield
    finally:
        # Before the lock is let go: whoever finds no file asks no further.
        file.unlink(missing_ok=True)
        os.close(handle)


def alive_for_good(file: Path) -> None:
    """As `alive`, until this process ends; the file stays behind."""
    _hold(file)


def look(file: Path) -> Literal["alive", "dead", "unknown"]:
    """What the file says of the process that works on it; `unknown`: there is none."""
    try:
        handle = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return "unknown"
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "alive"
    finally:
        os.close(handle)
    return "dead"


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


def _hold(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Close-on-exec, as Python has it by default: a child must not keep the lock.
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())  # for people
    return handle
