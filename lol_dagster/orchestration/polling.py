"""Asking Riot for match lists: in a run of the asset `match_lists`, or in a thread of the process that
evaluates the sensor.

A run is a process that starts and ends, for what nearly always brings nothing. A tick has a deadline,
and all else that is due waits for its end, so it waits for Riot no longer than a moment: what takes
longer goes on in its thread, and a later tick takes over what has come of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import datetime

from lol_dagster.pipeline.discovery import DiscoveryReport, discover
from lol_dagster.pipeline.ranks import check_ranks
from lol_dagster.pipeline.timelines import fetch_timelines
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.key import note_key_accepted, watching_key
from lol_dagster.storage.database import Database


def poll_accounts(
    database: Database, riot: RiotClient, clock: Callable[[], datetime], *, everyone: bool = False
) -> DiscoveryReport:
    """Ask for the match list of every account that is due, and then for ranks and timelines.

    Args:
        everyone: Ask for the others, too.

    Raises:
        KeyRejected: Riot refuses the key; what was found before is written down.
    """
    with watching_key(database, riot.key_fingerprint, clock):
        found = discover(database, riot, now=clock(), everyone=everyone)
    if found.accounts_polled:
        note_key_accepted(database, riot.key_fingerprint, clock())
        check_ranks(database, riot, now=clock())
        fetch_timelines(database, riot, now=clock())
    return found


class PollingThread:
    """Polls in a thread, one poll at a time."""

    def __init__(self, poll: Callable[[], DiscoveryReport]) -> None:
        self._poll = poll
        self._lock = threading.Lock()
        self._current: Future[DiscoveryReport] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether a poll is under way, or its outcome was not taken yet."""
        return self._current is not None

    def begin(self) -> None:
        """Begin a poll, unless one goes on."""
        with self._lock:
            if self._current is not None:
                return
            self._current = current = Future[DiscoveryReport]()
        # As a daemon: whoever ends this process need not wait for Riot. All that a poll finds is
        # written down as it is found.
        threading.Thread(target=self._run, args=[current], name="polling", daemon=True).start()

    def outcome(self, wait_s: float) -> DiscoveryReport | None:
        """What the poll has brought, once; None: none is under way, or it goes on.

        Args:
            wait_s: Seconds to wait for it.

        Raises:
            Exception: what has ended the poll.
        """
        with self._lock:
            current = self._current
        if current is None:
            return None
        wait([current], timeout=wait_s)
        with self._lock:
            if not current.done() or self._current is not current:
                return None  # it goes on, or another tick has taken it
            self._current = None
        return current.result()

    def _run(self, outcome: Future[DiscoveryReport]) -> None:
        try:
            outcome.set_result(self._poll())
        except BaseException as error:  # noqa: BLE001 - raised again in `outcome`
            outcome.set_exception(error)
