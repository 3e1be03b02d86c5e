"""What a forked run worker has of its parents, and what happens to it when one of them dies.

Real processes: a code server as `up` starts it, and runs whose workers wait where the test wants them.
"""

from __future__ import annotations

import inspect
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.server import DagsterApiServer
from dagster._grpc.types import CancelExecutionRequest, ExecuteExternalJobArgs

from lol_dagster.definitions import defs
from lol_dagster.orchestration import warm_workers
from lol_dagster.services.dagster_services import code_server, new_code_address
from lol_dagster.services.supervisor import Supervisor, Timeouts, wait_until_answering
from lol_dagster.settings import Settings
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.process_harness import command_line, descendants
from lol_dagster_tests._support.waiting import wait_for

JOB = "deliver_messages"
WORKER, FORK_SERVER = "lol-run-worker", "lol-fork-server"


@dataclass
class Run:
    """A run whose worker is held."""

    instance: dg.DagsterInstance
    run_id: str
    worker: int
    folder: Path

    def go_on(self) -> None:
        (self.folder / f"go-on-{self.worker}").open("w").close()

    def is_over(self) -> bool:
        return self.found.is_finished

    @property
    def found(self) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(self.run_id)
        assert run is not None
        return run

    def ends_as(self, status: dg.DagsterRunStatus) -> None:
        wait_for(f"end of the run, which is {self.found.status}", self.is_over)
        assert self.found.status == status, self.said()

    def said(self) -> str:
        """What Dagster says about it in its UI."""
        return "\n".join(each.message for each in self.instance.all_logs(self.run_id))


@dataclass
class CodeServer:
    """One as `up` starts it."""

    supervisor: Supervisor
    address: Path
    instance: dg.DagsterInstance
    folder: Path

    @property
    def pid(self) -> int:
        of_it = (
            each for each in descendants(os.getpid()) if str(self.address) in command_line(each)
        )
        return next(of_it)

    def start(self) -> Run:
        """A run; returns when its worker is held."""
        (self.folder / "worker").unlink(missing_ok=True)
        run = self.instance.create_run_for_job(defs.get_repository_def().get_job(JOB))
        location = GrpcServerCodeLocationOrigin(host="localhost", socket=str(self.address))
        DagsterGrpcClient(socket=str(self.address)).start_run(
            ExecuteExternalJobArgs(
                job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), JOB),
                run_id=run.run_id,
                instance_ref=self.instance.get_ref(),
            )
        )
        note = self.folder / "worker"
        worker = wait_for("worker", lambda: note.exists() and int(note.read_text()))
        return Run(self.instance, run.run_id, worker, self.folder)


@contextmanager
def running(settings: Settings, folder: Path) -> Iterator[CodeServer]:
    folder.mkdir()
    hold = {"()": "lol_dagster_tests._support.held_worker.Hold", "folder": str(folder)}
    logs = {"dagster_handler_config": {"handlers": {"hold": hold}}}
    (folder / "dagster.yaml").write_text(json.dumps({"python_logs": logs}))
    open_database(settings).dispose()
    settings.dagster_home.mkdir(parents=True)
    address = new_code_address(settings)
    supervisor = Supervisor(
        [code_server(address)],
        log_dir=folder / "logs",
        say=lambda _: None,
        # A worker that is held does not end by itself.
        timeouts=Timeouts(grace=1.0),
    )
    supervisor.start()
    try:
        wait_until_answering(f"unix://{address}", timeout=240)
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield CodeServer(supervisor, address, instance, folder)
    finally:
        supervisor.stop()
        new_code_address(settings).parent.rmdir()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    """One for all tests that leave it alive."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOL_HOME", str(home))
        patch.chdir(home)
        with running(Settings(home=home, database_url=None), home / "code") as server:
            yield server


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    """Not gone, and not waiting to be reaped."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def open_in(pid: int) -> list[str]:
    """What the process has open, apart from its standard streams."""
    handles = [each for each in Path(f"/proc/{pid}/fd").iterdir() if int(each.name) > 2]
    return sorted(str(each.readlink()).partition(":")[0] for each in handles)


