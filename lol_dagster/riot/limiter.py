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

Limits come from headers alone. Before the first answer one call at a time is let out; where answers
have no limits, 20 calls a second. Times are epoch seconds, as several processes share them.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from lol_dagster.riot.rate_headers import RateHeaders, ScopeHeaders
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RateCall, RateHold, RateWindow
from lol_dagster.storage.upsert import insert_if_absent

Priority = Literal["live", "backfill"]

SHARES: dict[Priority, float] = {"live": 1.0, "backfill": 0.6}
"""How much of a window each kind of call may fill: what is left is kept for the kinds before it."""

DEFAULT_LIMITS = {1: 20}
"""Seconds → calls, where Riot's answers have no limits: the shorter limit of the smallest key."""

LEASE_S = 15.0
"""A call is over by then, whatever happens to its process: longer than a call's deadline."""

EDGE_S = 0.2
"""Kept at the end of each window for clocks that do not run quite alike."""

POLL_S = 0.1
"""How soon to ask again while another process finds out the limits."""

LONGEST_HOLD_S = 3600.0
"""No hold is believed to be longer. One that is was set before the clock was put back."""


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
        with self._database.writing() as session:
            holds = _lock(session, scopes)
            now = self._clock()  # the lock may have taken its time
            _mend_after_clock_change(session, holds, now)
            wait = max(
                *(hold.until - now for hold in holds),
                *(_wait_for_capacity(session, scope, SHARES[priority], now) for scope in scopes),
            )
            if wait > 0:
                return Wait(wait)
            token = uuid.uuid4().hex
            for scope in scopes:
                session.add(RateCall(token=token, scope=scope, done_at=now + LEASE_S))
        return Reservation(token, app_scope, method_scope, now)

    def observe(self, reservation: Reservation, status: int, headers: RateHeaders) -> float:
        """Put right what we know with what an answer says.

        Returns:
            Epoch seconds until which a refusal holds calls of this kind; now, if none does.
        """
        now = self._clock()
        scopes = (reservation.app_scope, reservation.method_scope)
        with self._database.writing() as session:
            holds = {hold.scope: hold for hold in _lock(session, scopes)}
            session.execute(
                update(RateCall).where(RateCall.token == reservation.token).values(done_at=now)
            )
            for scope, said in zip(scopes, (headers.app, headers.method), strict=True):
                _learn_limits(session, scope, said.limits, is_genuine=status in {200, 404})
                _learn_counts(session, scope, said, reservation.at, now)
                _forget_old_calls(session, scope, now)
            if status == 429:
                is_app = headers.limit_type == "application"
                hold = holds[reservation.app_scope if is_app else reservation.method_scope]
                self._pause(hold, headers.retry_after, now)
            elif status == 200:
                for hold in holds.values():
                    hold.strikes = 0
            return max(now, *(hold.until for hold in holds.values()))

    def give_back(self, reservation: Reservation) -> None:
        """Undo a reservation whose call never left."""
        with self._database.writing() as session:
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


def _mend_after_clock_change(session: Session, holds: Sequence[RateHold], now: float) -> None:
    """Take back what lies further ahead than anything we ever write: the clock was put back, and it
    would otherwise block until the old time has come again.
    """
    for hold in holds:
        if hold.until > now + LONGEST_HOLD_S:
            hold.until = now
    session.execute(
        update(RateCall)
        .where(
            RateCall.scope.in_([hold.scope for hold in holds]),
            RateCall.done_at > now + LEASE_S + 1,
        )
        .values(done_at=now)
    )


def _wait_for_capacity(session: Session, scope: str, share: float, now: float) -> float:
    """Seconds until one more call fits into all windows of the scope; 0: it fits."""
    windows = session.scalars(select(RateWindow).where(RateWindow.scope == scope)).all()
    if not windows:
        return POLL_S if _calls_since(session, scope, now) else 0.0
    return max(_wait_for_window(session, window, share, now) for window in windows)


def _wait_for_window(session: Session, window: RateWindow, share: float, now: float) -> float:
    allowed = max(1, int(window.limit * share))
    length = window.seconds + EDGE_S
    too_many = _calls_since(session, window.scope, now - length) + 1 - allowed
    if too_many <= 0:
        return 0.0
    calls = session.execute(
        select(RateCall.done_at, RateCall.calls)
        .where(RateCall.scope == window.scope, RateCall.done_at > now - length)
        .order_by(RateCall.done_at)
    )
    for done_at, number in calls:
        too_many -= number
        if too_many <= 0:
            # A call that is under way may be over this moment, and weighs for a window from then.
            return float(min(done_at, now)) + length - now
    return length


def _calls_since(session: Session, scope: str, since: float) -> int:
    """Calls that Riot may have counted after `since`."""
    total = session.scalar(
        select(func.coalesce(func.sum(RateCall.calls), 0)).where(
            RateCall.scope == scope, RateCall.done_at > since
        )
    )
    return int(total or 0)


def _learn_limits(
    session: Session, scope: str, limits: dict[int, int], *, is_genuine: bool
) -> None:
    """Make the scope's windows those of the answer.

    Args:
        is_genuine: The answer came from the endpoint itself, so that limits would be there if
            there were any; an error from the edge says nothing about them.
    """
    windows = session.scalars(select(RateWindow).where(RateWindow.scope == scope)).all()
    if not limits:
        if windows or not is_genuine:
            return
        limits = DEFAULT_LIMITS
    for window in windows:
        if window.seconds not in limits:
            session.delete(window)
    for seconds, limit in limits.items():
        session.merge(RateWindow(scope=scope, seconds=seconds, limit=limit))


def _learn_counts(
    session: Session, scope: str, said: ScopeHeaders, reserved_at: float, now: float
) -> None:
    """Add the calls that Riot has counted and we know nothing of: another program's with our key,
    or our own of a database that was lost.
    """
    for seconds, count in said.counts.items():
        # Riot counted at some moment after the reservation, in a window that began at most its
        # length before: nothing that may have been counted in it is left out here.
        unknown = count - _calls_since(session, scope, reserved_at - seconds)
        if unknown > 0:
            session.add(RateCall(token=uuid.uuid4().hex, scope=scope, done_at=now, calls=unknown))


def _forget_old_calls(session: Session, scope: str, now: float) -> None:
    longest = session.scalar(select(func.max(RateWindow.seconds)).where(RateWindow.scope == scope))
    horizon = now - (longest or 0) - 4 * LEASE_S
    session.execute(delete(RateCall).where(RateCall.scope == scope, RateCall.done_at < horizon))
