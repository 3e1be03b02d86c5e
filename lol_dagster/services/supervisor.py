"""Several services run together: started, restarted when they die or hang, ended together.

Belongs here: processes, their signals and the files that hold their output. Which services there
are does not (services/dagster_services.py, cli/services.py).

Each service is a session and process group of its own: a terminal's Ctrl-C reaches the supervisor
alone, and what a service has started (Dagster's run workers) is ended with its group. Output goes
straight into `<service>-YYYY-MM-DD.log`, named after the day (UTC) on which the service started,
and not through a pipe: a supervisor that is suspended or stuck must not block those it supervises.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from lol_dagster.errors import UserError
from lol_dagster.services.liveness_probe import LivenessProbe
from lol_dagster.services.process_groups import ProcessGroups, adopting_orphans
from lol_dagster.services.warm_start import ForkedProcess, WarmStart

_log = logging.getLogger(__name__)

_TICK = 0.1  # seconds between two checks of the services
_KILLED_WITHIN = 2.0  # seconds
_CHILD = Path(__file__).with_name("child.py")
_LAST_LINE_BYTES = 4096
_LARGEST_FILE = 100_000_000
"""Bytes that a service's own file may have; then it begins anew."""
_LAST_LINE_CHARACTERS = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Dagster colours its lines, also in files."""
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Service:
    """A process that should always run.

    Attributes:
        name: Names its log file and is said to the operator.
        argv: Program and arguments.
        env: Variables added to those of the supervisor; None takes one away.
        answers: Whether it does what it is there for, asked again and again from a thread; returns
            within seconds. None: it is enough that it lives.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str | None] = field(default_factory=dict)
    answers: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Timeouts:
    """Pauses and timeouts, in seconds.

    Attributes:
        first_pause: Before the first restart; doubled for each further one.
        longest_pause: Where the doubling ends.
        steady_after: A service that ran this long has recovered: its next pause is the first.
        grace: From SIGTERM to SIGKILL, for all services together.
        ask_every: Between two questions whether a service answers.
        silence: A service that has answered and then not for so long is killed and started again.
        first_answer: One that has not answered since its start is given so long.
    """

    first_pause: float = 1.0
    longest_pause: float = 60.0
    steady_after: float = 60.0
    grace: float = 15.0
    ask_every: float = 15.0
    silence: float = 180.0
    first_answer: float = 600.0


class NoAnswerError(UserError):
    """A service did not answer in time."""


