"""How a call to Riot is made: in turn within the limits, with an end to it, again if Riot's servers
fail, and not at all for a while on a route that only fails.

Knows no endpoint; those are client.py's. Safe to share between threads.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import SecretStr

from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import MaybeSent, NotSent
from lol_dagster.riot.errors import (
    BrokenBody,
    Call,
    RateLimited,
    RiotError,
    RouteDown,
    ServerError,
    error_of,
)
from lol_dagster.riot.limiter import Priority, RateLimiter, Reservation
from lol_dagster.riot.rate_headers import read_rate_headers

log = logging.getLogger(__name__)

DEADLINE_S = 10.0
"""Of a call with all its tries: what fails at once is tried again, what hangs is not."""
SHORTEST_TRY_S = 2.0
"""With less left than this there is no further try."""
MAX_BODY = 8 * 1024 * 1024
LONGEST_WAIT_S = 150.0
"""For a turn in the limits, per call: a development key's window is 120 seconds."""
TRIES = 3
"""Of one call, while Riot's servers fail."""
FAILURES_TO_REST = 3
"""Calls that failed, with all their tries, before a route is left alone, if none that was begun after
the first of them has been answered."""
REST_S = 30.0


class Caller:
    """Makes GET calls with one key."""

    def __init__(
        self,
        api_key: SecretStr,
        url_template: str,
        limiter: RateLimiter,
        session: DeadlineSession,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        """
        Args:
            url_template: `{route}` stands for the platform or regional route.
            clock: Epoch seconds; the limiter's.
            longest_wait_s: How long a call may wait for its turn.
        """
        self._key = api_key
        self._url_template = url_template
        self._limiter = limiter
        self._session = session
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._longest_wait = longest_wait_s
        self._lock = threading.Lock()
        """Of what is known about routes."""
        self._failures: dict[str, int] = {}
        self._answered: dict[str, float] = {}
        """Route → when its last call that was answered was begun; of `time.monotonic`."""
        self._resting_until: dict[str, float] = {}
        self._queues: dict[tuple[str, str, Priority], threading.Lock] = {}
        """Of threads that wait for a turn: only the first of each kind asks the limiter."""

    def get(
        self,
        call: Call,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        priority: Priority = "live",
        check: Callable[[Call, bytes], None] | None = None,
        may_wait: bool = True,
    ) -> bytes:
        """The body of an answer 200.

        Args:
            path: Encoded.
            may_wait: Whether to wait for a turn in the limits; if not, RateLimited is raised at once.
            check: Raises BrokenBody if a body cannot be what was asked for.

        Raises:
            RiotError: as errors.py tells.
        """
        self._refuse_if_resting(call)
        begun = time.monotonic()
        try:
            body = self._try(call, path, params, priority, check, may_wait=may_wait)
        except (BrokenBody, RateLimited):
            raise  # one malformed match, or our own hurry, says nothing about the route
        except ServerError:
            if priority != "spare":  # no other call may have to wait for such a one
                self._note_failure(call.route, begun)
            raise
        except RiotError:
            self._note_answer(call.route, begun)  # a refusal is an answer, too
            raise
        self._note_answer(call.route, begun)
        return body

    def calls_a_minute(self, call: Call) -> float | None:
        """As the limiter's."""
        return self._limiter.calls_a_minute(call.route, call.method)

    def _try(
        self,
        call: Call,
        path: str,
        params: Mapping[str, str | int] | None,
        priority: Priority,
        check: Callable[[Call, bytes], None] | None,
        *,
        may_wait: bool,
    ) -> bytes:
        give_up_at = self._clock() + (self._longest_wait if may_wait else 0.0)
        left = DEADLINE_S
        for number in range(1, TRIES + 1):
            reservation = self._take_turn(call, priority, give_up_at)
            begun = time.monotonic()
            try:
                body = self._make(call, reservation, path, params, left)
                if check is not None:
                    check(call, body)
                return body
            except RateLimited:
                if number == TRIES:
                    raise
                # The limiter holds the scope: the next turn comes when Riot wants it.
            except ServerError as error:
                pause = 0.5 * 3 ** (number - 1) * self._rng.uniform(0.5, 1.5)
                left -= time.monotonic() - begun + pause
                if number == TRIES or left < SHORTEST_TRY_S:
                    raise
                log.info("%s; trying again", error, extra={"route": call.route})
                self._sleep(pause)
                self._refuse_if_resting(call)  # others may have failed meanwhile
        raise AssertionError("the last try returns or raises")

    def _take_turn(self, call: Call, priority: Priority, give_up_at: float) -> Reservation:
        timeout = give_up_at - self._clock()
        if timeout <= 0:
            return self._wait_for_turn(call, priority, give_up_at)
        queue = self._queue(call, priority)
        if not queue.acquire(timeout=timeout):
            retry_at = datetime.fromtimestamp(give_up_at, UTC)
            raise RateLimited("others wait for our share of Riot's limits", call, retry_at=retry_at)
        try:
            return self._wait_for_turn(call, priority, give_up_at)
        finally:
            queue.release()

    def _queue(self, call: Call, priority: Priority) -> threading.Lock:
        with self._lock:
            return self._queues.setdefault((call.route, call.method, priority), threading.Lock())

    def _wait_for_turn(self, call: Call, priority: Priority, give_up_at: float) -> Reservation:
        while True:
            turn = self._limiter.reserve(call.route, call.method, priority)
            if isinstance(turn, Reservation):
                return turn
            allowed_at = self._clock() + turn.seconds
            if allowed_at > give_up_at:
                retry_at = datetime.fromtimestamp(allowed_at, UTC)
                raise RateLimited("our share of Riot's limits is used up", call, retry_at=retry_at)
            # In short sleeps: the limits may allow it sooner, and the clock may be put back meanwhile.
            self._sleep(min(turn.seconds, 5.0))

    def _make(
        self,
        call: Call,
        reservation: Reservation,
        path: str,
        params: Mapping[str, str | int] | None,
        deadline: float,
    ) -> bytes:
        secret = self._key.get_secret_value()
        try:
            answer = self._session.request(
                "GET",
                self._url_template.replace("{route}", call.route) + path,
                headers={"X-Riot-Token": secret},
                params=params,
                deadline=deadline,
                max_body=MAX_BODY,
            )
        except NotSent as error:
            self._limiter.give_back(reservation)
            raise ServerError(str(error), call) from None
        except MaybeSent as error:  # counted by Riot, or not: the reservation runs out by itself
            raise ServerError(str(error), call) from None
        allowed_at = self._limiter.observe(
            reservation, answer.status, read_rate_headers(answer.headers)
        )
        if answer.status == 200:
            return answer.body
        retry_at = datetime.fromtimestamp(allowed_at, UTC)
        raise error_of(call, answer, secret=secret, retry_at=retry_at)

    def _refuse_if_resting(self, call: Call) -> None:
        rest = self._resting_until.get(call.route, 0.0) - self._clock()
        # More than a rest ahead: the clock was put back.
        if 0 < rest <= REST_S:
            raise RouteDown(f"not asked, as it only fails; again in {rest:.0f} s", call)

    def _note_answer(self, route: str, begun: float) -> None:
        with self._lock:
            self._failures.pop(route, None)
            self._answered[route] = max(begun, self._answered.get(route, begun))

    def _note_failure(self, route: str, begun: float) -> None:
        with self._lock:
            if self._answered.get(route, begun) > begun:
                return  # it was this call, and not the route
            self._failures[route] = self._failures.get(route, 0) + 1
            if self._failures[route] < FAILURES_TO_REST:
                return
            # One failure short of it, so that after the rest a single call is the probe.
            self._failures[route] = FAILURES_TO_REST - 1
            self._resting_until[route] = self._clock() + REST_S
        log.warning("Riot's %s fails; leaving it alone for %.0f s", route, REST_S)
