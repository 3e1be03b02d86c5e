"""Channels as their circuit breakers and rate limits know them, and when what is closed to them opens again.

Read only: `circuit_breaker` closes and opens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal

from sqlalchemy import ColumnElement, and_, case, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.model import LONG_WAIT
from lol_dagster.delivery.scopes import CALLS, Call, channel_scope
from lol_dagster.delivery.transports.base import Hold, Transport, fingerprint
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe, Message, SendBucket

FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Destination:
    """A channel as its circuit breakers know it."""

    channel_id: int
    address: str
    """A fingerprint of it."""
    service: str
    calls_per_second: int | None
    """As `Transport.calls_per_second`."""
    token_scope: str | None
    token: str | None
    """A fingerprint of it."""
    read_back: bool
    """What may have been sent is looked for before it is sent again."""
    removed: bool
    """Nothing is sent there any more, so that nothing closes it."""

    def scope(self, call: Call) -> str:
        """Of the circuit breaker and of the send bucket of a kind of call."""
        return channel_scope(self.channel_id, call)

    @property
    def service_scope(self) -> str:
        """Of the send bucket that all channels of the service share."""
        return f"service:{self.service}"

    @property
    def scopes(self) -> dict[str, str | None]:
        """Its circuit breakers' scopes, each with the fingerprint of what a refusal depends on."""
        return {scope: print_ for call in CALLS for scope, print_ in self.scopes_for(call).items()}

    def scopes_for(self, call: Call) -> dict[str, str | None]:
        """Those of `scopes` that one kind of call depends on."""
        if self.removed:
            return {}
        token = {} if self.token_scope is None else {self.token_scope: self.token}
        # What is looked for in vain is posted.
        own = (self.scope(call), *((self.scope("post"),) if call == "scan" else ()))
        return {**dict.fromkeys(own, self.address), **token}

    def held_scope(self, hold: Hold, call: Call) -> str:
        """The send bucket that a rate limit concerns which a call of this kind has met."""
        if hold.scope == "service" or (hold.scope == "token" and self.token_scope is None):
            return self.service_scope
        return self.refused_scope(hold.scope, call)

    def refused_scope(self, about: Literal["channel", "token"], call: Call) -> str:
        """The scope that an answer to a call of this kind about the channel or the token concerns."""
        if about == "token" and self.token_scope is not None:
            return self.token_scope
        return self.scope(call)


def all_destinations(
    session: Session, transports: Mapping[str, Transport]
) -> dict[int, Destination]:
    """Every channel's, by id."""
    unseen = set(
        session.scalars(
            select(ChannelProbe.channel_id).where(ChannelProbe.can_read_back.is_(False))
        )
    )

    @cache  # this is asked for each message, of hundreds of channels
    def kinds(kind: str) -> tuple[Transport, str | None, bool]:
        transport = transports[kind]
        return transport, transport.token_fingerprint, transport.capabilities.read_back

    found = {}
    for channel_id, kind, address, removed_at in session.execute(
        select(Channel.id, Channel.kind, Channel.address, Channel.removed_at)
    ):
        transport, token, read_back = kinds(kind)
        found[channel_id] = Destination(
            channel_id=channel_id,
            address=fingerprint(address),
            service=transport.service,
            calls_per_second=transport.calls_per_second,
            token_scope=transport.token_scope,
            token=token,
            read_back=read_back and channel_id not in unseen,
            removed=removed_at is not None,
        )
    return found


Openings = dict[tuple[int, Call], datetime]
"""By channel id and kind of call, when it is open again (perhaps it is by now); FOREVER: when the
operator has changed something. What was never closed is left out."""


def openings(session: Session, of: Iterable[Destination], *, but: Collection[str] = ()) -> Openings:
    """When what is closed to these channels opens.

    Args:
        but: Scopes whose breakers do not count, only their rate limits.
    """
    held = session.execute(select(SendBucket.scope, SendBucket.not_before))
    limits = {row.scope: row.not_before for row in held}
    breakers = {row.scope: row for row in session.scalars(select(Breaker))}
    times: Openings = {}
    for destination in of:
        for call in () if destination.removed else CALLS:
            scopes = destination.scopes_for(call)
            candidates = [limits.get(scope) for scope in (*scopes, destination.service_scope)]
            # What is gone is not called at all.
            for scope, print_ in {**scopes, destination.scope("post"): destination.address}.items():
                breaker = breakers.get(scope)
                if breaker is None or scope in but or breaker.fingerprint not in {None, print_}:
                    continue
                if breaker.dead:
                    candidates.append(FOREVER)
                elif scope in scopes:
                    candidates.append(breaker.open_until)
            if known := [each for each in candidates if each is not None]:
                times[destination.channel_id, call] = max(known)
    return times


def is_refused(session: Session, channel_id: int, call: Call, now: datetime) -> bool:
    """Whether a channel is known to refuse a kind of call, or to put it off for long, now: news would wait
    for what is tried once an hour. A channel that does not answer is tried soon.
    """
    scope = channel_scope(channel_id, call)
    breaker, limit = session.get(Breaker, scope), session.get(SendBucket, scope)
    if limit is not None and limit.not_before >= now + timedelta(seconds=LONG_WAIT):
        return True
    return (
        breaker is not None
        and breaker.fingerprint is not None
        and breaker.open_until is not None
        and breaker.open_until > now
    )


def next_call(of: Iterable[Destination]) -> ColumnElement[Call]:
    """Which kind of call is the next that a message needs, as SQL."""
    unreadable = [each.channel_id for each in of if not each.read_back]
    return case(
        (Message.evidence.is_not(None), "edit"),
        (and_(Message.sent_maybe, Message.channel_id.not_in(unreadable)), "scan"),
        else_="post",
    )
