"""Dagster's daemon, which shows that it works; run by logged_service.

Whoever supervises it needs neither Dagster nor its storage to see whether it does: while the daemon writes
heartbeats into that, the time of a file changes, too.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path

import dagster as dg
from dagster._daemon.cli import cli

from lol_dagster.services.dagster_services import heartbeat_file
from lol_dagster.settings import Settings
from lol_dagster.storage.database import in_a_line

_log = logging.getLogger(__name__)
_LOOK_EVERY = 15.0
"""Seconds. Dagster's daemon writes a heartbeat every half minute."""


class Heartbeats:
    """Touches a file for each new heartbeat that Dagster's daemon has written.

    A single thread of it that hangs it notices itself, and ends. Ages are not compared, so that a clock that
    jumps does not matter.
    """

    def __init__(self, instance: dg.DagsterInstance, file: Path) -> None:
        self._instance = instance
        self._file = file
        self._seen: set[tuple[str, float]] = set()

    def pass_on(self) -> None:
        """Touch the file if there is a heartbeat that was not there the last time."""
        found = self._instance.get_daemon_heartbeats()
        beats = {(name, beat.timestamp) for name, beat in found.items()}
        if beats != self._seen:
            self._file.touch()
        self._seen = beats


def _pass_on_always(home: Path) -> None:
    beats = Heartbeats(dg.DagsterInstance.from_config(str(home)), heartbeat_file(home))
    while True:
        try:
            beats.pass_on()
        except Exception as error:  # noqa: BLE001 - whatever it is, it may succeed the next time
            _log.warning("cannot see the daemon's heartbeats: %s", in_a_line(error))
        time.sleep(_LOOK_EVERY)


def main() -> None:
    """Be `dagster-daemon` with the arguments of the command line."""
    home = Settings(_env_file=None).dagster_home
    threading.Thread(target=_pass_on_always, args=(home,), name="heartbeats", daemon=True).start()
    cli.main(sys.argv[1:], prog_name="dagster-daemon")


if __name__ == "__main__":
    main()
