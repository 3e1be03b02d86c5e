"""Imported before workers are forked: a first worker's life, from whose preparations all profit.

SQLAlchemy prepares its statements and mappings when they are first used, which takes longer than all
the rest of a worker's short life.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import cast

from pydantic import SecretStr

from lol_dagster.settings import Settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.schema import open_database
from lol_dagster_tests.delivery.proof.harness import Harness
from lol_dagster_tests.delivery.proof.worker import Orders, Strike, Struck, work


def live_once(home: Path) -> None:
    """Send a message to where nobody listens, and die of it."""
    settings = Settings(
        home=home,
        database_url=None,
        discord_url="http://127.0.0.1:9",
        discord_bot_token=SecretStr("none"),
    )
    database = open_database(settings)
    harness = Harness(database, settings, cast("Simulator", None), home)
    harness.say(harness.channel("discord-bot")[0])
    url = database.url.render_as_string(hide_password=False)
    stderr = os.dup(sys.stderr.fileno())
    try:
        with contextlib.suppress(Struck):
            work(Orders("first", settings, url, home, strike=Strike("after_result", deed="raise")))
    finally:
        signal.alarm(0)
        os.dup2(stderr, sys.stderr.fileno())
        os.close(stderr)
        database.dispose()


with tempfile.TemporaryDirectory() as folder:
    live_once(Path(folder))
