"""The processes of Dagster that `lol-dagster up` runs: code server, daemon, web server.

One code server serves both others: left to themselves each would start one of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2 import HealthCheckRequest  # type: ignore[import-untyped]
from grpc_health.v1.health_pb2_grpc import HealthStub  # type: ignore[import-untyped]

from lol_dagster.errors import UserError
from lol_dagster.services.liveness_probe import over_http
from lol_dagster.services.supervisor import Service
from lol_dagster.services.warm_start import WarmStart
from lol_dagster.settings import SECRET_VARIABLES, Settings

_LOCATION = "lol_dagster"
WORKERS_IMPORT = [
    "lol_dagster.definitions",
    # What these do not import, and every run does.
    "dagster._core.definitions.freshness_evaluator",
    "dagster._core.definitions.repository_definition.repository_data_builder",
    "dagster._core.execution.plan.active",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.storage.daemon_cursor",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.migration.utils",
    "dagster._core.storage.root",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.system_config.composite_descent",
    "dagster._core.utility_ops",
    "dagster._daemon.controller",
    "dagster._utils.test.definitions",
    "dagster_postgres",
    "dagster_shared.serdes.pack",
    "upath.implementations.local",
    "watchdog.observers.polling",
]
"""What a run's worker imports."""
_SERVICES_IMPORT = [
    *WORKERS_IMPORT,
    "anyio._core._sockets",
    "anyio._core._streams",
    "anyio.streams.memory",
    "anyio.streams.tls",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "dagster._api.get_server_id",
    "dagster._api.list_repositories",
    "dagster._api.snapshot_execution_plan",
    "dagster._api.snapshot_repository",
    "dagster._api.snapshot_schedule",
    "dagster._api.snapshot_sensor",
    "dagster._core.instance.runs.run_domain",
    "dagster._daemon.cli",
    "dagster._grpc.client",
    "dagster._grpc.server",
    "dagster._grpc.server_watcher",
    "dagster_graphql.schema.config_type_or_error",
    "dagster_webserver.cli",
    "grpc._channel",
    "grpc._server",
    "lol_dagster.admin.app",
    "lol_dagster.admin.server",
    "lol_dagster.cli.admin",
    "lol_dagster.orchestration.switches",
    "lol_dagster.orchestration.warm_workers",
    "lol_dagster.orchestration.web_guard",
    "multiprocessing.queues",
    "multiprocessing.synchronize",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
]
"""What the services import: what one of them had to import by itself, each other would not share, and much of
what is shared would be copied meanwhile."""
_SOCKET = "code-server"
WORKERS_SOCKET = "run-workers"
"""In the same folder, for the code server itself."""
_ANSWERS_WITHIN = 5.0
"""Seconds."""


def start_warm(settings: Settings) -> WarmStart | None:
    """A process without any secret of ours that forks the services; None where that needs another kernel."""
    if sys.platform != "linux":
        return None
    env = {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}
    return WarmStart(_SERVICES_IMPORT, {**env, "LOL_HOME": str(settings.home)})


def prepare_dagster() -> list[str]:
    """Have Dagster's storage prepared (switches.py) in a process of its own: this one stays small without
    Dagster. Returns what there is to say about it, in lines.

    Raises:
        UserError: it cannot be prepared.
    """
    done = subprocess.run(
        [sys.executable, "-m", "lol_dagster.orchestration.switches"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        start_new_session=True,  # a terminal's Ctrl-C is ours
    )
    if done.returncode:
        raise UserError(done.stdout.strip() or "Dagster's storage cannot be prepared: see above")
    return done.stdout.splitlines()


def heartbeat_file(dagster_home: Path) -> Path:
    """Whose time changes as Dagster's daemon goes on."""
    return dagster_home / "daemon-heartbeat"


def new_code_address(settings: Settings) -> Path:
    """A socket's for the code server, alone in a new folder of mode 700: in the home its name could be
    longer than the 107 characters that Linux takes.

    What an `up` that was killed has left is taken away. Only one may be in the home.
    """
    note = settings.dagster_home / "code-server-folder"
    with contextlib.suppress(OSError):  # there is none, or it is gone
        left = Path(note.read_text())
        for socket in (_SOCKET, WORKERS_SOCKET):
            (left / socket).unlink(missing_ok=True)
        left.rmdir()
    folder = tempfile.mkdtemp(prefix="lol-dagster-")
    note.write_text(folder)
    return Path(folder) / _SOCKET


def code_server(address: Path) -> Service:
    """The service that loads our definitions and starts the runs.

    Args:
        address: The socket on which it answers, at most 100 characters long. It has no sign-in and
            runs whatever it is asked to, with our keys: only its owner may get into the folder.
    """
    program = [sys.executable, "-m", "lol_dagster.orchestration.code_server"]
    return Service(
        "code-server", [*program, "--socket", str(address)], answers=_code_server_answers(address)
    )


def other_services(
    settings: Settings,
    code_address: Path,
    *,
    ui_port: int,
    public_url: str | None = None,
    sign_in: bool = False,
) -> list[Service]:
    """The daemon and the web server, which are best started when the code server answers.

    Writes the workspace file through which they find it.

    Args:
        ui_port: Where Dagster's UI answers, on the loopback.
        public_url: The web view's, under whose name the UI may be found, too.
        sign_in: Whether the UI asks for the web view's sign-in.
    """
    server = {"socket": str(code_address), "location_name": _LOCATION}
    workspace = settings.dagster_home / "workspace.yaml"
    # JSON is YAML.
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    guard = [
        *(["--public-url", public_url] if public_url else []),
        *(["--sign-in-port", str(settings.admin_port)] if sign_in else []),
    ]
    return [
        _logged("daemon", "lol_dagster.orchestration.daemon", "run", "-w", str(workspace),
                answers=_Touched(heartbeat_file(settings.dagster_home)), keyless=settings),
        _logged(
            "webserver", "lol_dagster.orchestration.web_server",
            "-w", str(workspace), "--port", str(ui_port), *guard,
            answers=over_http(f"http://127.0.0.1:{ui_port}/server_info"), keyless=settings,
        ),
    ]  # fmt: skip


def _code_server_answers(address: Path) -> Callable[[], bool]:
    """By gRPC's own health check: the kernel takes connections for a process that is frozen."""

    def answers() -> bool:
        try:
            with grpc.insecure_channel(f"unix:{address}") as channel:
                HealthStub(channel).Check(
                    HealthCheckRequest(service="DagsterApi"), timeout=_ANSWERS_WITHIN
                )
        except grpc.RpcError:
            return False
        return True

    return answers


class _Touched:
    """Whether a file's time has changed since it was last asked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = self._time()

    def __call__(self) -> bool:
        before, self._seen = self._seen, self._time()
        return self._seen != before

    def _time(self) -> int | None:
        with contextlib.suppress(FileNotFoundError):
            return self._file.stat().st_mtime_ns
        return None


def _logged(
    name: str,
    module: str,
    *arguments: str,
    answers: Callable[[], bool],
    keyless: Settings | None = None,
) -> Service:
    """A program of Dagster's whose warnings and errors stand in our log, too.

    Args:
        keyless: Given to one that needs no secret of ours, so that it has none.
    """
    launcher = "lol_dagster.orchestration.logged_service"
    options, env = [], {}
    if keyless is not None:
        options = ["--keyless"]
        env = {**dict.fromkeys(SECRET_VARIABLES), "LOL_HOME": str(keyless.home)}
    argv = [sys.executable, "-m", launcher, *options, name, module, *arguments]
    return Service(name, argv, env, answers=answers)
