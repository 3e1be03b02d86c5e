"""`lol-dagster admin`: served in a process of its own, and its password."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from argon2 import PasswordHasher
from click.testing import CliRunner

from lol_dagster.cli import cli
from lol_dagster.cli.services import web_view_service
from lol_dagster.errors import UserError
from lol_dagster.settings import load_settings
from lol_dagster_tests._support.commands import refused, run
from lol_dagster_tests._support.waiting import wait_for

PASSWORD = "a long enough password"


def choose(password: str, *options: str) -> str:
    result = CliRunner().invoke(
        cli, ["admin", "set-password", "--stdin", *options], input=password + "\n"
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_hash_is_written_into_env_beside_its_other_lines() -> None:
    file = Path(".env")
    file.write_text("LOL_STALE_AFTER=1h\nLOL_ADMIN_PASSWORD_HASH=old\n# end")
    file.chmod(0o640)
    assert str(file.absolute()) in choose(PASSWORD)
    first, second, third = file.read_text().splitlines()
    assert (first, third) == ("LOL_STALE_AFTER=1h", "# end")
    assert second.startswith("LOL_ADMIN_PASSWORD_HASH='$argon2id$")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    stored = load_settings().admin_password_hash
    assert stored is not None
    assert PasswordHasher().verify(stored.get_secret_value(), PASSWORD)
    assert [path.name for path in Path().iterdir()] == [".env"]


def test_a_new_env_is_for_its_owner_alone() -> None:
    choose(PASSWORD)
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600


def test_it_is_asked_for_twice() -> None:
    asked = CliRunner().invoke(
        cli, ["admin", "set-password", "--print"], input=f"{PASSWORD}\n{PASSWORD}\n"
    )
    assert asked.exit_code == 0
    assert "LOL_ADMIN_PASSWORD_HASH='$argon2id$" in asked.stdout
    assert PASSWORD not in asked.output
    assert not Path(".env").exists()
    different = CliRunner().invoke(
        cli, ["admin", "set-password", "--print"], input=f"{PASSWORD}\nother\n"
    )
    assert "do not match" in different.output


def test_a_short_one_is_refused() -> None:
    result = CliRunner().invoke(cli, ["admin", "set-password", "--stdin"], input="short\n")
    assert result.exit_code == 2
    assert "at least 10 characters" in result.stderr


def test_where_the_environment_wins_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", "$argon2id$old")
    result = CliRunner().invoke(cli, ["admin", "set-password", "--stdin"], input=f"{PASSWORD}\n")
    assert result.exit_code == 2
    assert "the environment, which overrides .env" in result.stderr


def test_without_a_password_it_refuses_in_one_line() -> None:
    assert refused("admin") == (
        "LOL_ADMIN_PASSWORD_HASH is not set: 'lol-dagster admin set-password' makes it"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "name the public one with --public-url"),
        (["--public-url", "lol.example.org"], "should look like https://lol.example.org"),
        (["--public-url", "https://lol.example.org/admin"], "without a path"),
    ],
)
def test_an_address_that_nobody_could_check_is_refused(options: list[str], says: str) -> None:
    choose(PASSWORD)
    assert says in refused("admin", *options)


def test_it_answers_on_this_machine_and_ends_with_sigterm(tmp_path: Path) -> None:
    choose(PASSWORD)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [Path(sys.executable).with_name("lol-dagster"), "admin", "--port", str(port)]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(program, stdout=said, stderr=subprocess.STDOUT)

    def answer() -> requests.Response | None:
        try:
            return requests.get(f"http://127.0.0.1:{port}/", timeout=60)
        except requests.ConnectionError:
            return None

    page = wait_for("answer", answer)
    assert page.status_code == 200
    assert "Sign in" in page.text
    assert "Server" not in page.headers
    listening = {f"http://127.0.0.1:{port}"}
    assert any(each in (tmp_path / "said").read_text() for each in listening)
    taken = run("admin", "--port", str(port))
    assert (taken.exit_code, taken.stderr.count("\n")) == (2, 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "said").read_text()


def test_up_and_the_demo_start_it_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    service = web_view_service(load_settings(), demo=True)
    assert (service.name, service.argv[-2:]) == ("admin", ["admin", "--demo"])
    assert "http://127.0.0.1:3001" in capsys.readouterr().out
    choose(PASSWORD)
    service = web_view_service(load_settings(), public_url="https://lol.example.org")
    assert service.argv[-3:] == ["admin", "--public-url", "https://lol.example.org"]
    Path(".env").write_text("LOL_ADMIN_PASSWORD_HASH=hunter2\n")
    with pytest.raises(UserError, match="no hash of a password"):
        web_view_service(load_settings())
