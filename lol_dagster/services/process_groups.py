"""Process groups: of the services, and of what they leave behind.

Belongs here: what POSIX and Linux know of groups. When they are ended is supervisor.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


class ProcessGroups:
    """The groups that have members. A group may outlive its leader: run workers finish after their
    code server has died.
    """

    def __init__(self) -> None:
        self._services: dict[int, str] = {}

    @property
    def services(self) -> list[str]:
        """The names of the services that have processes left."""
        return sorted(set(self._services.values()))

    def add(self, group: int, service: str) -> None:
        self._services[group] = service

    def signal(self, which: signal.Signals) -> None:
        for group in self._services:
            # macOS answers EPERM for a group of zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, which)

    def forget_empty(self, running: Collection[int]) -> None:
        """To be called often: an empty group's number may be given to somebody else's process.

        Args:
            running: Leaders that their owner will reap.
        """
        for group in list(self._services):
            if group not in running:
                _reap(group)
            if not _has_members(group):
                del self._services[group]


_adopters = 0
_adopters_lock = threading.Lock()


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Be the parent of what services leave behind (prctl(2), PR_SET_CHILD_SUBREAPER), as long as
    anybody in this process is in here.

    Zombies are members of their group, and a container's first process may be slow to reap them or
    never do it: the groups would not empty.
    """
    _count_adopters(1)
    try:
        yield
    finally:
        _count_adopters(-1)


def _count_adopters(more: int) -> None:
    global _adopters  # noqa: PLW0603 - the kernel's switch is one for the whole process, too
    with _adopters_lock:
        _adopters += more
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(_adopters > 0), 0, 0, 0)


def _reap(group: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
