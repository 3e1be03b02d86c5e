"""What `lol-dagster up` does around its services, which are only played here."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from dagster._core.scheduler.instigation import InstigatorStatus

from lol_dagster.cli import services
from lol_dagster.monitoring.failed_jobs import ui_url
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.services import dagster_services, supervisor
from lol_dagster.services.supervisor import Service
from lol_dagster.settings import Settings, ensure_dagster_home
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import SendBucket
from lol_dagster.storage.schema import alembic_config, schema_state
from lol_dagster.storage.server_locks import UP, ServerLock
from lol_dagster_tests._support.commands import run, said
from lol_dagster_tests._support.dagster_switches import click
from lol_dagster_tests._support.process_harness import free_port


@dataclass
class Seen:
    """What was there while the services ran."""

    at_work: Callable[[], None] = lambda: None
    """Called when all services run."""
    not_before: datetime | None = None
    socket: Path = Path()
    mode: int = 0


@pytest.fixture
def seen(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()

    class Played:
        def __init__(self, services: Sequence[Service], **_: object) -> None:
            self._first = services[0]

        def start(self) -> None:
            """The code server alone is started this way."""
            seen.socket = Path(self._first.argv[-1])
            seen.mode = seen.socket.parent.stat().st_mode & 0o777
            with database.reading() as session:
                waiting = session.get(SendBucket, "channel:1")
                seen.not_before = waiting and waiting.not_before

        def run(self) -> None:
            seen.at_work()

        def stop(self) -> None:
            """Nothing runs."""

    monkeypatch.setattr(supervisor, "Supervisor", Played)
    monkeypatch.setattr(supervisor, "wait_until_answering", lambda *_, **__: None)
    monkeypatch.setattr(dagster_services, "start_warm", lambda _: None)
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-key")
    return seen


@pytest.fixture
def prepared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's storage is, which takes seconds."""
    ensure_dagster_home(settings)
    monkeypatch.setattr(dagster_services, "prepare_dagster", list)


def test_what_was_stopped_is_started_again_before_the_daemon(
    seen: Seen, settings: Settings, database: Database
) -> None:
    with prepare_instance(settings) as instance:
        click(instance, "check_everything_schedule", InstigatorStatus.STOPPED)
    states: list[InstigatorStatus] = []

    def look() -> None:
        with prepare_instance(settings) as instance:
            states.extend(each.status for each in instance.all_instigator_state())

    seen.at_work = look
    shown = said("up", "--ui-port", str(free_port()))
    assert "check_everything_schedule was stopped in Dagster's UI: it is started again." in shown
    assert states == [InstigatorStatus.DECLARED_IN_CODE]


def test_what_a_clock_wrote_that_was_ahead_is_put_right_before_anything_runs(
    seen: Seen, database: Database
) -> None:
    with database.writing() as session:
        in_forty_days = datetime.now(UTC) + timedelta(days=40)
        session.add(SendBucket(scope="channel:1", not_before=in_forty_days))
    said("up", "--ui-port", str(free_port()))
    assert seen.not_before is not None
    assert seen.not_before <= datetime.now(UTC)


@pytest.mark.usefixtures("prepared")
def test_the_socket_is_in_a_folder_of_its_owner_which_is_gone_afterwards(
    seen: Seen, database: Database
) -> None:
    said("up", "--ui-port", str(free_port()))
    assert seen.mode == 0o700
    assert not seen.socket.parent.exists()


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "http://127.0.0.1:{port}"),
        (("--public-url", "https://lol.example.org"), "https://lol.example.org:8443"),
        (
            ("--public-url", "https://lol.example.org:444/", "--public-ui-port", "9000"),
            "https://lol.example.org:9000",
        ),
    ],
)
def test_links_to_dagsters_ui_lead_to_where_people_find_it(
    seen: Seen, database: Database, options: tuple[str, ...], expected: str
) -> None:
    port = free_port()
    address = expected.format(port=port)
    assert f"Dagster's UI: {address} " in said("up", "--ui-port", str(port), *options)
    with database.reading() as session:
        assert ui_url(session) == address


@pytest.mark.usefixtures("prepared")
def test_that_dagsters_ui_is_open_without_a_password_is_said(
    seen: Seen, database: Database
) -> None:
    assert "Dagster's UI open to every user of this machine" in said(
        "up", "--ui-port", str(free_port())
    )


def test_whoever_waits_on_another_host_changes_no_table_before_it_is_its_turn(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one may be of an older version."""
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-key")
    shared = Database(postgres_url)
    with shared.engine.connect() as connection:
        command.downgrade(alembic_config(connection), "0001")
        connection.commit()
    monkeypatch.setenv("LOL_DATABASE_URL", postgres_url)
    first = ServerLock(shared, UP)
    assert first.take()
    refused = run("up", "--ui-port", str(free_port()))
    assert refused.exit_code == 2
    assert "this one can take its place" in refused.stderr
    assert schema_state(shared) == "behind"
    first.release()
    run_with: list[str] = []
    monkeypatch.setattr(
        services, "_run_alone", lambda *_, **__: run_with.append(schema_state(shared))
    )
    said("up", "--ui-port", str(free_port()))
    assert run_with == ["current"]
    shared.dispose()


def test_whoever_was_replaced_ends_also_where_the_terminal_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *which: ended.append(which))

    def closed(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", closed)
    services._make_way("lol-dagster up on other runs")
    assert ended == [(os.getpid(), signal.SIGTERM)]
