"""The messages' rows: claimed, stepped on and written back, each in one short transaction.

Every write names the fence it was claimed under and the state `sending`: a deliverer that was away
for too long finds nothing to write to and stops. The network is never touched from here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery import due, gates, record
from lol_dagster.delivery.calls import rendered
from lol_dagster.delivery.claimed import Claimed
from lol_dagster.delivery.clock import Clock
from lol_dagster.delivery.gates import Destination
from lol_dagster.delivery.protocol import can_wait, is_retry, may_send, step
from lol_dagster.delivery.ration import take_turn
from lol_dagster.delivery.rows import in_hand, row_of, terms_of, write_row
from lol_dagster.delivery.states import (
    Absent,
    Answered,
    Blocked,
    Claim,
    Effect,
    Event,
    GetVerdict,
    HoldBack,
    Intend,
    Moment,
    Patch,
    Post,
    PostVerdict,
    Rationed,
    Row,
    ScanVerdict,
    Send,
    Timing,
    Verdict,
    Withdraw,
)
from lol_dagster.delivery.transports.base import Answer, Outgoing, Transport
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Channel, Message

logger = logging.getLogger(__name__)


class Outbox:
    """What deliverers share through the database."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        clock: Clock,
        *,
        timing: Timing,
        lease_owner: str,
        jitter: Callable[[], float],
        crashpoint: Callable[[str], None],
    ) -> None:
        """
        Args:
            transports: By `Channel.kind`, all four.
            lease_owner: Who claims, for people.
            jitter: Uniform in [0, 1).
        """
        self._database = database
        self._transports = transports
        self._clock = clock
        self._timing = timing
        self._holder = lease_owner
        self._dice = jitter
        self._crashpoint = crashpoint

    # --- claiming ------------------------------------------------------------------------------

    def claim(
        self,
        now: datetime,
        *,
        run_id: str | None = None,
        only_match_ids: Collection[str] | None = None,
    ) -> Claimed | None:
        """Take the next message that is due, and its first step. None: nothing can be done now.

        Args:
            run_id: The Dagster run on whose behalf, for the record.
            only_match_ids: Only messages that tell of one of these games.
        """
        claimed_at = self._clock.local()
        with self._database.writing() as session:
            destinations = gates.destinations(session, self._transports)
            gates.forget_outdated(session, destinations.values(), now)
            self._block_unusable(session, destinations, now)
            opening = gates.opening_times(session, destinations.values())
            closed = {channel_id for channel_id, time in opening.items() if time > now}
            moment = self._moment(session, now)
            while message := self._next(session, moment, closed, only_match_ids):
                destination = destinations[message.channel_id]
                lease = timedelta(seconds=self._timing.lease)
                probe = gates.begin_probe(session, destination, now, lease)
                if probe != "taken":
                    claimed = self._take(session, message, destination, moment)
                    session.flush()
                    self._crashpoint("claiming")
                    return replace(
                        claimed, probing=probe == "ours", claimed_at=claimed_at, run_id=run_id
                    )
                closed.add(message.channel_id)
        return None

    def _next(
        self,
        session: Session,
        now: Moment,
        closed: Collection[int],
        only_match_ids: Collection[str] | None,
    ) -> Message | None:
        query = select(Message).where(
            due.free(now), Message.channel_id.not_in(closed), *due.telling_of(only_match_ids)
        )
        # A message that was refused is the last to try its channel again: it may be the only one
        # that is.
        order = (Message.state == "blocked", Message.order_at, Message.id)
        return session.scalars(
            query.order_by(*order).limit(1).with_for_update(skip_locked=True, of=Message)
        ).first()

    def _take(
        self, session: Session, message: Message, destination: Destination, now: Moment
    ) -> Claimed:
        channel = session.get_one(Channel, message.channel_id)
        held = in_hand(session, message, self._transports, destination, self._timing)
        row, terms = held.row, held.terms
        if row.sent_maybe and row.after_id is None:
            # A backup was restored: a lost app may have posted it as soon as the game had ended.
            after_id = self._transports[channel.kind].after_id(message.order_at)
            row = replace(row, after_id=after_id)
        row, effects = step(row, Claim(self._holder), now, terms)
        if channel.removed_at is not None:
            row, effects = step(row, Withdraw("its channel was removed"), now, terms)
        elif message.kind == "test" and row.fence > 1:
            # Whoever made it has died over it: it tells of nothing, and is never sent later.
            row, effects = step(row, Withdraw("the test was not seen to its end"), now, terms)
        write_row(message, row)
        return replace(held, row=row, effects=effects)

    def open_test(self, message: Message, now: datetime) -> Claimed:
        """Add a test message, claimed already: no deliverer ever sends it.

        Its claim is a probe: a breaker does not hold it back, since a person asks.
        """
        claimed_at = self._clock.local()
        with self._database.writing() as session:
            session.add(message)
            session.flush()
            destination = gates.destinations(session, self._transports)[message.channel_id]
            claimed = self._take(session, message, destination, self._moment(session, now))
            return replace(claimed, probing=True, claimed_at=claimed_at)

    def _block_unusable(
        self, session: Session, destinations: Mapping[int, Destination], now: datetime
    ) -> None:
        """Close the channels that have something to say and that no call can even be made to."""
        speaking = select(Message.channel_id).where(Message.due_at <= now)
        for channel in session.scalars(
            select(Channel).where(Channel.id.in_(speaking), Channel.removed_at.is_(None))
        ):
            transport = self._transports[channel.kind]
            reason = transport.unusable(channel.address)
            if reason is not None:
                destination = destinations[channel.id]
                scope = destination.scope("token")
                gates.block(session, destination, scope, reason, now, dead=True)

    # --- stepping on ---------------------------------------------------------------------------

    def intend(self, claimed: Claimed, send: Send, now: datetime) -> Claimed | None:
        """Pre-check, and make the intent to send durable; None: another one has the message now.

        What comes back has no effects if the pre-check said no.
        """
        transport = self._transports[claimed.kind]
        with self._database.writing() as session:
            opening = gates.opening_times(
                session, [claimed.destination], breakers=not claimed.probing
            ).get(claimed.destination.channel_id, now)
            retry = is_retry(claimed.row) and not claimed.probing
            event: Event = Intend(transport.after_id(claimed.row.created_at))
            if not may_send(self.age(claimed), claimed.terms):
                event = HoldBack(now, "the claim grew old before the call")
            elif opening > now:
                # Due as it was: a closed channel's messages are not claimed until it is open again,
                # which may be sooner than is known now, or when the operator has changed something.
                event = HoldBack(now, "the channel is not to be called for now")
            elif retry and (turn := self._turn(session, claimed, now)) is not None:
                event = Rationed(turn)
            stepped = self._apply(session, claimed, event, now)
            if stepped is None or not stepped.effects:
                return stepped
            attempt = Attempt(
                message_id=claimed.row.id,
                fence=claimed.row.fence,
                op=send.op,
                rev=stepped.row.desired_rev,
                at=now,
                run_id=claimed.run_id,
                retry=retry,
            )
            outgoing = rendered(transport, stepped, stepped.row.desired_rev)
            if isinstance(outgoing, Outgoing):
                attempt.body_sha256 = outgoing.body_sha256
            session.add(attempt)
            session.flush()
            self._crashpoint("intending")
            return replace(stepped, attempt_id=attempt.id, outgoing=outgoing)

    def _turn(self, session: Session, claimed: Claimed, now: datetime) -> datetime | None:
        """When a retry may be made that has to wait for it; None: now."""
        if not can_wait(claimed.row, self._moment(session, now), claimed.terms):
            return None
        return take_turn(session, claimed.destination.channel_id, self._timing, now).opens_at

    def conclude(
        self, claimed: Claimed, effect: Effect, answer: Answer[Verdict], now: datetime
    ) -> Claimed | None:
        """Write down what the call that `effect` asked for has brought, and step on.

        None: another one has the message now.
        """
        with self._database.writing() as session:
            event = _event(session, claimed.row.id, effect, answer.verdict)
            record.attempt(session, claimed, effect, answer, now)
            self._note(session, claimed, effect, answer, now)
            stepped = self._apply(session, claimed, event, now)
            self._crashpoint("concluding")
            return stepped

    def age(self, claimed: Claimed) -> float:
        """Seconds since before the claim."""
        return self._clock.local() - claimed.claimed_at

    def witness(self, claimed: Claimed) -> str | None:
        """The remote id of the last message that is known to stand in the channel."""
        with self._database.reading() as session:
            return session.scalars(
                select(Message.remote_id)
                .where(
                    Message.channel_id == claimed.destination.channel_id,
                    Message.remote_id.is_not(None),
                    Message.remote_deleted.is_(False),
                )
                .order_by(Message.delivered_at.desc())
                .limit(1)
            ).first()

    def record(
        self, claimed: Claimed, effect: Effect, answer: Answer[Verdict], now: datetime
    ) -> None:
        """Write down a call from which no step of the message follows: a superfluous copy's end, or
        what a test does. Its refusal closes nothing, as no message waits for it.
        """
        with self._database.writing() as session:
            record.attempt(session, claimed, effect, answer, now)
            if not isinstance(answer.verdict, Blocked):
                self._note(session, claimed, effect, answer, now)

    def _note(
        self,
        session: Session,
        claimed: Claimed,
        effect: Effect,
        answer: Answer[Verdict],
        now: datetime,
    ) -> None:
        sharers = gates.destinations(session, self._transports).values()
        verdict, holds = answer.verdict, answer.holds
        gates.note(session, claimed.destination, verdict, holds, sharers, now, effect=effect)
        record.sight(session, claimed.destination.channel_id, answer.verdict)

    def withdraw(self, message_id: str, reason: str, now: datetime) -> Row:
        """End what was not told, whoever has it: it is never sent any more."""
        with self._database.writing() as session:
            message = session.get_one(
                Message, message_id, with_for_update={"of": Message}, populate_existing=True
            )
            row = row_of(message)
            if not row.told:
                channel = session.get_one(Channel, message.channel_id)
                terms = terms_of(session, channel, self._transports, self._timing)
                row, _ = step(row, Withdraw(reason), self._moment(session, now), terms)
                write_row(message, row)
            return row

    def _apply(
        self, session: Session, claimed: Claimed, event: Event, now: datetime
    ) -> Claimed | None:
        message = session.scalars(
            select(Message)
            .where(
                Message.id == claimed.row.id,
                Message.fence == claimed.row.fence,
                Message.state == "sending",
            )
            .with_for_update()
        ).one_or_none()
        if message is None:
            logger.warning(
                "fenced: another deliverer has taken the message over",
                extra={"message_id": claimed.row.id, "fence": claimed.row.fence},
            )
            return None
        row, effects = step(row_of(message), event, self._moment(session, now), claimed.terms)
        write_row(message, row)
        return replace(
            claimed,
            row=row,
            effects=effects,
            content=message.content,
            attempt_id=None,
            outgoing=None,
        )

    def _moment(self, session: Session, now: datetime) -> Moment:
        epoch, at = self._clock.read(session)
        return Moment(epoch=epoch, at=at, wall=now, jitter=self._dice())


def _event(session: Session, message_id: str, effect: Effect, verdict: Verdict) -> Event:
    """The verdict as the core takes it: with what is known besides."""
    match effect, verdict:
        case Post(_, maybe_before), _:
            return Answered(cast("PostVerdict", verdict), maybe_before)
        case Patch(), _:
            return Answered(cast("PostVerdict", verdict))
        case _, Absent():
            return Absent(record.last_post_met_server_error(session, message_id))
    return cast("ScanVerdict | GetVerdict", verdict)
