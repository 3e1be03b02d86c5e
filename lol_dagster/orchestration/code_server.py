"""Dagster's code server with our definitions, whose run workers start warm; run as a module.

python -m lol_dagster.orchestration.code_server --socket PATH
python -m lol_dagster.orchestration.code_server --host HOST --port PORT
"""

from multiprocessing.util import get_temp_dir
from pathlib import Path

import click

from lol_dagster.orchestration.logged_service import become
from lol_dagster.orchestration.switches import looking
from lol_dagster.orchestration.warm_workers import fork_workers
from lol_dagster.services.dagster_services import WORKERS_SOCKET
from lol_dagster.settings import load_settings


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), help="In a folder of its owner's alone.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int)
def main(socket: Path | None, host: str, port: int | None) -> None:
    """Serve until a signal, on a socket or on a port."""
    # First, when nothing has been opened and no key read.
    fork_workers((socket.parent if socket else Path(get_temp_dir())) / WORKERS_SOCKET)
    where = ["--socket", str(socket)] if socket else ["--host", host, "--port", str(port)]
    with looking(load_settings()):
        # Not `code-server start`: its reloading proxy costs another 100 MB.
        become(
            "code-server", "dagster",
            "api", "grpc", "-m", "lol_dagster.definitions", "--location-name", "lol_dagster", *where,
        )  # fmt: skip


if __name__ == "__main__":
    main()
