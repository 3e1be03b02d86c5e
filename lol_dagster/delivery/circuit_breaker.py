"""What closes a destination for a while: circuit breakers and rate limits, shared through the
database.

A circuit breaker closes a channel to one kind of call, or all channels of a token to all of them, where
they refuse us or do not answer; a send bucket holds calls back as long as their rate limit says.
Posts, edits and scans are closed each by themselves: a channel that refuses edits still gets its news.
While a kind of call is closed no message that would make one is claimed, so that it never holds up
another. All times are wall times: they decide when something is tried, never whether it may be sent
twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.delivery.destinations import Destination, all_destinations, openings
from lol_dagster.delivery.message_rows import reopen
from lol_dagster.delivery.model import (
    Absent,
    Blocked,
    Effect,
    Get,
    More,
    NotSeen,
    NotSent,
    Post,
    Scan,
    Seen,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
)
from lol_dagster.delivery.scopes import CALLS, Call, channel_of
from lol_dagster.delivery.transports.base import Hold, Transport
from lol_dagster.storage.models import Breaker, Channel, Message, SendBucket
from lol_dagster.storage.upsert import insert_if_absent

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
OPEN_FOR = timedelta(seconds=60)
PROBE_EVERY = timedelta(hours=1)


def call_of(effect: Effect) -> Call:
    """Of which kind the call is that an effect asks for."""
    return "post" if isinstance(effect, Post) else "scan" if isinstance(effect, Scan) else "edit"


def refresh(
    session: Session, transports: Mapping[str, Transport], now: datetime
) -> tuple[dict[int, Destination], set[tuple[int, Call]]]:
    """Bring the breakers up to date with tokens and addresses.

    Returns:
        Every channel's destination by id, and which of them are closed now to which kind of call.
    """
    found = all_destinations(session, transports)
    refusing = session.scalars(select(Breaker).where(Breaker.fingerprint.is_not(None))).all()
    current = {
        scope: print_
        for each in (found.values() if refusing else ())
        for scope, print_ in each.scopes.items()
    }
    for breaker in refusing:
        if breaker.scope in current and breaker.fingerprint != current[breaker.scope]:
            _open(session, breaker.scope, found.values, now)
    # What nobody has tried for an hour after it was to be tried again: no edit, or no search, waits for it.
    for breaker in session.scalars(select(Breaker).where(Breaker.open_until < now - PROBE_EVERY)):
        of_channel = channel_of(breaker.scope)
        if of_channel is not None and of_channel[1] != "post":
            _open(session, breaker.scope, found.values, now)
    # Channels with messages due to which no call can even be made.
    with_messages = select(Message.channel_id).where(Message.due_at <= now)
    for channel_id, kind, address in session.execute(
        select(Channel.id, Channel.kind, Channel.address).where(
            Channel.id.in_(with_messages), Channel.removed_at.is_(None)
        )
    ):
        reason = transports[kind].unusable(address)
        if reason is not None:
            destination = found[channel_id]
            scope = destination.refused_scope("token", "post")
            block(session, destination, scope, reason, now, dead=True)
    opening = openings(session, found.values())
    return found, {closed for closed, time in opening.items() if time > now}


def doubtful(session: Session, of: Iterable[Destination]) -> set[tuple[int, Call]]:
    """Which of these channels did not take, or not answer, the last call of a kind: of those that are not
    closed now each may cost a whole call's time again.
    """
    failing = set(session.scalars(select(Breaker.scope)))
    return {
        (each.channel_id, call)
        for each in (of if failing else ())
        for call in CALLS
        if not failing.isdisjoint((each.scope(call), each.token_scope))
    }


def begin_probe(
    session: Session, destination: Destination, call: Call, now: datetime, lease: timedelta
) -> frozenset[str] | None:
    """A breaker whose time is over lets one message through: take that turn where there is one.

    Returns:
        The scopes that are tried out now; None: another deliverer does that.
    """
    ours = set()
    for scope in destination.scopes_for(call):
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
            return None
        ours.add(scope)
    return frozenset(ours)


def give_turn_back(
    session: Session, scopes: Collection[str], until: datetime | None, now: datetime
) -> None:
    """Let the next page of a history be read at once, or another message try: a page says nothing of
    whether posts are taken again.

    Args:
        until: When the turn would be over; what was closed by others meanwhile stays so.
    """
    session.execute(
        update(Breaker)
        .where(Breaker.scope.in_(scopes), Breaker.open_until == until)
        .values(open_until=now)
        .execution_options(synchronize_session=False)
    )


def note(
    session: Session,
    destination: Destination,
    verdict: Verdict,
    holds: Iterable[Hold],
    sharers: Callable[[], Iterable[Destination]],
    now: datetime,
    *,
    effect: Effect,
) -> None:
    """Draw the consequences of an answer for all messages of its channel, or of its token.

    Args:
        sharers: All channels that may share the token, where they are needed.
        effect: What was answered.
    """
    call = call_of(effect)
    for hold in holds:
        _hold(session, destination.held_scope(hold, call), now + timedelta(seconds=hold.seconds))
    match verdict:
        case Blocked(scope="channel", dead=False) if isinstance(effect, Get):
            pass  # a channel that refuses reads may well allow edits
        case Blocked(reason, _, dead=True):
            block(session, destination, destination.scope("post"), reason, now, dead=True)
        case Blocked(reason, about):
            scope = destination.refused_scope(about, call)
            block(session, destination, scope, reason, now, dead=False)
        case Uncertain() | NotSent(retry_after=None) | NotSeen(retry_after=None):
            _count_failure(session, destination.scope(call), verdict.reason, now)
        case _:
            for scope in _proven(session, destination, verdict, call):
                _open(session, scope, sharers, now)


def _proven(
    session: Session, destination: Destination, verdict: Verdict, call: Call
) -> tuple[str, ...]:
    """The scopes of which an answer shows that they work."""
    scope = destination.scope(call)
    token = () if destination.token_scope is None else (destination.token_scope,)
    match verdict:
        case NotSent() | NotSeen():
            return ()  # a rate limit says nothing about anything else
        case Absent() | More() | Unclear() | UnreadableHistory():
            return (scope,)  # whether the token may send is another question
        case Seen() | Unmarked() if _refuses(session, scope):
            return token  # what may be read need not be editable
        case _:
            return (scope, *token)


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


def _refuses(session: Session, scope: str) -> bool:
    breaker = session.get(Breaker, scope)
    return breaker is not None and breaker.fingerprint is not None


def _count_failure(session: Session, scope: str, reason: str, now: datetime) -> None:
    breaker = _breaker(session, scope)
    breaker.failures += 1
    breaker.since = breaker.since or now
    breaker.reason = reason
    if breaker.failures >= FAILURES_TO_OPEN:
        breaker.open_until = now + OPEN_FOR
        if breaker.failures == FAILURES_TO_OPEN:
            logger.warning("%s does not answer: %s", scope, reason, extra={"scope": scope})


def _open(
    session: Session,
    scope: str,
    destinations: Callable[[], Iterable[Destination]],
    now: datetime,
) -> None:
    breaker = session.get(Breaker, scope, with_for_update=True, populate_existing=True)
    if breaker is None:
        return
    was_closed = breaker.dead or breaker.open_until is not None
    session.delete(breaker)
    if was_closed:
        logger.info("open again: %s", scope, extra={"scope": scope})
        channels = [each.channel_id for each in destinations() if scope in each.scopes_for("post")]
        reopen(session, channels, now)


def _breaker(session: Session, scope: str) -> Breaker:
    """The scope's row, locked; made if there is none."""
    insert_if_absent(session, Breaker, [{"scope": scope, "failures": 0, "dead": False}])
    row = session.get(Breaker, scope, with_for_update=True, populate_existing=True)
    assert row is not None
    return row


def hold_uploads(session: Session, destination: Destination, until: datetime) -> None:
    """No picture is to be uploaded before: the limit is of the token, whatever the channel."""
    _hold(session, _uploads(destination), until)


def uploads_held(session: Session, destination: Destination, now: datetime) -> datetime | None:
    """Until when no picture is to be uploaded; None: one may be."""
    limit = session.get(SendBucket, _uploads(destination))
    return limit.not_before if limit is not None and limit.not_before > now else None


def _uploads(destination: Destination) -> str:
    return f"uploads:{destination.token_scope}"


def _hold(session: Session, scope: str, until: datetime) -> None:
    insert_if_absent(session, SendBucket, [{"scope": scope, "not_before": until}])
    row = session.get(SendBucket, scope, with_for_update=True, populate_existing=True)
    assert row is not None
    row.not_before = max(row.not_before, until)
