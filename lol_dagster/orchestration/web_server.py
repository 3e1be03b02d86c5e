"""Dagster's own web server behind our guard; run as a module wherever its UI is served.

python -m lol_dagster.orchestration.web_server -w WORKSPACE --port 3000 …
"""

from typing import Any

import click
from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context

from lol_dagster.orchestration.web_guard import Guard, WebView
from lol_dagster.services.web_address import WebAddress


@click.command()
@click.option("-w", "--workspace", required=True, help="Where the code server is found.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=3000, show_default=True)
@click.option("--public-url", help="The web view's public address; the UI has the same name.")
@click.option(
    "--sign-in-port",
    type=int,
    help="Where the web view listens on this machine, whose sign-in is asked for.",
)
def main(
    workspace: str, host: str, port: int, public_url: str | None, sign_in_port: int | None
) -> None:
    """Serve until a signal."""
    address = WebAddress(host, port, public_url)
    if sign_in_port is None and not address.is_loopback:
        raise click.UsageError(
            "beyond this machine it needs the web view's sign-in: --sign-in-port"
        )
    web_view = None if sign_in_port is None else WebView(sign_in_port, address)

    def guarded(*arguments: Any, **options: Any) -> Guard:
        return Guard(
            create_app_from_workspace_process_context(*arguments, **options), address, web_view
        )

    cli.create_app_from_workspace_process_context = guarded  # type: ignore[attr-defined, assignment]
    # Below that are lines that anybody can cause with a request that is none.
    cli.cli.main(["-w", workspace, "-h", host, "-p", str(port), "--log-level", "error"])


if __name__ == "__main__":
    main()
