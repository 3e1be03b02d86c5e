"""Dagster's code server with our definitions, whose run workers start warm; run as a module.

python -m lol_dagster.orchestration.code_server --socket PATH
"""

from pathlib import Path

import click

from lol_dagster.orchestration.logged_service import become
from lol_dagster.orchestration.switches import looking
from lol_dagster.orchestration.warm_workers import fork_workers
from lol_dagster.services.dagster_services import WORKERS_SOCKET
from lol_dagster.settings import load_settings


@click.command()
@click.option(
    "--socket",
    required=True,
    type=click.Path(path_type=Path),
    help="In a folder of its owner's alone.",
)
def main(socket: Path) -> None:
    """Serve until a signal."""
    # First, when nothing has been opened and no key read.
    fork_workers(socket.parent / WORKERS_SOCKET)
    with looking(load_settings()):
        # Not `code-server start`: its reloading proxy costs another 100 MB.
        become(
            "code-server", "dagster",
            "api", "grpc", "-m", "lol_dagster.definitions", "--location-name", "lol_dagster",
            "--socket", str(socket),
        )  # fmt: skip


if __name__ == "__main__":
    main()
