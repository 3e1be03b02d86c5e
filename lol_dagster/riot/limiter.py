"""Staying within Riot's limits, for all processes together, through the database.

Riot counts calls in windows of fixed length that begin with the first call it counts, one set per
key and route (application) and one per key, route and endpoint (method). When its windows begin
cannot be known from outside, so no attempt is made to: a call goes out only if in no stretch of a
window's length more calls than allowed could have been counted, wherever Riot's window lies. A call
is counted by Riot somewhere between its reservation and its answer; until the answer is there it
weighs on every window, and from then on for the window's length.

    reserve()   one short transaction: a reservation, or how long to wait
    observe()   after the answer: limits and counts from the headers, pauses from refusals
    give_back() if nothing was sent

Limits come from headers alone. Before the first answer one call at a time is let out, and another each
second in which it is not answered; where answers have no limits, 20 calls a second. A power cut may lose the last calls: Riot's next answer has counted
them. Times are epoch seconds, as several processes share them.
"""

from __future__ import annotations

import itertools
import math
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from lol_dagster.riot.rate_headers import RateHeaders, ScopeHeaders
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RateCall, RateHold, RateWindow
from lol_dagster.storage.upsert import insert_if_absent

Priority = Literal["live", "backfill", "spare"]

SHARES: dict[Priority, float] = {"live": 1.0, "backfill": 0.6, "spare": 0.4}
"""How much of a window each kind of call may fill: what is left is kept for the kinds before it."""

DEFAULT_LIMITS = {1: 20}
"""Seconds → calls, where Riot's answers have no limits: the shorter limit of the smallest key."""

FIRST_ALONE_S = 1.0
"""How long others wait for the answer that tells the limits: it may never come."""

LEASE_S = 15.0
"""A call is over by then, whatever happens to its process: longer than a call's deadline."""

MOST_SLOTS = 200
"""Into how many parts a window is divided to count calls in; one of fewer calls keeps the moment of
each. The more, the less is lost to rounding up: a two-hundredth of a window at most."""

POLL_S = 0.1
"""How soon to ask again while another process finds out the limits."""

LONGEST_HOLD_S = 3600.0
"""No hold is believed to be longer. One that is was set before the clock was put back."""

MATCH_LISTS = "match-v5.ids"
"""The method by whose limits accounts have their turns."""


@dataclass(frozen=True)
class Reservation:
    """Leave for one call, to be made at once."""

    token: str
    app_scope: str
    method_scope: str
    at: float
    """Epoch seconds."""


@dataclass(frozen=True)
class Wait:
    """Not now; worth asking again after this time."""

    seconds: float


def calls_a_minute(session: Session, key_fingerprint: str, route: str, method: str) -> float | None:
    """How many calls Riot allows the key at most in the long run; None: no answer has said so yet."""
    scopes = (f"{key_fingerprint}/{route}/app", f"{key_fingerprint}/{route}/{method}")
    windows = session.scalars(select(RateWindow).where(RateWindow.scope.in_(scopes)))
    return min((60 * each.limit / each.seconds for each in windows), default=None)


