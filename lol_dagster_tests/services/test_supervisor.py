"""The supervisor with real processes: small Python programs that write down what happens to them.

Nothing here sleeps for a fixed time: tests wait for what a process wrote, and pauses are shortened
through `Timeouts`.
"""

from __future__ import annotations

import contextlib
import http.server
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lol_dagster.services import liveness_probe, supervisor
from lol_dagster.services.liveness_probe import LivenessProbe, over_http
from lol_dagster.services.supervisor import (
    NoAnswerError,
    Service,
    Supervisor,
    Timeouts,
    wait_until_answering,
)

QUICK = Timeouts(first_pause=0.01, longest_pause=0.04, steady_after=60.0, grace=60.0)
CHECKOUT = Path(__file__).parents[2]

# Runs until SIGTERM, which it takes in peace: says so and ends with 0.
PATIENT = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("running", flush=True)
signal.sigwait({signal.SIGTERM})
print("ended in peace", flush=True)
"""

# Starts a child of its own, which does not care about SIGTERM, in the same process group.
PARENT_OF_A_STUBBORN_CHILD = r"""
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c",
    "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "os.write(1, b'deaf\\n'); signal.pause()"])
sys.stdout.write(f"grandchild {child.pid}\n")  # at once, while print writes in pieces
signal.pause()
"""


WITH_A_CHILD = r"""
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
sys.stdout.write(f"grandchild {child.pid}\n")  # at once, while print writes in pieces
signal.pause()
"""


def service(name: str, program: str, **env: str) -> Service:
    return Service(name, [sys.executable, "-c", textwrap.dedent(program)], env)


def wait_for(is_true: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return _stat(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_frozen(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return _stat(pid)[0] == "T"
    return False


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """proc(5): the fields behind the name, which are state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def ignored_by(pid: int) -> set[int]:
    """The signals that the process ignores; proc(5): a mask with bit n-1 for signal n."""
    (mask,) = re.findall(r"SigIgn:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return {number for number in range(1, 65) if int(mask, 16) & 1 << number - 1}


@contextlib.contextmanager
def ignoring(*signals: signal.Signals) -> Iterator[None]:
    """Have this process ignore them."""
    before = [(each, signal.signal(each, signal.SIG_IGN)) for each in signals]
    try:
        yield
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def grandchild_in(log: str) -> int | None:
    """The process of which a service wrote that it started it."""
    found = re.search(r"^grandchild (\d+)$", log, re.MULTILINE)
    return int(found[1]) if found else None


class Watched:
    """A supervisor in this process, what it said, and what its services wrote."""

    def __init__(self, logs: Path, *services: Service, timeouts: Timeouts = QUICK) -> None:
        self.said: list[str] = []
        self.logs = logs
        self.supervisor = Supervisor(
            services, log_dir=logs, say=self.said.append, timeouts=timeouts
        )

    def log(self, name: str) -> str:
        return "".join(file.read_text() for file in sorted(self.logs.glob(f"{name}-*.log")))


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    with contextlib.ExitStack() as stack:

        def start(*services: Service, timeouts: Timeouts = QUICK) -> Watched:
            watched = Watched(tmp_path / "logs", *services, timeouts=timeouts)
            watched.supervisor.start()
            stack.callback(watched.supervisor.stop)
            return watched

        yield start


class TestAService:
    def test_writes_both_streams_into_a_file_of_its_own_named_after_the_day(
        self, watch: Callable[..., Watched]
    ) -> None:
        both = "import os, sys; os.write(1, b'out\\n'); os.write(2, b'err\\n')" + PATIENT
        watched = watch(service("daemon", both), service("webserver", PATIENT))
        wait_for(lambda: "running" in watched.log("daemon"), "the daemon's line")
        wait_for(lambda: "running" in watched.log("webserver"), "the web server's line")
        assert watched.log("daemon").splitlines() == ["out", "err", "running"]
        names = {file.name for file in watched.logs.iterdir()}
        assert all(re.fullmatch(r"(daemon|webserver)-\d{4}-\d\d-\d\d\.log", name) for name in names)
        assert len(names) == 2

    def test_appends_to_what_an_earlier_one_wrote(self, watch: Callable[..., Watched]) -> None:
        first = watch(service("daemon", PATIENT))
        wait_for(lambda: "running" in first.log("daemon"), "the first start")
        first.supervisor.stop()
        second = watch(service("daemon", PATIENT))
        wait_for(lambda: second.log("daemon").count("running") == 2, "the second start")

    def test_that_prints_without_end_has_its_file_begun_anew(
        self, watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(supervisor, "_LARGEST_FILE", 10_000)
        much = """
        import os, time
        print("x" * 20_000)
        while os.fstat(1).st_size:
            time.sleep(0.01)
        print("begun anew")
        """
        watched = watch(service("daemon", textwrap.dedent(much) + PATIENT))
        wait_for(lambda: "running" in watched.log("daemon"), "what is printed after that")
        assert watched.log("daemon").splitlines() == ["begun anew", "running"]

    def test_gets_its_variables_no_input_and_unbuffered_output(
        self, watch: Callable[..., Watched]
    ) -> None:
        program = """
            import os, sys
            print(repr(sys.stdin.read()), os.environ["LOL_X"], os.environ["PYTHONUNBUFFERED"])
        """
        watched = watch(service("daemon", program, LOL_X="given"))
        wait_for(lambda: "\n" in watched.log("daemon"), "the line")
        assert watched.log("daemon").splitlines()[0] == "'' given 1"

    def test_takes_the_signals_that_a_shell_took_away_from_the_supervisor(
        self, watch: Callable[..., Watched]
    ) -> None:
        # A shell without job control has `command &` ignore SIGINT, and nohup SIGHUP.
        with ignoring(signal.SIGINT, signal.SIGHUP):
            watched = watch(
                service("daemon", "import os; os.write(1, b'%d ' % os.getpid())" + PATIENT)
            )
            wait_for(lambda: "running" in watched.log("daemon"), "the start")
        pid = int(watched.log("daemon").split()[0])
        assert not ignored_by(pid) & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

    def test_leads_a_session_of_its_own_so_that_ctrl_c_passes_it_by(
        self, watch: Callable[..., Watched]
    ) -> None:
        watched = watch(service("daemon", "import os; print(os.getsid(0) == os.getpid())"))
        wait_for(lambda: watched.log("daemon"), "the line")
        assert watched.log("daemon").splitlines()[0] == "True"


class TestADeath:
    def test_is_said_with_its_status_its_last_line_and_the_pause(
        self, watch: Callable[..., Watched], tmp_path: Path
    ) -> None:
        watched = watch(service("daemon", "print('first'); print('no space left'); exit(3)"))
        wait_for(lambda: watched.said, "word of the death")
        (log,) = (tmp_path / "logs").iterdir()
        assert watched.said[0] == (
            f"daemon ended with status 3 (no space left; all of it: {log}); "
            "it is started again in 0.01 s"
        )

    def test_by_a_signal_is_said_with_the_signals_name(self, watch: Callable[..., Watched]) -> None:
        watched = watch(service("daemon", "import os; os.kill(os.getpid(), 9)"))
        wait_for(lambda: watched.said, "word of the death")
        assert watched.said[0].startswith("daemon was killed by SIGKILL (it wrote nothing;")

    def test_is_followed_by_another_start_after_pauses_that_double_up_to_the_longest(
        self, watch: Callable[..., Watched]
    ) -> None:
        watched = watch(service("daemon", "print('up'); exit(1)"))
        wait_for(lambda: len(watched.said) >= 5, "five deaths")
        pauses = [line.rpartition(" again in ")[2] for line in watched.said[:5]]
        # 0.01 doubled each time, and never more than the longest, 0.04.
        assert pauses == ["0.01 s", "0.02 s", "0.04 s", "0.04 s", "0.04 s"]
        assert watched.log("daemon").count("up") >= 5

    def test_after_a_steady_time_begins_with_the_first_pause_again(
        self, watch: Callable[..., Watched]
    ) -> None:
        # Nothing counts as short: whatever it ran was long enough.
        recovered = Timeouts(first_pause=0.01, longest_pause=0.04, steady_after=0.0)
        watched = watch(service("daemon", "exit(1)"), timeouts=recovered)
        wait_for(lambda: len(watched.said) >= 3, "three deaths")
        assert all(line.endswith("again in 0.01 s") for line in watched.said[:3])

    def test_quotes_only_what_this_start_wrote(self, watch: Callable[..., Watched]) -> None:
        program = """
            import os, pathlib
            seen = pathlib.Path(os.environ["SEEN"])
            if not seen.exists():
                seen.touch()
                print("from the first start")
        """
        seen = str(Path.cwd() / "seen")
        watched = watch(service("daemon", program, SEEN=seen))
        wait_for(lambda: len(watched.said) >= 2, "two deaths")
        assert "from the first start" in watched.said[0]
        assert "it wrote nothing" in watched.said[1]

    def test_does_not_send_the_operators_terminal_control_characters(
        self, watch: Callable[..., Watched]
    ) -> None:
        watched = watch(service("daemon", r"print('\x1b[2Jgone'); exit(1)"))
        wait_for(lambda: watched.said, "word of the death")
        assert "(?[2Jgone;" in watched.said[0]

    def test_leaves_out_the_colours_that_dagster_writes_to_files_too(
        self, watch: Callable[..., Watched]
    ) -> None:
        watched = watch(
            service("daemon", r"print('\x1b[32mnow\x1b[0m - \x1b[34mINFO\x1b[0m - no lock')")
        )
        wait_for(lambda: watched.said, "word of the death")
        assert "(now - INFO - no lock;" in watched.said[0]

    def test_of_one_leaves_the_others_alone(self, watch: Callable[..., Watched]) -> None:
        watched = watch(service("daemon", "exit(1)"), service("webserver", PATIENT))
        wait_for(lambda: len(watched.said) >= 3, "three deaths")
        assert watched.log("webserver") == "running\n"

    def test_leaves_what_it_had_started_to_finish_until_the_stop(
        self, watch: Callable[..., Watched]
    ) -> None:
        # A code server that dies must not take its run workers with it.
        program = """
            import subprocess, sys, os
            child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
            sys.stdout.write(f"grandchild {child.pid}\\n")
            os.kill(os.getpid(), 9)
        """
        slow = Timeouts(first_pause=600.0, longest_pause=600.0, grace=60.0)
        watched = watch(service("code-server", program), timeouts=slow)
        wait_for(lambda: watched.said, "word of the death")
        worker = grandchild_in(watched.log("code-server"))
        assert worker is not None
        assert alive(worker)
        # Adopted: were it left to a container's first process, which may never reap it, its group
        # would never be empty.
        assert parent_of(worker) == os.getpid()
        watched.supervisor.stop()
        assert not alive(worker)

    def test_is_adopted_from_after_another_supervisor_has_ended(
        self, watch: Callable[..., Watched]
    ) -> None:
        first = watch(service("code-server", WITH_A_CHILD))
        second = watch(service("daemon", PATIENT))
        wait_for(lambda: grandchild_in(first.log("code-server")), "the grandchild")
        wait_for(lambda: second.log("daemon"), "the second's start")
        second.supervisor.stop()
        grandchild = grandchild_in(first.log("code-server"))
        assert grandchild is not None
        os.kill(parent_of(grandchild), signal.SIGKILL)
        wait_for(lambda: first.said, "word of the death")
        assert parent_of(grandchild) == os.getpid()

    def test_of_a_program_that_is_not_there_is_tried_again_too(
        self, watch: Callable[..., Watched]
    ) -> None:
        watched = watch(Service("daemon", ["/nowhere/dagster"]))
        wait_for(lambda: len(watched.said) >= 2, "two tries")
        assert "cannot execute /nowhere/dagster: No such file or directory" in watched.said[0]

    def test_a_log_folder_that_cannot_be_made_is_said_and_tried_again(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.touch()
        watched = Watched(blocked / "logs", service("daemon", PATIENT))
        watched.supervisor.start()
        try:
            wait_for(lambda: len(watched.said) >= 2, "two tries")
            assert watched.said[0].startswith("daemon cannot be started (Not a directory)")
        finally:
            watched.supervisor.stop()


# Answers requests over HTTP on the port that it is given.
WEB_SERVER = """
import http.server, os
print(f"grandchild {os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '600')}", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class TestAHang:
    def test_is_noticed_and_ended_and_the_service_started_again(
        self, watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Frozen, it has an open port and is no dead process; and what it has started goes on."""
        monkeypatch.setattr(liveness_probe, "_ANSWERS_WITHIN", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        program = textwrap.dedent(WEB_SERVER)
        ask = over_http(f"http://127.0.0.1:{port}/")
        answers: list[bool] = []
        frozen: list[int] = []

        def note_answer() -> bool:
            answers.append(ask())
            # An answer that is merely slow, on a busy machine, is no hang.
            return answers[-1] or not any(is_frozen(pid) for pid in frozen)

        web = Service("web", [sys.executable, "-c", program], {"PORT": str(port)}, note_answer)
        timeouts = Timeouts(first_pause=0.01, ask_every=0.05, silence=1.0, first_answer=60.0)
        watched = watch(web, timeouts=timeouts)
        wait_for(lambda: any(answers), "the first answer")
        grandchild = grandchild_in(watched.log("web"))
        assert grandchild is not None
        frozen.append(parent_of(grandchild))
        os.kill(frozen[0], signal.SIGSTOP)
        wait_for(lambda: watched.said, "word of the hang")
        assert watched.said[0].startswith("web did not answer for 1 s and was killed (")
        assert watched.said[0].endswith("it is started again in 0.01 s")
        wait_for(ask, "an answer after the restart")
        assert alive(grandchild)
        assert len(watched.said) == 1

    def test_before_the_first_answer_is_given_more_time(
        self, watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            liveness_probe, "time", types.SimpleNamespace(monotonic=ticking(3600.0))
        )
        asked: list[None] = []
        deaf = Service(
            "web", [sys.executable, "-c", PATIENT], answers=lambda: bool(asked.append(None))
        )
        # Each question counts for the five seconds that it may take, and the pause before it.
        timeouts = Timeouts(first_pause=600.0, ask_every=0.001, silence=1.0, first_answer=14.0)
        watched = watch(deaf, timeouts=timeouts)
        wait_for(lambda: watched.said, "word of the hang")
        assert watched.said[0].startswith("web did not answer for 14 s and was killed")
        assert len(asked) >= 3


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by `step` seconds whenever it is read."""
    times = itertools.count(step=step)
    return lambda: next(times)


class TestLivenessProbe:
    """What counts as silence; the clock is in hand."""

    def ask(self, *answers: bool | Exception) -> list[float]:
        """How long the service is taken to be silent after each of these answers, each of which
        takes an hour.
        """
        given = iter(answers)
        seen: list[float] = []
        over = threading.Event()

        def answer() -> bool:
            seen.append(asked.silent_for)
            found = next(given, None)
            if found is None:
                over.set()
                return True
            if isinstance(found, Exception):
                raise found
            return found

        asked = LivenessProbe("web", answer, every=0.001)
        asked.begin_anew()
        assert over.wait(120)
        asked.end()
        return seen[1 : len(answers) + 1]

    def test_that_it_cannot_be_asked_is_a_line_once_until_it_can(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """On a full disk each question fails: the terminal of `up` would fill with tracebacks."""
        full = OSError(28, "No space left on device")
        self.ask(full, full, full, True, full, full)
        said = [record for record in caplog.records if "cannot ask" in record.getMessage()]
        assert [each.getMessage() for each in said] == [
            "cannot ask whether web answers: OSError: [Errno 28] No space left on device"
        ] * 2
        assert [each.exc_info for each in said] == [None, None]

    def test_an_hour_in_which_we_stood_still_ourselves_is_no_hour_of_silence(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A supervisor that was frozen, a machine that slept: everybody is given time to wake."""
        monkeypatch.setattr(
            liveness_probe, "time", types.SimpleNamespace(monotonic=ticking(3600.0))
        )
        assert self.ask(False, False) == pytest.approx([5.001, 10.002])

    def test_an_answer_ends_it(self) -> None:
        assert self.ask(False, True)[1] == 0.0

    def test_what_could_not_be_asked_says_nothing_against_the_service(self) -> None:
        assert self.ask(OSError(24, "Too many open files")) == [0.0]


class TestTheEnd:
    def test_lets_every_service_end_in_peace(self, watch: Callable[..., Watched]) -> None:
        watched = watch(service("daemon", PATIENT), service("webserver", PATIENT))
        for name in ("daemon", "webserver"):
            wait_for(lambda name=name: watched.log(name), f"the start of {name}")
        watched.supervisor.stop()
        assert watched.log("daemon") == "running\nended in peace\n"
        assert watched.log("webserver") == "running\nended in peace\n"
        assert watched.said == []

    def test_reaches_the_children_of_services_and_kills_what_does_not_end(
        self, watch: Callable[..., Watched]
    ) -> None:
        hurried = Timeouts(grace=0.2)
        watched = watch(service("code-server", PARENT_OF_A_STUBBORN_CHILD), timeouts=hurried)
        wait_for(lambda: "deaf" in watched.log("code-server"), "the grandchild's line")
        wait_for(lambda: grandchild_in(watched.log("code-server")), "its parent's line")
        grandchild = grandchild_in(watched.log("code-server"))
        watched.supervisor.stop()
        assert grandchild is not None
        assert not alive(grandchild)
        assert watched.said == ["code-server did not end by itself and was killed"]

    def test_comes_at_once_on_ctrl_c_while_it_is_waited_for(
        self, watch: Callable[..., Watched]
    ) -> None:
        # With ten minutes of grace, only Ctrl-C can end it within this test's time.
        endless = Timeouts(grace=600.0)
        deaf = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('heard'))\n"
        program = deaf + "print('running', flush=True)\nwhile True: signal.pause()"
        watched = watch(service("daemon", program), timeouts=endless)
        wait_for(lambda: "running" in watched.log("daemon"), "the start")

        def press_ctrl_c() -> None:
            wait_for(lambda: "heard" in watched.log("daemon"), "SIGTERM")
            os.kill(os.getpid(), signal.SIGINT)

        finger = threading.Thread(target=press_ctrl_c)
        finger.start()
        watched.supervisor.stop()
        finger.join()
        assert watched.said == ["daemon did not end by itself and was killed"]

    def test_comes_once_however_often_it_is_asked_for(self, watch: Callable[..., Watched]) -> None:
        watched = watch(service("daemon", PATIENT))
        wait_for(lambda: watched.log("daemon"), "the start")
        watched.supervisor.stop()
        watched.supervisor.stop()
        assert watched.log("daemon").count("ended in peace") == 1

    def test_of_one_that_never_started_is_nothing(self, tmp_path: Path) -> None:
        Watched(tmp_path / "logs", service("daemon", PATIENT)).supervisor.stop()
        assert not (tmp_path / "logs").exists()

    def test_a_terminal_that_was_closed_does_not_end_the_services(self, tmp_path: Path) -> None:
        def closed(_line: str) -> None:
            raise BrokenPipeError

        supervisor = Supervisor(
            [service("daemon", "print('up'); exit(1)")],
            log_dir=tmp_path / "logs",
            say=closed,
            timeouts=QUICK,
        )
        supervisor.start()
        try:
            wait_for(
                lambda: "".join(f.read_text() for f in tmp_path.glob("logs/*")).count("up") >= 3,
                "starts after the terminal was gone",
            )
        finally:
            supervisor.stop()


SUPERVISING = """
import sys
from pathlib import Path
from lol_dagster.services.supervisor import Timeouts, Service, Supervisor
Supervisor(
    [Service("parent", [sys.executable, "-c", sys.argv[2]]),
     Service("patient", [sys.executable, "-c", sys.argv[3]])],
    log_dir=Path(sys.argv[1]),
    say=lambda line: print(line, flush=True),
    timeouts=Timeouts(grace=float(sys.argv[4])),
).run()
print("all ended", flush=True)
"""


class Supervising:
    """A supervisor in a process of its own, as `lol-dagster up` is, with two services."""

    def __init__(
        self, logs: Path, *, parent: str = WITH_A_CHILD, grace: float = 60.0, ignoring: str = ""
    ) -> None:
        self.logs = logs
        command = [sys.executable, "-c", SUPERVISING, str(logs), parent, PATIENT, str(grace)]
        if ignoring:
            command = ["sh", "-c", f'trap "" {ignoring}; exec "$@"', "sh", *command]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, start_new_session=True
        )

    def wait_until_up(self) -> None:
        wait_for(lambda: grandchild_in(self._log("parent")), "the first service")
        wait_for(lambda: self._log("patient"), "the second service")
        self.grandchild = grandchild_in(self._log("parent")) or 0
        self.services = [
            int(pid)
            for pid in Path(f"/proc/{self.process.pid}/task/{self._thread()}/children")
            .read_text()
            .split()
        ]

    def _log(self, name: str) -> str:
        return "".join(file.read_text() for file in self.logs.glob(f"{name}-*.log"))

    def _thread(self) -> str:
        # The kernel keeps children by the thread that forked them: the supervisor's, not the main.
        tasks = sorted(int(each.name) for each in Path(f"/proc/{self.process.pid}/task").iterdir())
        return str(tasks[-1])

    def end(self) -> str:
        """What it printed until its end."""
        return self.process.communicate(timeout=120)[0]


@pytest.fixture
def supervising(tmp_path: Path) -> Iterator[Callable[..., Supervising]]:
    with contextlib.ExitStack() as stack:
        # The tests themselves may be running under nohup.
        stack.callback(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL))

        def start(**options: object) -> Supervising:
            one = Supervising(tmp_path / "logs", **options)  # type: ignore[arg-type]  # passed on
            stack.enter_context(one.process)
            stack.callback(one.process.kill)
            one.wait_until_up()
            return one

        yield start


class TestTheSupervisorsProcess:
    @pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_ends_all_and_their_children_on_one_signal(
        self, supervising: Callable[..., Supervising], which: signal.Signals
    ) -> None:
        one = supervising()
        assert len(one.services) == 2
        one.process.send_signal(which)
        assert one.end() == "all ended\n"
        assert one.process.returncode == 0
        assert not any(alive(pid) for pid in [*one.services, one.grandchild])

    def test_kills_at_once_on_the_second_ctrl_c(
        self, supervising: Callable[..., Supervising]
    ) -> None:
        # With ten minutes of grace, only the second signal can end it within this test's time.
        one = supervising(parent=PARENT_OF_A_STUBBORN_CHILD, grace=600.0)
        wait_for(lambda: "deaf" in one._log("parent"), "the grandchild's line")
        one.process.send_signal(signal.SIGINT)
        wait_for(lambda: "in peace" in one._log("patient"), "the first signal's effect")
        one.process.send_signal(signal.SIGINT)
        assert one.end() == "parent did not end by itself and was killed\nall ended\n"
        wait_for(lambda: not alive(one.grandchild), "the grandchild's end")

    def test_takes_the_services_with_it_when_it_is_killed(
        self, supervising: Callable[..., Supervising]
    ) -> None:
        one = supervising()
        one.process.kill()
        for pid in one.services:
            wait_for(lambda pid=pid: not alive(pid), "the services' end")
        os.kill(one.grandchild, signal.SIGKILL)  # nobody is left to do it

    def test_frozen_it_holds_no_service_up_and_awake_it_goes_on(
        self, supervising: Callable[..., Supervising]
    ) -> None:
        one = supervising()
        one.process.send_signal(signal.SIGSTOP)
        parent, patient = sorted(one.services, key=lambda pid: pid != parent_of(one.grandchild))
        os.kill(patient, signal.SIGTERM)
        wait_for(lambda: "in peace" in one._log("patient"), "the service's work")
        assert alive(parent)
        one.process.send_signal(signal.SIGCONT)
        wait_for(lambda: one._log("patient").count("running") == 2, "the restart")
        assert alive(parent)
        one.process.send_signal(signal.SIGINT)
        assert one.end().startswith("patient ended with status 0 (ended in peace;")

    @pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
    def test_can_be_ended_when_a_shell_started_it_in_the_background(
        self, supervising: Callable[..., Supervising], which: signal.Signals
    ) -> None:
        one = supervising(ignoring="INT")
        one.process.send_signal(which)
        assert one.end() == "all ended\n"

    def test_outlives_its_terminal_under_nohup(
        self, supervising: Callable[..., Supervising]
    ) -> None:
        one = supervising(ignoring="HUP")
        assert signal.SIGHUP in ignored_by(one.process.pid)
        one.process.terminate()
        assert one.end() == "all ended\n"


class TestWaitingForAnAnswer:
    def test_returns_as_soon_as_a_socket_takes_connections(self) -> None:
        with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{folder}/here")
            server.listen()
            wait_until_answering(f"unix://{folder}/here", timeout=60)

    def test_fails_by_name_when_nobody_answers(self) -> None:
        with TemporaryDirectory() as folder:
            url = f"unix://{folder}/here"
            with pytest.raises(NoAnswerError, match=rf"^{url} does not answer"):
                wait_until_answering(url, timeout=0.01)

    def test_over_http_an_open_port_alone_is_no_answer(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"
            with pytest.raises(NoAnswerError):
                wait_until_answering(url, timeout=0.05)

    def test_over_http_waits_while_the_server_still_fails(self) -> None:
        statuses = iter([500, 503, 404])  # 404: it works, there is just no such page
        asked = []

        class Starting(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(next(statuses))
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Starting) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            wait_until_answering(f"http://127.0.0.1:{server.server_port}/healthz", timeout=60)
            server.shutdown()
            thread.join()
        assert asked == ["/healthz"] * 3
