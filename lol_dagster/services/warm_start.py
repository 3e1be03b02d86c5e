"""Services are forked from one process that has imported what they need.

Each service of its own would import Dagster, SQLAlchemy and pandas for itself: seconds of processor at the
start, and 100 MB each. Here one process does, and they share its memory for as long as they do not write
to it. It is started before anything else, with an environment that has no secret in it, and has
neither threads nor connections.

A service that was forked is the supervisor's child, as one that it has started itself: what has forked it may
die. Then, and where the kernel is not Linux, services are started the usual way.

    python -m lol_dagster.services.warm_start SOCKET SUPERVISOR_PID MODULE…
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from lol_dagster.services.child import die_with, take_signals_as_they_come
from lol_dagster.services.process_title import set_process_title

_log = logging.getLogger(__name__)

_MOST_BYTES = 1_000_000
"""Of an order: an environment may be large."""


class ForkedProcess:
    """A child of this process, of which `subprocess` knows nothing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """As `subprocess.Popen.poll`."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def kill(self) -> None:
        """As `subprocess.Popen.kill`."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class WarmStart:
    """The supervisor's side of the process that forks the services."""

    def __init__(
        self, modules: Sequence[str], env: Mapping[str, str], *, within: float = 60.0
    ) -> None:
        """
        Args:
            modules: Imported there.
            env: Of that process; a service gets its own when it is forked.
            within: Seconds; the first service waits until all is imported.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), str(os.getpid()), *modules],
                # numpy would start a thread for each processor.
                env={**env, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.settimeout(within)
        self._socket = ours
        self.pid = self._process.pid
        self._asking = threading.Lock()  # each supervisor has a thread of its own

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], output: int
    ) -> ForkedProcess | None:
        """Fork a service in a session of its own; None: it has to be started the usual way.

        This process must be a subreaper (process_groups.adopting_orphans).

        Args:
            name: What `ps` shows, after `lol-`.
            argv: Python's own program, `-m`, a module and its arguments.
            output: A file for what it prints.
        """
        if list(argv[:2]) != [sys.executable, "-m"]:
            return None
        order = json.dumps({"name": name, "module": argv[2], "argv": argv[2:], "env": dict(env)})
        confirmed, confirm = os.pipe()
        try:
            with self._asking:
                socket.send_fds(self._socket, [order.encode()], [output, confirmed])
                pid = int(self._socket.recv(100))
            # It has waited for this: one whose number came too late must not run beside another.
            os.write(confirm, b".")
        except (OSError, ValueError) as error:  # no pid: it has ended
            # Also one that is frozen: its services would be nobody's.
            self._process.kill()
            _log.warning(
                "Services start slowly and take more memory, as none can be forked: %r", error
            )
            return None
        finally:
            os.close(confirmed)
            os.close(confirm)
        return ForkedProcess(pid)

    def close(self) -> None:
        """End the process; the services go on."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Fork what is ordered, until the supervisor is gone."""
    orders, supervisor, modules = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    die_with(supervisor)
    for module in modules:
        # Another version of a library may have it elsewhere: then each service imports it by itself.
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        sys.exit("what another thread had locked would be locked in every service for good")
    gc.collect()
    gc.freeze()  # or the first collection would copy every page
    set_process_title("lol-warm-start")
    order = _serve(socket.socket(fileno=orders), supervisor)
    if order is not None:
        _become(order)


def _serve(orders: socket.socket, supervisor: int) -> dict[str, Any] | None:
    """Returns in each service that was forked, with what it is to be; None when there is nobody to fork
    for any more.
    """
    while True:
        said, files, _, _ = socket.recv_fds(orders, _MOST_BYTES, 2)
        if not said:
            return None
        result, send = os.pipe()
        between = os.fork()
        if between == 0:
            # Its child is handed on to the supervisor when this one ends.
            between = os.getpid()
            pid = os.fork()
            if pid:
                os.write(send, str(pid).encode())
                os._exit(0)
            os.close(send)
            os.close(result)
            orders.close()
            while os.getppid() == between:
                time.sleep(0.001)
            die_with(supervisor)
            output, confirmed = files
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.setsid()
            if not os.read(confirmed, 1):
                os._exit(1)
            os.close(output)
            os.close(confirmed)
            order: dict[str, Any] = json.loads(said)
            return order
        for file in (*files, send):
            os.close(file)
        os.waitpid(between, 0)
        orders.send(os.read(result, 100))
        os.close(result)


def _become(order: Mapping[str, Any]) -> None:
    """As `python -m` would, with this process's modules."""
    take_signals_as_they_come()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as Python begins
    set_process_title(f"lol-{order['name']}")
    os.environ.clear()
    os.environ.update(order["env"])
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, TextIOWrapper)
        stream.reconfigure(line_buffering=True, write_through=True)
    sys.argv = list(order["argv"])
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
