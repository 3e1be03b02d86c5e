"""The processes of Dagster that `lol-dagster up` runs: code server, daemon, web server.

One code server serves both others: left to themselves each would start one of its own.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from lol_dagster.operations.supervisor import Service
from lol_dagster.settings import Settings

_LOCATION = "lol_dagster"


def dagster_services(settings: Settings, *, ui_port: int) -> list[Service]:
    """The services, in the order in which they are best started.

    Writes the workspace file through which the daemon and the web server find the code server.

    Args:
        ui_port: Where Dagster's UI answers, on the loopback only: it has no sign-in.
    """
    code_port = _free_port()
    workspace = _write_workspace(settings.dagster_home, code_port)
    dagster = [sys.executable, "-m", "dagster"]
    return [
        Service(
            "code-server",
            # Not `code-server start`: its reloading proxy costs another 100 MB.
            [
                *dagster,
                "api",
                "grpc",
                "-m",
                "lol_dagster.definitions",
                "--location-name",
                _LOCATION,
                "-h",
                "127.0.0.1",
                "-p",
                str(code_port),
            ],
        ),
        Service("daemon", [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)]),
        Service(
            "webserver",
            [
                sys.executable,
                "-m",
                "dagster_webserver",
                "-w",
                str(workspace),
                "-h",
                "127.0.0.1",
                "-p",
                str(ui_port),
            ],
        ),
    ]


def _write_workspace(home: Path, code_port: int) -> Path:
    server = {"host": "127.0.0.1", "port": code_port, "location_name": _LOCATION}
    path = home / "workspace.yaml"
    # JSON is YAML.
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
