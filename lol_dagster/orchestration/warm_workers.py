"""Run workers are forked from a process that has imported everything.

A worker that Dagster spawns imports Dagster, pandas and SQLAlchemy first, which takes more processor
time than nearly all of our runs. Here the code server forks once, before it has a thread, a connection
or a key. What comes of it is the parent of all run workers: Python's own fork server
(`multiprocessing.forkserver`), which shares its memory with the code server. Should it be killed, the
next worker starts a new one, the slower way.

What this leans on in Dagster and in Python stands in test_warm_workers.py. A Dagster that has changed
spawns the workers as it always did, and a warning says so.
"""

from __future__ import annotations

import functools
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from multiprocessing import forkserver, popen_forkserver, popen_spawn_posix, util
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from dagster._grpc.server import DagsterApiServer

from lol_dagster.services.dagster_services import WORKERS_IMPORT
from lol_dagster.services.process_title import set_process_title

_log = logging.getLogger(__name__)

_FORK_SERVER_GONE = 255
"""What `multiprocessing` takes for a worker's exit status when only the fork server knew it and has died."""
_FORKED_WITHIN = 30.0
"""Seconds; a new fork server has to import everything first. Who asks for a run waits for a minute."""


def fork_workers(address: Path) -> None:
    """Fork the process that run workers will be forked from, and have Dagster's code server use it.

    To be called before all else: what is open in this process is open in every worker. Where a fork
    server is not to be had (macOS), workers are spawned.

    Args:
        address: Where the fork server takes orders; in a folder that only its owner may enter.
    """
    if sys.platform != "linux":
        return
    # Or numpy starts one for each processor, which the fork would leave behind.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for module in WORKERS_IMPORT:
        importlib.import_module(module)
    forkserver.set_forkserver_preload(WORKERS_IMPORT)
    # What another thread had locked would be locked in every worker for good.
    if len(list(Path("/proc/self/task").iterdir())) == 1:
        _fork_server(address)
    _have_dagster_use_it()


def _fork_server(address: Path) -> None:
    """As `multiprocessing.forkserver.ForkServer.ensure_running`, which does so when this one has died;
    but forked, and with all that is imported here. It ends when this process and all workers have.
    """
    address.unlink(missing_ok=True)  # of a code server that was killed
    gc.collect()
    gc.freeze()  # or the first collection would copy every page
    alive_r, alive_w = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        pid = os.fork()
        if pid == 0:
            os.close(alive_w)
            _serve(listener.detach(), alive_r)
    os.close(alive_r)
    ours: Any = forkserver._forkserver  # noqa: SLF001
    ours._forkserver_address = str(address)  # noqa: SLF001
    ours._forkserver_alive_fd = alive_w  # noqa: SLF001
    ours._forkserver_pid = pid  # noqa: SLF001


def _serve(listener: int, alive: int) -> None:
    status = 1
    try:
        set_process_title("lol-fork-server")
        # It ends by itself when it is not needed any more; until then it tells how workers ended.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        forkserver.main(listener, alive, [])
    except SystemExit:
        status = 0
    finally:
        os._exit(status)


def _kill_fork_server() -> None:
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined] # noqa: SLF001
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


class _WarmPopen(popen_forkserver.Popen):
    def _launch(self, process_obj: Any) -> None:
        # One that is frozen would keep the code server waiting, and all runs with it.
        too_late = threading.Timer(_FORKED_WITHIN, _kill_fork_server)
        too_late.start()
        try:
            super()._launch(process_obj)  # type: ignore[misc]
        finally:
            too_late.cancel()
        self._alive = os.pidfd_open(self.pid)
        util.Finalize(self, os.close, (self._alive,))

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """A worker outlives its fork server: it counts as alive for as long as it is."""
        status: int | None = super().poll(flag)
        if status == _FORK_SERVER_GONE:
            lives = not wait([self._alive], 0 if flag == os.WNOHANG else None)
            self.returncode = None if lives else status
        return self.returncode


class _WarmProcess(ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        try:
            return _WarmPopen(process_obj)
        except (OSError, EOFError):
            _log.warning("A run worker starts slowly, as the fork server does not answer")
            return popen_spawn_posix.Popen(process_obj)

    def run(self) -> None:
        """What the worker does."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        set_process_title("lol-run-worker")
        super().run()


class Workers(ForkServerContext):
    """What Dagster starts run workers with, in place of `multiprocessing.get_context("spawn")`."""

    Process = _WarmProcess


def _have_dagster_use_it() -> None:
    original = DagsterApiServer.__init__

    @functools.wraps(original)
    def with_our_workers(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if getattr(getattr(self, "_mp_ctx", None), "_name", None) == "spawn":
            self._mp_ctx = Workers()
        else:
            _log.warning("Run workers start slowly: Dagster has changed how it starts them")

    DagsterApiServer.__init__ = with_our_workers  # type: ignore[method-assign]