class RateLimiter:
    """The limits of one key."""

    def __init__(
        self,
        database: Database,
        key_fingerprint: str,
        *,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        """
        Args:
            key_fingerprint: Tells keys apart; never the key itself.
            clock: Epoch seconds.
            rng: For the jitter of pauses that Riot gave no length.
        """
        self._database = database
        self._key = key_fingerprint
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret

    def reserve(self, route: str, method: str, priority: Priority) -> Reservation | Wait:
        """Reserve one call in both of its scopes, or learn how long to wait."""
        app_scope = f"{self._key}/{route}/app"
        method_scope = f"{self._key}/{route}/{method}"
        scopes = (app_scope, method_scope)
        with self._database.writing(durable=False) as session:
            holds = _lock(session, scopes)
            now = self._clock()  # the lock may have taken its time
            windows, under_way = _windows(session, scopes), _under_way(session, scopes)
            if _mend_after_clock_change(session, holds, windows, under_way, now):
                under_way = _under_way(session, scopes)
            wait = max(hold.until - now for hold in holds)
            for scope in scopes:
                wait = max(wait, _wait(windows[scope], under_way[scope], SHARES[priority], now))
            if wait > 0:
                return Wait(wait)
            token = uuid.uuid4().hex
            session.execute(
                insert(RateCall),
                [{"token": token, "scope": scope, "done_at": now + LEASE_S} for scope in scopes],
            )
        return Reservation(token, app_scope, method_scope, now)

    def observe(self, reservation: Reservation, status: int, headers: RateHeaders) -> float:
        """Put right what we know with what an answer says.

        Returns:
            Epoch seconds until which a refusal holds calls of this kind; now, if none does.
        """
        now = self._clock()
        scopes = (reservation.app_scope, reservation.method_scope)
        with self._database.writing(durable=False) as session:
            holds = {hold.scope: hold for hold in _lock(session, scopes)}
            self._forget(session, reservation)
            windows, under_way = _windows(session, scopes), _under_way(session, scopes)
            for scope, said in zip(scopes, (headers.app, headers.method), strict=True):
                known = _learn_limits(
                    session, scope, windows[scope], said.limits, is_genuine=status in {200, 404}
                )
                for window in known:
                    _count(window, now, 1)
                    _count_unknown(window, under_way[scope], said, reservation.at, now)
                _forget_dead_calls(session, scope, known, under_way[scope], now)
            if status == 429:
                is_app = headers.limit_type == "application"
                hold = holds[reservation.app_scope if is_app else reservation.method_scope]
                self._pause(hold, headers.retry_after, now)
            elif status == 200:
                for hold in holds.values():
                    hold.strikes = 0
            return max(now, *(hold.until for hold in holds.values()))

    def calls_a_minute(self, route: str, method: str) -> float | None:
        """How many calls Riot allows at most in the long run; None: no answer has said so yet."""
        with self._database.reading() as session:
            return calls_a_minute(session, self._key, route, method)

    def give_back(self, reservation: Reservation) -> None:
        """Undo a reservation whose call never left."""
        with self._database.writing(durable=False) as session:
            self._forget(session, reservation)

    def _forget(self, session: Session, reservation: Reservation) -> None:
        session.execute(delete(RateCall).where(RateCall.token == reservation.token))

    def _pause(self, hold: RateHold, retry_after: float | None, now: float) -> None:
        if retry_after is None:  # since 2025-02 at times, and always from behind the edge
            hold.strikes += 1
            seconds = min(60.0, 2.0 ** min(hold.strikes, 6) * self._rng.uniform(1.0, 1.25))
        else:
            seconds = min(retry_after + 0.5, LONGEST_HOLD_S)
        hold.until = max(hold.until, now + seconds)


def _lock(session: Session, scopes: Sequence[str]) -> Sequence[RateHold]:
    """The scopes' rows, locked in one order for everybody, until the transaction ends."""
    query = (
        select(RateHold)
        .where(RateHold.scope.in_(scopes))
        .order_by(RateHold.scope)
        .with_for_update()
    )
    holds = session.scalars(query).all()
    if len(holds) < len(scopes):
        insert_if_absent(session, RateHold, [{"scope": scope} for scope in sorted(scopes)])
        holds = session.scalars(query).all()
    return holds


def _mend_after_clock_change(
    session: Session,
    holds: Sequence[RateHold],
    windows: Mapping[str, Sequence[RateWindow]],
    under_way: Mapping[str, Sequence[float]],
    now: float,
) -> bool:
    """Take back what lies further ahead than anything we ever write: the clock was put back, and it
    would otherwise block until the old time has come again.

    Returns:
        Whether calls under way have changed.
    """
    for hold in holds:
        if hold.until > now + LONGEST_HOLD_S:
            hold.until = now
    furthest = now + LEASE_S + 1
    for window in itertools.chain.from_iterable(windows.values()):
        if any(at > furthest for at, _ in window.calls):
            window.calls = [(min(at, now), number) for at, number in window.calls]
    if all(done_at <= furthest for done_at in itertools.chain.from_iterable(under_way.values())):
        return False
    session.execute(
        update(RateCall)
        .where(RateCall.scope.in_(list(windows)), RateCall.done_at > furthest)
        .values(done_at=now)
    )
    return True


def _windows(session: Session, scopes: Sequence[str]) -> dict[str, list[RateWindow]]:
    found: dict[str, list[RateWindow]] = {scope: [] for scope in scopes}
    for window in session.scalars(select(RateWindow).where(RateWindow.scope.in_(scopes))):
        found[window.scope].append(window)
    return found


def _under_way(session: Session, scopes: Sequence[str]) -> dict[str, list[float]]:
    """Scope → when each of its calls that has no answer yet is over at the latest."""
    found: dict[str, list[float]] = {scope: [] for scope in scopes}
    query = select(RateCall.scope, RateCall.done_at).where(RateCall.scope.in_(scopes))
    for scope, done_at in session.execute(query):
        found[scope].append(done_at)
    return found


def edge_s(seconds: float) -> float:
    """Seconds kept at the end of a window, for clocks that do not run quite alike: a clock that is
    being corrected runs up to 500 millionths too fast or too slow.
    """
    return 0.05 + seconds * 0.0005


def _wait(
    windows: Sequence[RateWindow], under_way: Sequence[float], share: float, now: float
) -> float:
    """Seconds until one more call fits into all windows of a scope; 0: it fits."""
    if not windows:
        last_begun = max(under_way, default=-math.inf) - LEASE_S
        return POLL_S if now - last_begun < FIRST_ALONE_S else 0.0
    return max(_wait_for_window(window, under_way, share, now) for window in windows)


def _wait_for_window(
    window: RateWindow, under_way: Sequence[float], share: float, now: float
) -> float:
    allowed = max(1, int(window.limit * share))
    length = window.seconds + edge_s(window.seconds)
    calls = [*window.calls, *((done_at, 1) for done_at in under_way)]
    counted = [(at, number) for at, number in calls if at > now - length]
    too_many = sum(number for _, number in counted) + 1 - allowed
    if too_many <= 0:
        return 0.0
    for at, number in sorted(counted):
        too_many -= number
        if too_many <= 0:
            # A call that is under way may be over this moment, and weighs for a window from then.
            return float(min(at, now)) + length - now
    return length


def _learn_limits(
    session: Session,
    scope: str,
    windows: list[RateWindow],
    limits: dict[int, int],
    *,
    is_genuine: bool,
) -> list[RateWindow]:
    """Make the scope's windows those of the answer.

    Args:
        is_genuine: The answer came from the endpoint itself, so that limits would be there if
            there were any; an error from the edge says nothing about them.

    Returns:
        The windows as they are now.
    """
    if not limits:
        if windows or not is_genuine:
            return windows
        limits = DEFAULT_LIMITS
    known = {window.seconds: window for window in windows}
    longest = known[max(known)].calls if known else []
    for seconds in known.keys() - limits.keys():
        session.delete(known.pop(seconds))
    for seconds, limit in limits.items():
        if seconds not in known:
            known[seconds] = RateWindow(scope=scope, seconds=seconds, calls=longest)
            session.add(known[seconds])
        known[seconds].limit = limit
    return list(known.values())


def _count(window: RateWindow, now: float, number: int) -> None:
    """Count calls that are answered now, and forget those that no question reaches back to."""
    # An answer's question goes a window back from its reservation, a lease ago at most; and as much again for a
    # process whose clock is ahead. Whoever finds less takes it for other programs' calls, and waits.
    horizon = now - window.seconds - 2 * LEASE_S
    at = now
    if window.limit > MOST_SLOTS:
        slot = window.seconds / MOST_SLOTS
        at = math.ceil(now / slot) * slot
    calls = {then: count for then, count in window.calls if then >= horizon}
    calls[at] = calls.get(at, 0) + number
    window.calls = sorted(calls.items())


def _count_unknown(
    window: RateWindow,
    under_way: Sequence[float],
    said: ScopeHeaders,
    reserved_at: float,
    now: float,
) -> None:
    """Count the calls that Riot has counted and we know nothing of: another program's with our key,
    or our own of a database that was lost.
    """
    # Riot counted at some moment after the reservation, in a window that began at most its length
    # before: nothing that may have been counted in it is left out here.
    since = reserved_at - window.seconds
    known = sum(number for at, number in window.calls if at > since)
    known += sum(done_at > since for done_at in under_way)
    unknown = said.counts.get(window.seconds, 0) - known
    if unknown > 0:
        _count(window, now, unknown)


def _forget_dead_calls(
    session: Session,
    scope: str,
    windows: Sequence[RateWindow],
    under_way: Sequence[float],
    now: float,
) -> None:
    """Forget calls whose process died before the answer, once they weigh on no window any more."""
    longest = max((window.seconds for window in windows), default=0)
    horizon = now - longest - 4 * LEASE_S
    if any(done_at < horizon for done_at in under_way):
        session.execute(delete(RateCall).where(RateCall.scope == scope, RateCall.done_at < horizon))
