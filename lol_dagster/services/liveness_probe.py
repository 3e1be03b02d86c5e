"""Whether a service that is running also answers, and for how long it has been silent.

What is done about that is supervisor.py; how a service is asked is services/dagster_services.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import TransportError
from lol_dagster.storage.database import assert_no_open_write, in_a_line

_log = logging.getLogger(__name__)

_ANSWERS_WITHIN = 5.0
"""Seconds."""
_LARGEST_ANSWER = 1_000_000
"""Bytes."""


class LivenessProbe:
    """Asks one service again and again, from a thread of its own."""

    def __init__(self, name: str, answers: Callable[[], bool], *, every: float) -> None:
        """
        Args:
            name: The service's, for the log.
            answers: Whether it answers; returns within seconds.
            every: Seconds between two questions.
        """
        self._name = name
        self._answers = answers
        self._every = every
        self._over = threading.Event()
        self._cannot_ask = False
        self._lock = threading.Lock()
        self._start = 0
        self.silent_for = 0.0
        """Seconds that we asked in vain; 0 after an answer."""
        self.has_answered = False
        """Whether it has, since it was started."""
        self._thread = threading.Thread(target=self._go_on, name=f"probe-{name}", daemon=True)

    def begin_anew(self) -> None:
        """The service has just been started: what was before counts no more."""
        with self._lock:
            self._start += 1
            self.silent_for = 0.0
            self.has_answered = False
        if not self._thread.ident:
            self._thread.start()

    def end(self) -> None:
        self._over.set()

    def _go_on(self) -> None:
        while True:
            with self._lock:
                start = self._start
            if self._over.wait(self._every):
                return
            asked = time.monotonic()
            answered = self._ask()
            # A question counts for no more than it can take: if we stood still ourselves, frozen or
            # asleep with the machine, that was no silence of the service.
            took = min(time.monotonic() - asked, _ANSWERS_WITHIN) + self._every
            with self._lock:
                if start == self._start:
                    self.silent_for = 0.0 if answered else self.silent_for + took
                    self.has_answered |= answered

    def _ask(self) -> bool:
        try:
            answers = self._answers()
            self._cannot_ask = False
            return answers
        except Exception as error:  # noqa: BLE001 - whatever it is
            # That we could not ask (a locked database, a full disk) says nothing of it. Said once until
            # it can be asked again: it would come back with every question.
            if not self._cannot_ask:
                _log.warning("cannot ask whether %s answers: %s", self._name, in_a_line(error))
            self._cannot_ask = True
            return True


def over_http(url: str) -> Callable[[], bool]:
    """Whether a web server answers, whatever its answer."""
    session = DeadlineSession("lol_dagster", guard=assert_no_open_write)

    def answers() -> bool:
        try:
            session.request("GET", url, deadline=_ANSWERS_WITHIN, max_body=_LARGEST_ANSWER)
        except TransportError:
            return False
        return True

    return answers
