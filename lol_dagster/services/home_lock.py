"""The home belongs to one `lol-dagster up`, or to one command that needs it to be at rest; a PostgreSQL to
one `up` of all hosts; and the demo's home to one demo.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from lol_dagster.errors import UserError
from lol_dagster.storage.database import Database, in_a_line
from lol_dagster.storage.file_locks import UP_FILE
from lol_dagster.storage.schema import schema_state
from lol_dagster.storage.server_locks import UP, Owner, ServerLock, owner_of

_log = logging.getLogger(__name__)

_LOOK_EVERY = 5.0
"""Seconds."""


def alone_in(home: Path) -> TextIO:
    """Hold the home until the file that is returned is closed: two daemons would do everything
    twice, and a database that is moved must not be written to meanwhile.

    Raises:
        UserError: another process holds it.
    """
    return _held(
        home / UP_FILE,
        f"another `lol-dagster up` runs in {home}: end it first, or set another LOL_HOME",
    )


@contextlib.contextmanager
def alone_on(database: Database, *, lost: Callable[[str], None]) -> Iterator[None]:
    """Be the only `lol-dagster up` of a database that several hosts share; SQLite's is its home's.

    A session that breaks off loses the lock: it is taken again as soon as the server can be had.

    Args:
        database: May have no tables yet, or an older version's.
        lost: Called, from a thread, if another host has taken it first: with what that means.

    Raises:
        UserError: `up` runs on another host.
        DatabaseError: the database cannot be reached.
    """
    if database.is_sqlite:
        yield
        return
    schema_state(database)  # says in a line if it cannot be reached
    lock = ServerLock(database, UP)
    if not lock.take():
        raise UserError(
            f"{_in_words(owner_of(database, UP))} on the same database: "
            "this one can take its place when that has ended"
        )
    over = threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(lock, database, over, lost), name="only-up", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join(_LOOK_EVERY)
        lock.release()


def _keep(
    lock: ServerLock, database: Database, over: threading.Event, lost: Callable[[str], None]
) -> None:
    while not over.wait(_LOOK_EVERY):
        try:
            if lock.is_held():
                continue
            if lock.take():
                _log.warning("The database's session had broken off: this is the only `up` again")
                continue
            other = owner_of(database, UP)
            if other is None or lock.was_ours(other):
                continue  # let go just now, or in half a minute
            lost(f"{_in_words(other)} and has taken this one's place")
            return
        except Exception as error:  # noqa: BLE001 - without this thread nobody would see that it is not the only one
            _log.warning("Whether this is the only `up` is not known: %s", in_a_line(error))


def _in_words(other: Owner | None) -> str:
    return f"{other.who} runs since {other.since:%d %b %H:%M} UTC" if other else f"{UP} runs"


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
