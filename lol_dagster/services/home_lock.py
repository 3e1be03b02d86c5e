"""The home belongs to one `lol-dagster up`, or to one command that needs it to be at rest."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from lol_dagster.errors import UserError


def alone_in(home: Path) -> TextIO:
    """Hold the home until the file that is returned is closed: two daemons would do everything
    twice, and a database that is moved must not be written to meanwhile.

    A flock, which the system releases however its owner dies.

    Raises:
        UserError: another process holds it.
    """
    lock = (home / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UserError(
            f"another `lol-dagster up` runs in {home}: end it first, or set another LOL_HOME"
        ) from None
    return lock
