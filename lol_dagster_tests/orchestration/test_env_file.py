"""`.env` is ours to read, also in Dagster's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LOOK = """
import os
from dagster._cli import utils
from lol_dagster.orchestration.logged_service import leave_env_file_to_us

def look():
    with utils.get_instance_for_cli():  # what all of Dagster's services begin with
        print(os.environ.get("LOL_RIOT_API_KEY"), os.environ.get("LOL_ALERT_CHANNEL"))

before = dict(os.environ)
look()
os.environ.clear()
os.environ.update(before)
leave_env_file_to_us()
look()
"""


def test_dagster_does_not_put_the_env_file_into_the_environment(tmp_path: Path) -> None:
    """A key that is replaced there is read at the next tick; what was copied would stay."""
    Path(".env").write_text("LOL_RIOT_API_KEY=RGAPI-dead\nLOL_ALERT_CHANNEL=of the file\n")
    home = tmp_path / "dagster"
    home.mkdir()
    environment = {
        **os.environ, "DAGSTER_HOME": str(home), "LOL_ALERT_CHANNEL": "of the environment",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _LOOK],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    dagsters, ours = done.stdout.splitlines()[-2:]
    assert dagsters == "RGAPI-dead of the file", "nothing to keep it from any more"
    assert ours == "None of the environment"
