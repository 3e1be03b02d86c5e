"""The commands that run things: `once` and `up`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lol_dagster.cli.interrupts import answering_ctrl_c
from lol_dagster.cli.lazy import message_for
from lol_dagster.errors import UserError
from lol_dagster.logs.writing import start_logging
from lol_dagster.settings import Settings, ensure_home, load_settings

if TYPE_CHECKING:  # importing Dagster takes a second
    from lol_dagster.orchestration.once import Once
    from lol_dagster.orchestration.resources import AppContext, RunCounts
    from lol_dagster.services.supervisor import Service
    from lol_dagster.storage.database import Database

_log = logging.getLogger(__name__)

ENDING_ALL = "Ending everything: up to half a minute. Ctrl-C again ends it at once."


@click.command()
@click.option("--until-idle", is_flag=True, help="Go on until nothing is left to do now.")
@click.option(
    "--json", "as_json", is_flag=True, help="End with one line of JSON: what was done, what failed."
)
def once(until_idle: bool, as_json: bool) -> None:
    """One whole cycle in this process: discover, process, deliver.

    Every run is recorded in Dagster. Exits with 0 also when games were quarantined.
    """
    from dagster._core.errors import DagsterExecutionInterruptedError

    from lol_dagster.orchestration.once import NoMatchListError
    from lol_dagster.orchestration.resources import RunCounts

    run_counts = RunCounts()
    try:
        with answering_ctrl_c("Ending: what has just begun is finished or noted first."):
            _run_cycles(run_counts, until_idle=until_idle)
    except NoMatchListError as error:  # nothing that the operator could put right
        _print_counts(run_counts, error, as_json=as_json)
        click.echo(f"lol-dagster: {error}", err=True)
        raise SystemExit(1) from None
    except DagsterExecutionInterruptedError:  # Dagster's word for Ctrl-C
        _print_counts(run_counts, KeyboardInterrupt(), as_json=as_json)
        raise KeyboardInterrupt from None
    except BaseException as error:
        _print_counts(run_counts, error, as_json=as_json)
        raise
    _print_counts(run_counts, None, as_json=as_json)


def _print_counts(run_counts: RunCounts, error: BaseException | None, *, as_json: bool) -> None:
    """What was done, however it ended."""
    from lol_dagster.orchestration import once as cycles

    counts = run_counts.counts()
    if as_json:
        failed = {} if error is None else {"failed": message_for(error)}
        click.echo(json.dumps(cycles.as_json(run_counts) | failed))
    elif error is None or any(counts.values()):
        click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))


def _run_cycles(run_counts: RunCounts, *, until_idle: bool) -> None:
    from rich.console import Console
    from rich.progress import Progress

    settings = load_settings()
    settings.require_riot_api_key()
    start_logging(settings, "once")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("starting Dagster", total=None)

        def show(doing: str, games: int | None) -> None:
            progress.reset(bar, description=doing, total=games)

        app, cycles = app_and_cycles(settings, show=show)
        app.run_counts = run_counts
        run_counts.after_game = lambda: progress.advance(bar)
        if until_idle:
            cycles.until_idle()
        else:
            cycles.cycle()


def app_and_cycles(
    settings: Settings, *, show: Callable[[str, int | None], None]
) -> tuple[AppContext, Once]:
    """What `once` works with.

    Args:
        show: Called with what is being done, in a few words, and with how many games.
    """
    from lol_dagster.definitions import build_definitions
    from lol_dagster.orchestration.instance import prepare_instance
    from lol_dagster.orchestration.once import Once
    from lol_dagster.orchestration.resources import AppContext

    app = AppContext(settings)
    # Opened here: within Dagster what is wrong with it would be a traceback instead of a line.
    assert app.database
    instance = prepare_instance(settings)
    return app, Once(build_definitions(app), instance, app, show=show)


@click.command()
@click.option("--ui-port", default=3000, show_default=True, help="Where Dagster's UI answers.")
@click.option(
    "--public-url",
    help="Where a reverse proxy shows the web view: https://lol.example.org. Dagster's UI may be found "
    "under the same name, at another port.",
)
@click.option(
    "--public-ui-port",
    default=8443,
    show_default=True,
    help="That port, as deploy/proxy/ has it: links in alerts lead there.",
)
def up(ui_port: int, public_url: str | None, public_ui_port: int) -> None:
    """Everything, until Ctrl-C: Dagster's web server, daemon and code server, and the web view.

    Both answer on this machine only. The web view wants a password, 'lol-dagster admin set-password';
    its sign-in is that of Dagster's UI, too. Without a password there is no web view, and Dagster's UI
    is open to every user of this machine.

    Schedules and sensors that were stopped in Dagster's UI are started again.
    """
    from lol_dagster.services.web_address import WebAddress

    settings = load_settings()
    settings.require_riot_api_key()
    ui_address = WebAddress(port=ui_port, public_url=public_url)
    refuse_taken_port(ui_port, "--ui-port")
    web_view = None
    if settings.admin_password_hash is None:
        click.echo(
            "The web view is off, and Dagster's UI open to every user of this machine: "
            "'lol-dagster admin set-password' changes both."
        )
    else:
        web_view = web_view_service(settings, public_url=public_url)
    with answering_ctrl_c(ENDING_ALL):
        run_services(
            settings,
            ui_port=ui_port,
            web_view=web_view,
            public_url=public_url,
            public_ui_url=ui_address.public_url_at(public_ui_port),
            sign_in=web_view is not None,
        )


def web_view_service(
    settings: Settings, *, public_url: str | None = None, demo: bool = False
) -> Service:
    """The web view as a service, after all that could keep it from starting.

    Raises:
        UserError: its port is taken, its password's hash is none, or the URL is none.
    """
    from lol_dagster.admin.security.password import require_password_hash
    from lol_dagster.services.liveness_probe import over_http
    from lol_dagster.services.supervisor import Service
    from lol_dagster.services.web_address import WebAddress

    refuse_taken_port(settings.admin_port, "LOL_ADMIN_PORT")
    if not demo:
        require_password_hash(settings)
    address = WebAddress(port=settings.admin_port, public_url=public_url)
    click.echo(f"The web view: {address}")
    options = [*(["--demo"] if demo else []), *(["--public-url", public_url] if public_url else [])]
    program = [sys.executable, "-m", "lol_dagster"]
    sign_in = f"http://127.0.0.1:{settings.admin_port}/sign-in"
    return Service("admin", [*program, "admin", *options], answers=over_http(sign_in))


def run_services(
    settings: Settings,
    *,
    ui_port: int,
    web_view: Service | None,
    public_url: str | None = None,
    public_ui_url: str | None = None,
    sign_in: bool = False,
) -> None:
    """Run all services until Ctrl-C.

    Args:
        web_view: As `web_view_service` makes it; None: without.
        public_url: The web view's.
        public_ui_url: Where people find Dagster's UI, if not on this machine.
        sign_in: Whether Dagster's UI asks for the web view's sign-in.
    """
    from lol_dagster.services.home_lock import alone_in, alone_on
    from lol_dagster.storage.database import Database
    from lol_dagster.storage.schema import open_database

    home = alone_in(ensure_home(settings))
    start_logging(settings, "supervisor")
    unopened = Database(settings.effective_database_url)
    try:
        with alone_on(unopened, lost=_make_way):
            # Not before: its tables may be an older version's, which runs on another host.
            database = open_database(settings, is_up=True)
            try:
                _run_alone(
                    settings,
                    database,
                    ui_port=ui_port,
                    web_view=web_view,
                    public_url=public_url,
                    public_ui_url=public_ui_url,
                    sign_in=sign_in,
                )
            finally:
                database.dispose()
    finally:
        unopened.dispose()
        home.close()


def _make_way(said: str) -> None:
    _log.warning("%s: this one ends", said)
    with contextlib.suppress(OSError):  # a terminal that was closed
        click.echo(f"{said}: this one ends.")
    os.kill(os.getpid(), signal.SIGTERM)


def _run_alone(
    settings: Settings,
    database: Database,
    *,
    ui_port: int,
    web_view: Service | None,
    public_url: str | None,
    public_ui_url: str | None,
    sign_in: bool,
) -> None:
    from lol_dagster.monitoring.failed_jobs import note_ui_url
    from lol_dagster.monitoring.heartbeat import beating, end_of
    from lol_dagster.services.dagster_services import (
        code_server,
        new_code_address,
        other_services,
        prepare_dagster,
        start_warm,
    )
    from lol_dagster.services.supervisor import Supervisor, wait_until_answering

    warm_start = start_warm(settings)
    # Once and alone, before services open it together.
    for line in prepare_dagster():
        click.echo(line)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    code_address = new_code_address(settings)
    code = Supervisor(
        [code_server(code_address)],
        log_dir=settings.logs_dir,
        say=click.echo,
        warm_start=warm_start,
    )
    code.start()
    try:
        ui_url = public_ui_url or f"http://127.0.0.1:{ui_port}"
        note_ui_url(database, ui_url)
        # The others complain at length about a code server that is not there yet.
        wait_until_answering(f"unix://{code_address}", timeout=120)
        click.echo(f"Dagster's UI: {ui_url}   logs: {settings.logs_dir}")
        click.echo("Ctrl-C ends everything.")
        services = other_services(
            settings, code_address, ui_port=ui_port, public_url=public_url, sign_in=sign_in
        )
        with beating(database, "up"):
            Supervisor(
                [*services, *([web_view] if web_view else [])],
                log_dir=settings.logs_dir,
                say=click.echo,
                warm_start=warm_start,
            ).run()
    finally:
        code.stop()
        if warm_start:
            warm_start.close()
        shutil.rmtree(code_address.parent, ignore_errors=True)
        end_of(database, "daemon")


def refuse_taken_port(port: int, option: str) -> None:
    """
    Raises:
        UserError: another program listens on the port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(
                f"port {port} is taken by another program: end it, or choose another with {option}"
            ) from None
