"""Locks on files: the system releases one however its owner dies, so none has to be cleaned up.

An owner that is frozen does not die. So nobody waits forever for a lock, and its owner can be
found and killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from lol_dagster.errors import UserError

UP_FILE = "up.lock"
"""In the home; `lol-dagster up` holds it, or a command that needs the home to be at rest."""
_GONE_WITHIN = 5.0
"""Seconds from SIGKILL to the end of a process that is not stuck in the kernel."""


def hold(file: Path, *, within: float) -> int:
    """Take the lock, and write this process's number into the file, for people and `end_owner`.

    Args:
        within: Seconds to wait for it; `is_held` has it for a moment.

    Returns:
        The handle that holds it until it is closed or the process ends. Close-on-exec, as Python
        has it by default: a child must not keep the lock.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + within
    while not _taken(handle, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            os.close(handle)
            raise BlockingIOError(f"{file} is held by another process")
        time.sleep(0.05)
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def is_held(file: Path) -> bool:
    """
    Raises:
        FileNotFoundError: there is no such file.
    """
    handle = os.open(file, os.O_RDONLY)
    try:
        return not _taken(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone(file: Path, *, within: float, kill: bool = False) -> Iterator[None]:
    """Hold the lock during the block.

    Args:
        within: Seconds to wait for it.
        kill: Whoever holds it for longer hangs, and is killed. Only for work that takes moments
            and can be cut short anywhere.

    Raises:
        UserError: somebody else still holds it.
    """
    try:
        handle = hold(file, within=within)
    except BlockingIOError:
        if not (kill and end_owner(file)):
            raise UserError(
                f"process {_owner(file)} has held {file} for more than {within:g} s: "
                "it hangs, so end it and try again"
            ) from None
        handle = hold(file, within=within)
    try:
        yield
    finally:
        os.close(handle)


def end_owner(file: Path) -> bool:
    """Kill the process that holds the file, frozen or not.

    Only one that is seen to hold this very file: a process's number alone may be another's, of
    another container with the same volume, say. So nobody is killed where there is no /proc.

    Returns:
        Whether nobody holds the file any more.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = _owner(file)
        if _has_open(pid, file):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _GONE_WITHIN
    while is_held(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def _taken(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(file: Path) -> int:
    return int(file.read_text())


def _has_open(pid: int, file: Path) -> bool:
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed in the meantime
            if handle.samefile(file):
                return True
    return False