class Supervisor:
    """Runs services until it is stopped; never gives one up."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        log_dir: Path,
        say: Callable[[str], None],
        timeouts: Timeouts = Timeouts(),
        warm_start: WarmStart | None = None,
    ) -> None:
        """
        Args:
            services: Started in this order, none waiting for another.
            log_dir: Where the services' output goes; created if it is not there.
            say: Shows the operator one line; called from the supervisor's own thread.
            timeouts: Pauses and timeouts.
            warm_start: Forks the services, as long as it lives.
        """
        self._children = [_Child(service, log_dir, timeouts, warm_start) for service in services]
        self._groups = ProcessGroups()
        self._say = say
        self._timeouts = timeouts
        # A plain number, as a signal handler may wait for no lock: 1 ends, 2 kills at once.
        self._stops = 0
        self._failure: Exception | None = None
        # One thread starts all of them and lives until all have ended: the kernel kills a service
        # when the thread that forked it ends. As a daemon it does not keep alive a program that
        # forgot to stop it.
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def run(self) -> None:
        """Start the services, unless that was done, and wait; Ctrl-C, SIGTERM or the terminal's
        end ends them all, a second one at once. Must be called in the main thread.
        """
        with self._listening():
            if not self._thread.ident:
                self.start()
            self._join()

    def start(self) -> None:
        """Start the services and watch them from a thread.

        Whoever calls it calls `stop` in the end; if that process dies instead, the services die too.
        """
        self._thread.start()

    def stop(self) -> None:
        """End all services and return when they are gone; at most the grace, and a little more.

        Called in the main thread, Ctrl-C meanwhile ends them at once.
        """
        if self._thread.ident:
            self._stops = max(self._stops, 1)
            with self._listening():
                self._join()

    def _join(self) -> None:
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        def count(_signal: int, _frame: FrameType | None) -> None:
            self._stops += 1

        previous = {}
        in_main_thread = threading.current_thread() is threading.main_thread()
        for each in _STOP_SIGNALS if in_main_thread else ():
            # An ignored hang-up is nohup's wish; an ignored SIGINT only comes from a shell's `&`.
            if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:
                previous[each] = signal.signal(each, count)
        try:
            yield
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    def _watch(self) -> None:
        with adopting_orphans():
            try:
                while not self._stops:
                    for child in self._children:
                        self._tend(child)
                    self._groups.forget_empty(self._running())
                    time.sleep(_TICK)
            except Exception as error:  # noqa: BLE001 - raised again by run() or stop()
                self._failure = error
            finally:
                for child in self._children:
                    child.give_up_asking()
                self._end_all()

    def _tend(self, child: _Child) -> None:
        try:
            end = child.tend()
        except OSError as error:  # no process or no log file to be had: memory, disk, handles
            end = f"cannot be started ({error.strerror})"
            child.pause()
        if child.pid is not None:
            self._groups.add(child.pid, child.service.name)
        if end is None:
            return
        self._tell(
            f"{child.service.name} {end}; it is started again in {child.current_pause:g} s",
            service=child.service.name,
        )

    def _running(self) -> set[int]:
        return {child.pid for child in self._children if child.pid is not None}

    def _end_all(self) -> None:
        self._groups.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._timeouts.grace
        while self._any_left() and time.monotonic() < deadline and self._stops < 2:
            time.sleep(_TICK / 2)
        for service in self._groups.services:
            self._tell(f"{service} did not end by itself and was killed", service=service)
        self._groups.signal(signal.SIGKILL)
        # Only a process stuck in the kernel outlives this: it is not waited for.
        deadline = time.monotonic() + _KILLED_WITHIN
        while self._any_left() and time.monotonic() < deadline:
            time.sleep(_TICK / 2)

    def _any_left(self) -> bool:
        for child in self._children:
            child.reap()
        self._groups.forget_empty(self._running())
        return bool(self._groups.services)

    def _tell(self, line: str, *, service: str) -> None:
        _log.warning("%s", line, extra={"service": service})
        # The services must not die of a terminal that was closed.
        with contextlib.suppress(OSError):
            self._say(line)


class _Child:
    """One service's process: starts it when its pause is over, notices its end."""

    def __init__(
        self, service: Service, log_dir: Path, timeouts: Timeouts, warm_start: WarmStart | None
    ) -> None:
        self.service = service
        self.current_pause = 0.0
        self._log_dir = log_dir
        self._timeouts = timeouts
        self._warm_start = warm_start
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._log_file = log_dir
        self._log_start = 0
        self._started = 0.0
        self._due = 0.0  # time.monotonic() from which it may be started
        self._probe = (
            LivenessProbe(service.name, service.answers, every=timeouts.ask_every)
            if service.answers is not None
            else None
        )
        self._killed_after = 0.0  # seconds of silence

    @property
    def pid(self) -> int | None:
        """The running process; also its group."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def tend(self) -> str | None:
        """Start it if it is due; kill it if it hangs; say how it ended if it has, else None.

        Raises:
            OSError: it cannot be started.
        """
        if self._process is None:
            if time.monotonic() >= self._due:
                self._start()
            return None
        status = self._process.poll()
        if status is None:
            self._kill_if_silent(self._process)
            self._cut_log()
            return None
        self._process = None
        if time.monotonic() - self._started >= self._timeouts.steady_after:
            self.current_pause = 0.0
        self.pause()
        last_line = _last_line(self._log_file, self._log_start)
        ended = _ended(status)
        if self._killed_after:
            ended = f"did not answer for {self._killed_after:g} s and was killed"
        return f"{ended} ({last_line or 'it wrote nothing'}; all of it: {self._log_file})"

    def _kill_if_silent(self, process: subprocess.Popen[bytes] | ForkedProcess) -> None:
        """Once, and it alone: the run workers of a code server that hangs go on to their end."""
        if self._probe is None or self._killed_after:
            return
        timeouts = self._timeouts
        limit = timeouts.silence if self._probe.has_answered else timeouts.first_answer
        if self._probe.silent_for >= limit:
            process.kill()
            self._killed_after = limit

    def _cut_log(self) -> None:
        """Whoever can make a service print must not be able to fill the disk. It appends, so it goes on
        at the new end.
        """
        with contextlib.suppress(OSError):
            if self._log_file.stat().st_size > _LARGEST_FILE:
                os.truncate(self._log_file, 0)
                self._log_start = 0

    def give_up_asking(self) -> None:
        if self._probe:
            self._probe.end()

    def pause(self) -> None:
        """Put off the next start, longer than the last time."""
        doubled = self.current_pause * 2 or self._timeouts.first_pause
        self.current_pause = min(doubled, self._timeouts.longest_pause)
        self._due = time.monotonic() + self.current_pause

    def reap(self) -> None:
        if self._process is not None:
            self._process.poll()

    def _start(self) -> None:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        day = datetime.now(UTC).date().isoformat()
        self._log_file = self._log_dir / f"{self.service.name}-{day}.log"
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **self.service.env}
        known = {name: value for name, value in env.items() if value is not None}
        with self._log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._forked(known, log.fileno()) or subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), *self.service.argv],
                env=known,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started = time.monotonic()
        self._killed_after = 0.0  # seconds of silence
        if self._probe:
            self._probe.begin_anew()

    def _forked(self, env: Mapping[str, str], output: int) -> ForkedProcess | None:
        if self._warm_start is None:
            return None
        return self._warm_start.start(self.service.name, self.service.argv, env, output)


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"


def _last_line(file: Path, start: int) -> str:
    """The last line that is not empty from byte `start` on, fit for a terminal; or ""."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(start, size - _LAST_LINE_BYTES))
            text = log.read(_LAST_LINE_BYTES).decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    last = lines[-1][:_LAST_LINE_CHARACTERS] if lines else ""
    return "".join(character if character.isprintable() else "?" for character in last)


def wait_until_answering(url: str, *, timeout: float) -> None:
    """Wait until a server on this machine answers.

    Args:
        url: `http://host:port/path` (any status below 500 is an answer) or `unix:///path` of a
            socket (a connection is).
        timeout: Seconds.

    Raises:
        NoAnswerError: it did not within the timeout.
    """
    deadline = time.monotonic() + timeout
    while not _answers(url, wait=min(2.0, timeout)):
        if time.monotonic() >= deadline:
            raise NoAnswerError(f"{url} does not answer after {timeout:g} s")
        time.sleep(_TICK)


def _answers(url: str, *, wait: float) -> bool:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as caller:
                caller.settimeout(wait)
                caller.connect(parts.path)
            return True
        connection = http.client.HTTPConnection(host, port, timeout=wait)
        with contextlib.closing(connection):
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
