"""What closes a destination for a while: circuit breakers and rate limits, shared through the
database.

A circuit breaker closes a channel, or all channels of a token, that refuse us or do not answer; a send
bucket holds it back as long as its rate limit says. While one is closed no message of it is
claimed, so that it never holds up another. All times are wall times: they decide when something is
tried, never whether it may be sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.delivery.message_rows import reopen
from lol_dagster.delivery.model import (
    Absent,
    Blocked,
    Effect,
    Get,
    More,
    NotSeen,
    NotSent,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
)
from lol_dagster.delivery.transports.base import Hold, Transport, fingerprint
from lol_dagster.storage.models import Breaker, Channel, Message, SendBucket
from lol_dagster.storage.upsert import insert_if_absent

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
OPEN_FOR = timedelta(seconds=60)
PROBE_EVERY = timedelta(hours=1)
FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Destination:
    """A channel as its circuit breakers know it."""

    channel_id: int
    address: str
    """A fingerprint of it."""
    token_scope: str | None
    token: str | None
    """A fingerprint of it."""

    @property
    def scopes(self) -> dict[str, str | None]:
        """Its circuit breakers' scopes, each with the fingerprint of what a refusal depends on."""
        token = {} if self.token_scope is None else {self.token_scope: self.token}
        return {f"channel:{self.channel_id}": self.address, **token}

    def scope(self, about: Literal["channel", "token"]) -> str:
        """The scope that an answer about the channel or the token concerns."""
        if about == "token" and self.token_scope is not None:
            return self.token_scope
        return f"channel:{self.channel_id}"


def destinations(session: Session, transports: Mapping[str, Transport]) -> dict[int, Destination]:
    """Every channel's, by id."""
    found = {}
    for channel in session.scalars(select(Channel)):
        transport = transports[channel.kind]
        found[channel.id] = Destination(
            channel_id=channel.id,
            address=fingerprint(channel.address),
            token_scope=transport.token_scope,
            token=transport.token_fingerprint,
        )
    return found


def opening_times(
    session: Session, of: Iterable[Destination], *, breakers: bool = True
) -> dict[int, datetime]:
    """By channel id, when it is open again (perhaps it is by now); FOREVER: when the operator has
    changed something. Channels that were never closed are left out.

    Args:
        breakers: Whether they count, or the rate limits alone.
    """
    limits = {row.scope: row.not_before for row in session.scalars(select(SendBucket))}
    closed = {row.scope: row for row in session.scalars(select(Breaker))} if breakers else {}
    times: dict[int, datetime] = {}
    for destination in of:
        for scope, print_ in destination.scopes.items():
            candidates = [limits.get(scope)]
            breaker = closed.get(scope)
            if breaker is not None and breaker.fingerprint in {None, print_}:
                candidates.append(FOREVER if breaker.dead else breaker.open_until)
            for until in filter(None, candidates):
                known = times.get(destination.channel_id, until)
                times[destination.channel_id] = max(known, until)
    return times


def refresh(
    session: Session, transports: Mapping[str, Transport], now: datetime
) -> tuple[dict[int, Destination], set[int]]:
    """Bring the breakers up to date with tokens and addresses.

    Returns:
        Every channel's destination by id, and the ids of those that are closed now.
    """
    found = destinations(session, transports)
    current = {scope: print_ for each in found.values() for scope, print_ in each.scopes.items()}
    for breaker in session.scalars(select(Breaker).where(Breaker.fingerprint.is_not(None))):
        if breaker.scope in current and breaker.fingerprint != current[breaker.scope]:
            _open(session, breaker.scope, found.values(), now)
    # Channels with messages due to which no call can even be made.
    with_messages = select(Message.channel_id).where(Message.due_at <= now)
    for channel in session.scalars(
        select(Channel).where(Channel.id.in_(with_messages), Channel.removed_at.is_(None))
    ):
        reason = transports[channel.kind].unusable(channel.address)
        if reason is not None:
            destination = found[channel.id]
            block(session, destination, destination.scope("token"), reason, now, dead=True)
    opening = opening_times(session, found.values())
    return found, {channel_id for channel_id, time in opening.items() if time > now}