@pytest.mark.timeout(600)
def test_a_run_worker_is_forked_from_a_process_that_has_nothing_open(code: CodeServer) -> None:
    run = code.start()
    parent = parent_of(run.worker)
    assert command_line(run.worker).strip() == WORKER
    assert command_line(parent).strip() == FORK_SERVER
    assert parent_of(parent) == code.pid
    assert len(list(Path(f"/proc/{parent}/task").iterdir())) == 1, "threads would not be forked"
    # Python's: where orders come in, whether anybody is left who could give one, how children ended
    # (a pipe's two ends; one to whoever waits for the worker's end), the selector of all that, and no input.
    assert open_in(parent) == ["/dev/null", "anon_inode", *["pipe"] * 4, "socket"]
    run.go_on()
    run.ends_as(dg.DagsterRunStatus.SUCCESS)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What forked processes and a spawned one find."""
    program = [sys.executable, "-m", "lol_dagster_tests._support.looking_around"]
    address = tmp_path_factory.mktemp("fork") / "run-workers"
    looked = subprocess.run([*program, str(address)], capture_output=True, text=True, check=False)
    assert looked.returncode == 0, looked.stderr
    found: dict[str, Any] = json.loads(looked.stdout)
    return found


def test_a_forked_worker_begins_like_a_spawned_one(found: dict[str, Any]) -> None:
    """No thread, connection, handler or chance of its parents, but all that they have imported."""
    of_its_own = {"chance", "modules"}
    first, second, spawned = (
        {name: value for name, value in each.items() if name not in of_its_own}
        for each in (*found["forked"], found["spawned"])
    )
    assert spawned["connections"] == ["multiprocessing.connection.Connection"], "the queue's"
    assert spawned["threads"] == 1
    assert first == second == spawned
    chances = [each["chance"] for each in (*found["forked"], found["spawned"])]
    assert all(len(set(each)) == 3 for each in zip(*chances, strict=True))


@pytest.mark.timeout(600)
def test_a_worker_imports_nothing_before_its_first_step(
    code: CodeServer, found: dict[str, Any]
) -> None:
    run = code.start()
    imported = set((code.folder / "modules").read_text().splitlines())
    run.go_on()
    run.ends_as(dg.DagsterRunStatus.SUCCESS)
    late = imported - set(found["forked"][0]["modules"])
    assert late == {"lol_dagster_tests._support.held_worker"}, "add it to what is preloaded"


FROZEN = """
import os, signal, sys
from multiprocessing import forkserver
from pathlib import Path
from lol_dagster.orchestration import warm_workers
warm_workers.fork_workers(Path(sys.argv[1]))
os.kill(forkserver._forkserver._forkserver_pid, signal.SIGSTOP)
warm_workers._FORKED_WITHIN = 0.1
worker = warm_workers.Workers().Process(target=print, args=("worked",))
worker.start()
worker.join()
"""


def test_a_frozen_fork_server_is_killed_and_the_worker_spawned(tmp_path: Path) -> None:
    """Whoever starts a worker would wait for it forever, and all that ask for the next one."""
    tried = subprocess.run(
        [sys.executable, "-c", FROZEN, str(tmp_path / "run-workers")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert tried.stdout == "worked\n"
    assert "A run worker starts slowly" in tried.stderr


def test_a_process_with_threads_is_not_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they have locked would stay locked. Python then starts a fork server without any."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.setattr(warm_workers, "_have_dagster_use_it", lambda: None)
    monkeypatch.setattr(warm_workers, "_fork_server", lambda _: pytest.fail("it was forked"))
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        warm_workers.fork_workers(tmp_path / "run-workers")
    finally:
        over.set()
        thread.join()


def test_dagster_and_python_are_what_the_fork_leans_on() -> None:
    """Whoever brings another version of either sees here what has to be checked again."""
    source = inspect.getsource(DagsterApiServer)
    assert source.count('self._mp_ctx = multiprocessing.get_context("spawn")') == 1
    assert re.findall(r"self\._mp_ctx\.\w+", source) == [
        f"self._mp_ctx.{each}" for each in ("Queue", "Event", "Process")
    ]
    assert set(vars(forkserver.ForkServer())) == {
        "_forkserver_address", "_forkserver_alive_fd", "_forkserver_pid", "_inherited_fds", "_lock",
        "_preload_modules",
    }  # fmt: skip


def test_a_dagster_that_has_changed_starts_its_workers_itself_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def changed(self: DagsterApiServer) -> None:
        self._processes = multiprocessing.get_context("spawn")

    monkeypatch.setattr(DagsterApiServer, "__init__", changed)
    warm_workers._have_dagster_use_it()
    server: Any = DagsterApiServer()  # type: ignore[call-arg]
    assert vars(server) == {"_processes": multiprocessing.get_context("spawn")}
    assert "Dagster has changed how it starts them" in caplog.text


@pytest.mark.timeout(600)
def test_a_killed_worker_is_noticed_and_said(code: CodeServer) -> None:
    run = code.start()
    os.kill(run.worker, signal.SIGKILL)
    run.ends_as(dg.DagsterRunStatus.FAILURE)
    assert "was terminated by signal 9 (SIGKILL)" in run.said()


@pytest.mark.timeout(600)
def test_a_run_is_terminated_as_dagsters_ui_does_it(code: CodeServer) -> None:
    run = code.start()
    code.instance.report_run_canceling(run.found)
    DagsterGrpcClient(socket=str(code.address)).cancel_execution(
        CancelExecutionRequest(run_id=run.run_id)
    )
    run.go_on()
    run.ends_as(dg.DagsterRunStatus.CANCELED)


@pytest.mark.timeout(600)
def test_what_a_run_prints_is_kept(code: CodeServer) -> None:
    run = code.start()
    run.go_on()
    run.ends_as(dg.DagsterRunStatus.SUCCESS)
    captured = list((code.folder / "storage" / run.run_id / "compute_logs").glob("*.err"))
    assert "deliver_due - STEP_START" in captured[0].read_text()


@pytest.mark.timeout(600)
def test_a_worker_goes_on_when_its_fork_server_is_killed_and_the_next_one_is_warm_again(
    settings: Settings, tmp_path: Path
) -> None:
    with running(settings, tmp_path / "code") as code:
        run = code.start()
        fork_server = parent_of(run.worker)
        os.kill(fork_server, signal.SIGKILL)
        wait_for("another parent", lambda: parent_of(run.worker) != fork_server)
        second = code.start()
        assert run.found.status == dg.DagsterRunStatus.STARTED, "it is not taken for dead"
        assert command_line(second.worker).strip() == WORKER
        assert parent_of(parent_of(second.worker)) == code.pid
        run.go_on()
        second.go_on()
        run.ends_as(dg.DagsterRunStatus.SUCCESS)
        second.ends_as(dg.DagsterRunStatus.SUCCESS)
        orphan = code.start()
        os.kill(parent_of(orphan.worker), signal.SIGKILL)
        os.kill(orphan.worker, signal.SIGKILL)
        orphan.ends_as(dg.DagsterRunStatus.FAILURE)


@pytest.mark.timeout(600)
def test_workers_go_on_when_the_code_server_is_killed_and_the_fork_server_ends_with_the_last(
    settings: Settings, tmp_path: Path
) -> None:
    with running(settings, tmp_path / "code") as code:
        run = code.start()
        fork_server, server = parent_of(run.worker), code.pid
        os.kill(server, signal.SIGKILL)
        wait_for("end of the code server", lambda: not is_alive(server))
        run.go_on()
        run.ends_as(dg.DagsterRunStatus.SUCCESS)
        wait_for("end of the fork server", lambda: not is_alive(fork_server))
        # The supervisor has started another, at the same address.
        wait_until_answering(f"unix://{code.address}", timeout=240)
        left = code.start()
        processes = [left.worker, parent_of(left.worker), code.pid]
        code.supervisor.stop()
        assert not [pid for pid in processes if is_alive(pid)]
