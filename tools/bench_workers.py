"""How long a run's worker takes to start: spawned, as Dagster does it, and forked, as ours are."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import dagster as dg
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ExecuteExternalJobArgs

from lol_dagster.definitions import defs
from lol_dagster.services.supervisor import wait_until_answering
from lol_dagster.settings import Settings
from lol_dagster.storage.schema import open_database

JOB = "deliver_messages"  # There are none: what is measured is what every run takes.
_SPAWNING = ["dagster", "api", "grpc", "-m", "lol_dagster.definitions", "--location-name", "bench"]
_FORKING = ["lol_dagster.orchestration.code_server"]
_TICKS = os.sysconf("SC_CLK_TCK")


class CodeServer:
    """One with a home of its own."""

    def __init__(self, home: Path, program: list[str]) -> None:
        home.mkdir(parents=True)
        open_database(Settings(home=home, database_url=None)).dispose()
        self._events = home / "events"
        os.mkfifo(self._events)
        handler = {"class": "logging.FileHandler", "filename": str(self._events)}
        logs = {"dagster_handler_config": {"handlers": {"bench": handler}}}
        (home / "dagster.yaml").write_text(json.dumps({"python_logs": logs}))
        self._instance = dg.DagsterInstance.from_config(str(home))
        self._address = home / "socket"
        with (home / "output").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, "--socket", str(self._address)],
                env={**os.environ, "LOL_HOME": str(home)},
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until_answering(f"unix://{self._address}", timeout=120)

    def run(self) -> tuple[float, float]:
        """Seconds until a run's first step begins, and of the processor for all of the run."""
        run = self._instance.create_run_for_job(defs.get_repository_def().get_job(JOB))
        location = GrpcServerCodeLocationOrigin(host="localhost", socket=str(self._address))
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), JOB)
        arguments = ExecuteExternalJobArgs(
            job_origin=origin, run_id=run.run_id, instance_ref=self._instance.get_ref()
        )
        begun = Event()
        before, start = self._processor_time(), time.perf_counter()
        reader = Thread(target=self._read, args=(begun,))
        reader.start()
        DagsterGrpcClient(socket=str(self._address)).start_run(arguments)
        begun.wait()
        first_step = time.perf_counter() - start
        reader.join()
        while Path(f"/proc/{self._worker}").exists():
            time.sleep(0.05)
        return first_step, self._processor_time() - before

    def _read(self, begun: Event) -> None:
        """What the run says, to its end."""
        # For writing, too: Dagster may close its end in between.
        with (
            self._events.open("r+b", buffering=0) as events,
            open(events.fileno(), closefd=False) as lines,
        ):
            for line in lines:
                if found := re.search(r"Executing steps in process \(pid: (\d+)\)", line):
                    self._worker = int(found[1])
                elif "STEP_START" in line:
                    begun.set()
                elif "RUN_SUCCESS" in line or "RUN_FAILURE" in line:
                    return

    def _processor_time(self) -> float:
        """Of the server and of all that it has started."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # proc(5), counted from the third field on.
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid:  # the session
                    ticks += sum(map(int, fields[11:15]))
        return ticks / _TICKS


@contextlib.contextmanager
def code_servers(folder: Path) -> Iterator[dict[str, CodeServer]]:
    """By the way in which they start workers."""
    programs = {"spawned": _SPAWNING, "forked": _FORKING}
    servers = {way: CodeServer(folder / way, program) for way, program in programs.items()}
    try:
        yield servers
    finally:
        for server in servers.values():
            server.process.terminate()
            server.process.wait()
