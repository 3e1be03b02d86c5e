"""What another user of the machine can read: nothing of the home, whatever the shell's umask is."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lol_dagster.storage.database import Database
from lol_dagster_tests._support.commands import run

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that is not there yet, in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setenv("LOL_HOME", str(folder / "home"))
    yield folder / "home"
    shutil.rmtree(folder)


def in_a_usual_shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOL_DAGSTER, *arguments], umask=0o022, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
def test_nobody_else_reads_anything_of_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-key")
    monkeypatch.setenv("LOL_RIOT_URL", "http://127.0.0.1:1")  # nobody listens there
    assert in_a_usual_shell("team", "add", "Barons").returncode == 0
    hook = ["--kind", "slack-webhook", "--address", "https://hooks.slack.com/services/T0/B0/XXXX"]
    assert in_a_usual_shell("channel", "add", "ann", "--team", "Barons", *hook).returncode == 0
    assert in_a_usual_shell("db", "backup").returncode == 0
    in_a_usual_shell("once")
    files = [home, *home.rglob("*")]
    names = {each.name for each in files}
    assert {"lol.sqlite3", "secret.key", "dagster", "dagster.yaml", "runs.db", "backups"} <= names
    open_to_others = [str(each) for each in files if each.stat().st_mode & 0o077]
    assert open_to_others == []
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    nobody = pwd.getpwnam("nobody")
    tried = subprocess.run(
        ["find", str(home)],
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tried.stdout.split() == [str(home)]
    assert "Permission denied" in tried.stderr


def test_doctor_says_what_is_open_to_others_and_how_to_close_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(os.environ["LOL_HOME"])
    env_file = Path(".env").absolute()
    env_file.write_text("")

    def setup() -> dict[str, dict[str, object]]:
        found = json.loads(run("doctor", "--json").stdout)["setup"]
        return {each["name"]: each for each in found}

    home.chmod(0o755)
    env_file.chmod(0o640)
    assert not setup()["home"]["ok"]
    assert setup()["home"]["said"] == (
        f"{home} is open to others (mode 755): 'chmod -R go= {home}' closes it"
    )
    assert setup()["settings file"]["said"] == (
        f"{env_file} is open to others (mode 640): 'chmod 600 .env' closes it"
    )
    home.chmod(0o700)
    env_file.chmod(0o600)
    assert setup()["home"]["ok"]
    assert setup()["settings file"]["ok"]
    env_file.unlink()
    assert "settings file" not in setup()
