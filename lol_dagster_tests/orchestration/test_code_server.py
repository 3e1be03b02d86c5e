"""Who reaches the code server, which runs whatever it is asked to: an attack on it, and its way in."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ExecuteExternalJobArgs

from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.services.dagster_services import code_server, new_code_address, other_services
from lol_dagster.services.supervisor import Service, Supervisor, wait_until_answering
from lol_dagster.settings import SECRET_VARIABLES, Settings
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.process_harness import command_line, descendants
from lol_dagster_tests._support.waiting import wait_for

KEY = "RGAPI-00000000-0000-4000-8000-000000000000"


@pytest.fixture
def address(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A code server's, which runs with a key in its environment, as `up` starts it."""
    monkeypatch.setenv("LOL_RIOT_API_KEY", KEY)
    prepare_instance(settings).dispose()
    open_database(settings).dispose()
    address = new_code_address(settings)
    supervisor = Supervisor([code_server(address)], log_dir=tmp_path / "logs", say=lambda _: None)
    supervisor.start()
    try:
        wait_until_answering(f"unix://{address}", timeout=240)
        yield address
    finally:
        supervisor.stop()
        shutil.rmtree(address.parent)


def take_over(address: Path, home: Path) -> Path:
    """Have the code server run a command: by a run of the attacker's own instance, whose logging names
    it. Returns the file into which it writes its environment.
    """
    home.mkdir()
    loot = home / "loot"
    handler = {"()": "os.system", "command": f"env > {loot}"}
    (home / "dagster.yaml").write_text(
        json.dumps({"python_logs": {"dagster_handler_config": {"handlers": {"evil": handler}}}})
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("check_everything").to_job())
        origin = RemoteJobOrigin(
            RemoteRepositoryOrigin(
                GrpcServerCodeLocationOrigin(host="localhost", socket=str(address)),
                "__repository__",
            ),
            "check_everything",
        )
        DagsterGrpcClient(socket=str(address)).start_run(
            ExecuteExternalJobArgs(
                job_origin=origin, run_id=run.run_id, instance_ref=instance.get_ref()
            )
        )
    return loot


@pytest.mark.timeout(600)
def test_whoever_reaches_the_code_server_has_our_keys(address: Path, tmp_path: Path) -> None:
    """Dagster's way of things, and the reason for the next test."""
    loot = take_over(address, tmp_path / "attacker")
    wait_for("environment of a run", lambda: loot.exists() and KEY in loot.read_text())


def listening_ports(pid: int) -> list[str]:
    """TCP addresses on which the process listens: proc(5), /proc/net/tcp."""
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            inodes.add(str(each.readlink()))
    return [
        fields[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]


@pytest.mark.timeout(600)
def test_nobody_else_on_this_machine_reaches_it(address: Path) -> None:
    (server,) = [pid for pid in descendants(os.getpid()) if str(address) in command_line(pid)]
    assert listening_ports(server) == []
    assert address.parent.stat().st_mode & 0o777 == 0o700
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    nobody = pwd.getpwnam("nobody")
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(address)!r})"
    tried = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", connect],
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "PermissionError" in tried.stderr


def environment_of(service: Service) -> dict[str, str]:
    env = {**os.environ, **service.env}
    return {name: value for name, value in env.items() if value is not None}


def test_daemon_and_web_server_have_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"LOL_RIOT_API_KEY", "LOL_DISCORD_BOT_TOKEN", "LOL_DATABASE_URL", "LOL_SECRET_KEY",
            "LOL_ADMIN_PASSWORD_HASH", "LOL_PING_URL"} <= set(SECRET_VARIABLES)  # fmt: skip
    for name in SECRET_VARIABLES:
        monkeypatch.setenv(name, KEY)
    settings.dagster_home.mkdir(parents=True)
    code = environment_of(code_server(Path("/nowhere")))
    assert code["LOL_RIOT_API_KEY"] == KEY
    for service in other_services(settings, Path("/nowhere"), ui_port=1):
        assert KEY not in environment_of(service).values(), service.name
        assert "--keyless" in service.argv, "nor does it read them by itself"


def test_a_keyless_service_reads_neither_env_file_nor_key_file(settings: Settings) -> None:
    """It would stumble over both."""
    settings.home.mkdir(exist_ok=True)
    (settings.home / "secret.key").write_text("too short")
    Path(".env").write_text("LOL_ADMIN_PORT=none\n")
    launcher = [sys.executable, "-m", "lol_dagster.orchestration.logged_service"]
    module = ["small", "this"]  # Python's Zen: a module that prints something and ends
    keyless = subprocess.run([*launcher, "--keyless", *module], capture_output=True, check=False)
    assert keyless.returncode == 0, keyless.stderr
    assert b"Beautiful is better than ugly" in keyless.stdout
    with_keys = subprocess.run([*launcher, *module], capture_output=True, check=False)
    assert b"LOL_ADMIN_PORT" in with_keys.stderr


_NOTING_WHAT_IS_OPENED = """
import runpy, sys
sys.addaudithook(lambda event, about: event == "open" and sys.stderr.write(f"opened {about[0]}\\n"))
sys.argv = ["logged_service", *sys.argv[1:]]
runpy.run_module("lol_dagster.orchestration.logged_service", run_name="__main__", alter_sys=True)
"""


def test_a_keyless_service_opens_no_file_with_secrets(settings: Settings) -> None:
    """Not even to strike out of its lines what stands there."""
    settings.home.mkdir(exist_ok=True)
    (settings.home / "secret.key").write_text("k" * 40)
    Path(".env").write_text(f"LOL_RIOT_API_KEY={KEY}\n")
    files = {".env", "secret.key"}

    def opened(*options: str) -> set[str]:
        argv = [sys.executable, "-c", _NOTING_WHAT_IS_OPENED, *options, "small", "this"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return {each for each in files if f"{each}\n" in done.stderr}

    assert opened() == files, "the hook sees them"
    assert opened("--keyless") == set()
