"""The few moments between a service's fork and its exec: run as a script by the supervisor.

Belongs here: what a process must do to itself before it becomes the service. It is a program of
its own, not a `preexec_fn`, because Python code between fork and exec may deadlock where the parent
has threads. Nothing else belongs here: it imports nothing of the app, to start within
milliseconds.

    python -I -S child.py SUPERVISOR_PID ARGV…
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_CANNOT_EXECUTE = 127  # as a shell would exit


def die_with(supervisor: int) -> None:
    """Let the kernel kill this process as soon as the supervisor is gone, however it goes.

    prctl(2): the setting survives execve; "parent" is the thread that forked.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:  # it was gone before the kernel knew
        sys.exit(1)


def take_signals_as_they_come() -> None:
    """Undo what was inherited: a shell's `&` has SIGINT ignored, and Dagster gives SIGTERM
    whatever SIGINT has (dagster/_utils/interrupts.py), so that nothing but SIGKILL would stop it.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main() -> None:
    """Prepare, then become the service."""
    supervisor, argv = int(sys.argv[1]), sys.argv[2:]
    take_signals_as_they_come()
    die_with(supervisor)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - a list that we build, no shell
    except OSError as error:
        sys.stderr.write(f"cannot execute {argv[0]}: {error.strerror}\n")
        sys.exit(_CANNOT_EXECUTE)


if __name__ == "__main__":
    main()
