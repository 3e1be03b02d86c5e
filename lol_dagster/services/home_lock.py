"""The home belongs to one `lol-dagster up`, or to one command that needs it to be at rest; and the
demo's to one demo.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from lol_dagster.errors import UserError


def alone_in(home: Path) -> TextIO:
    """Hold the home until the file that is returned is closed: two daemons would do everything
    twice, and a database that is moved must not be written to meanwhile.

    Raises:
        UserError: another process holds it.
    """
    return _held(
        home / "up.lock",
        f"another `lol-dagster up` runs in {home}: end it first, or set another LOL_HOME",
    )


def only_demo_in(home: Path) -> TextIO:
    """Hold the place of the demo's home, below this one, until the file that is returned is closed.

    Raises:
        UserError: another demo holds it.
    """
    return _held(
        home / "demo.lock",
        f"a demo is already running in {home / 'demo'}: end it with Ctrl-C, or set another LOL_HOME",
    )


def _held(file: Path, refusal: str) -> TextIO:
    """A flock, which the system releases however its owner dies."""
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UserError(refusal) from None
    return lock