def begin_probe(
    session: Session, destination: Destination, now: datetime, lease: timedelta
) -> Literal["ours", "taken", "needless"]:
    """A breaker whose time is over lets one message through: take that turn if there is one."""
    probe: Literal["ours", "needless"] = "needless"
    for scope in destination.scopes:
        breaker = session.get(Breaker, scope)
        if breaker is None or breaker.open_until is None or breaker.open_until > now:
            continue
        taken = session.scalars(
            update(Breaker)
            .where(Breaker.scope == scope, Breaker.open_until == breaker.open_until)
            .values(open_until=now + lease)
            .returning(Breaker.scope)
            .execution_options(synchronize_session=False)
        ).all()
        session.expire(breaker)
        if not taken:
            return "taken"
        probe = "ours"
    return probe


def note(
    session: Session,
    destination: Destination,
    verdict: Verdict,
    holds: Iterable[Hold],
    sharers: Collection[Destination],
    now: datetime,
    *,
    effect: Effect,
) -> None:
    """Draw the consequences of an answer for all messages of its channel, or of its token.

    Args:
        sharers: All channels that may share the token.
        effect: What was answered.
    """
    for hold in holds:
        _hold(session, destination.scope(hold.scope), now + timedelta(seconds=hold.seconds))
    match verdict:
        case Blocked(dead=False) if isinstance(effect, Get):
            pass  # a channel that refuses reads may well allow posts
        case Blocked(reason, about, dead):
            block(session, destination, destination.scope(about), reason, now, dead=dead)
        case Uncertain() | NotSent(retry_after=None) | NotSeen(retry_after=None):
            _count_failure(session, destination, verdict.reason, now)
        case (
            Absent() | More() | Unclear() | UnreadableHistory() | Unmarked() | NotSent() | NotSeen()
        ):
            pass  # an answer, but none that shows that sending works
        case _:
            for scope in destination.scopes:
                _open(session, scope, sharers, now)


def block(
    session: Session,
    destination: Destination,
    scope: str,
    reason: str,
    now: datetime,
    *,
    dead: bool,
) -> None:
    """Close a scope that refuses us: for an hour, or until the operator changes something."""
    breaker = _breaker(session, scope)
    if breaker.reason != reason or breaker.fingerprint is None:
        logger.warning(
            "blocked: %s", reason, extra={"scope": scope, "channel_id": destination.channel_id}
        )
        breaker.since = now
    breaker.dead = dead
    breaker.open_until = None if dead else now + PROBE_EVERY
    breaker.reason = reason
    breaker.fingerprint = destination.scopes[scope]
    breaker.failures = 0


def _count_failure(session: Session, destination: Destination, reason: str, now: datetime) -> None:
    scope = destination.scope("channel")
    breaker = _breaker(session, scope)
    breaker.failures += 1
    breaker.since = breaker.since or now
    breaker.reason = reason
    if breaker.failures >= FAILURES_TO_OPEN:
        breaker.open_until = now + OPEN_FOR
        if breaker.failures == FAILURES_TO_OPEN:
            logger.warning("%s does not answer: %s", scope, reason, extra={"scope": scope})


def _open(session: Session, scope: str, destinations: Iterable[Destination], now: datetime) -> None:
    breaker = session.get(Breaker, scope, with_for_update=True, populate_existing=True)
    if breaker is None:
        return
    was_closed = breaker.dead or breaker.open_until is not None
    session.delete(breaker)
    if was_closed:
        logger.info("open again: %s", scope, extra={"scope": scope})
        channels = [each.channel_id for each in destinations if scope in each.scopes]
        reopen(session, channels, now)


def _breaker(session: Session, scope: str) -> Breaker:
    """The scope's row, locked; made if there is none."""
    insert_if_absent(session, Breaker, [{"scope": scope, "failures": 0, "dead": False}])
    row = session.get(Breaker, scope, with_for_update=True, populate_existing=True)
    assert row is not None
    return row


def _hold(session: Session, scope: str, until: datetime) -> None:
    insert_if_absent(session, SendBucket, [{"scope": scope, "not_before": until}])
    row = session.get(SendBucket, scope, with_for_update=True, populate_existing=True)
    assert row is not None
    row.not_before = max(row.not_before, until)
