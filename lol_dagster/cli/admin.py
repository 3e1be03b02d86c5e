"""`lol-dagster admin`: the web view alone, and its password."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import click

from lol_dagster.errors import UserError
from lol_dagster.logs.writing import start_logging
from lol_dagster.monitoring.heartbeat import beating
from lol_dagster.settings import ensure_home, load_settings
from lol_dagster.storage.schema import open_database

_VARIABLE = "LOL_ADMIN_PASSWORD_HASH"
_LINE = re.compile(rf"^\s*(export\s+)?{_VARIABLE}\s*=.*$", re.MULTILINE)


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, help="Instead of LOL_ADMIN_PORT.  [default: 3001]")
@click.option(
    "--public-url",
    help="Its public address, if not this machine: https://… with a reverse proxy in front.",
)
@click.option("--demo", is_flag=True, hidden=True, help="Without a password, for the demo.")
@click.pass_context
def admin(
    context: click.Context, host: str, port: int | None, public_url: str | None, demo: bool
) -> None:
    """The web view alone, until Ctrl-C. `lol-dagster up` runs it with everything else.

    It answers on this machine only, unless --host says otherwise, and asks for the password.
    """
    if context.invoked_subcommand is not None:
        return
    from lol_dagster.admin.app import create_app
    from lol_dagster.admin.server import make_server
    from lol_dagster.services.web_address import WebAddress

    settings = load_settings()
    address = WebAddress(host, port or settings.admin_port, public_url)
    ensure_home(settings)
    start_logging(settings, "admin")
    database = open_database(settings)
    try:
        server = make_server(create_app(settings, database, address=address, demo=demo), address)
        click.echo(f"The web view: {address}")
        signal.signal(signal.SIGTERM, _stop)
        with beating(database, "admin"):
            server.run()  # which ends with Ctrl-C and SystemExit
    finally:
        database.dispose()


def _stop(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


@admin.command("set-password")
@click.option("--stdin", is_flag=True, help="Read it from the standard input instead of asking.")
@click.option("--print", "only_print", is_flag=True, help="Print the line instead of writing .env.")
def set_password(stdin: bool, only_print: bool) -> None:
    """Set the password of the web view: its hash is written into .env in this folder.

    After the next start of the web view everybody has to sign in again. Failed sign-in attempts are
    forgotten.
    """
    from lol_dagster.admin.security.password import forget_tries, password_hash

    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Repeat")
    # In single quotes, as it is full of dollar signs.
    line = f"{_VARIABLE}='{password_hash(password)}'"
    if only_print:
        click.echo(line)
        return
    if os.environ.get(_VARIABLE):
        raise UserError(
            f"{_VARIABLE} is set in the environment, which overrides .env: change it there, to the "
            "line that --print gives"
        )
    file = Path(".env").absolute()
    _write_line(file, line)
    database = open_database(load_settings())
    forget_tries(database)
    database.dispose()
    click.echo(f"Written to {file}. Restart 'lol-dagster up' or 'lol-dagster admin' to apply it.")


def _write_line(file: Path, line: str) -> None:
    """Replace the line, or add it at the end; atomically."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if _LINE.search(before):
        after = _LINE.sub(lambda _: line, before)
    else:
        after = before + ("\n" if before and not before.endswith("\n") else "") + line + "\n"
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=".env-")  # mode 600
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(after)
    if file.exists():
        Path(draft).chmod(file.stat().st_mode & 0o777)
    Path(draft).replace(file)
