"""`.env` is ours to read, also in Dagster's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LOOK = """
import logging, os, sys
from dagster._cli import utils
from lol_dagster.orchestration.logged_service import leave_env_file_to_us
if sys.argv[1] == "ours":
    leave_env_file_to_us()
with utils.get_instance_for_cli():  # what the code server, the daemon and the web server begin with
    print(os.environ.get("LOL_RIOT_API_KEY"), os.environ.get("LOL_ALERT_CHANNEL"))
"""


def _look(whose: str, home: Path) -> str:
    environment = {
        **os.environ, "DAGSTER_HOME": str(home), "LOL_ALERT_CHANNEL": "of the environment",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, whose],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


def test_dagster_does_not_put_the_env_file_into_the_environment(tmp_path: Path) -> None:
    """A key that is replaced there is read at the next tick; what was copied would stay."""
    Path(".env").write_text("LOL_RIOT_API_KEY=RGAPI-dead\nLOL_ALERT_CHANNEL=of the file\n")
    home = tmp_path / "dagster"
    home.mkdir()
    assert _look("dagster's", home) == "RGAPI-dead of the file", "nothing to keep it from any more"
    assert _look("ours", home) == "None of the environment"
