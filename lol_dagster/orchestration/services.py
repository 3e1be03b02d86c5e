"""The processes of Dagster that `lol-dagster up` runs: code server, daemon, web server.

One code server serves both others: left to themselves each would start one of its own.
"""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from lol_dagster.operations.supervisor import Service
from lol_dagster.settings import Settings

_LOCATION = "lol_dagster"


@dataclass(frozen=True)
class Address:
    """Where the code server answers."""

    host: str
    port: int


def code_server() -> tuple[Service, Address]:
    """The service that loads our definitions and starts the runs."""
    address = Address("127.0.0.1", _free_port())
    # Not `code-server start`: its reloading proxy costs another 100 MB.
    service = _logged(
        "code-server", "dagster",
        "api", "grpc", "-m", "lol_dagster.definitions", "--location-name", _LOCATION,
        "-h", address.host, "-p", str(address.port),
    )  # fmt: skip
    return service, address


def other_services(settings: Settings, code: Address, *, ui_port: int) -> list[Service]:
    """The daemon and the web server, which are best started when the code server answers.

    Writes the workspace file through which they find it.

    Args:
        ui_port: Where Dagster's UI answers, on the loopback only: it has no sign-in.
    """
    workspace = str(_write_workspace(settings.dagster_home, code))
    return [
        _logged("daemon", "dagster._daemon", "run", "-w", workspace),
        _logged(
            "webserver", "dagster_webserver", "-w", workspace, "-h", "127.0.0.1", "-p", str(ui_port)
        ),
    ]


def _logged(name: str, module: str, *arguments: str) -> Service:
    """A program of Dagster's whose warnings and errors stand in our log, too."""
    launcher = "lol_dagster.orchestration.logged_service"
    return Service(name, [sys.executable, "-m", launcher, name, module, *arguments])


def _write_workspace(home: Path, code: Address) -> Path:
    server = {"host": code.host, "port": code.port, "location_name": _LOCATION}
    path = home / "workspace.yaml"
    # JSON is YAML.
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
