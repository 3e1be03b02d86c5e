"""The messages' rows: claimed, stepped on and written back, each in one short transaction.

Every write names the fence it was claimed under and the state `sending`: a deliverer that was away
for too long finds nothing to write to and stops. The network is never touched from here.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.orm import Session

from lol_dagster.delivery import circuit_breaker, pace, pictures
from lol_dagster.delivery.champion_icons import shown_icons
from lol_dagster.delivery.claimed_message import ClaimedMessage, as_claimed, rendered, wanted
from lol_dagster.delivery.clock import Clock
from lol_dagster.delivery.destinations import (
    FOREVER,
    Destination,
    Openings,
    all_destinations,
    next_call,
    openings,
)
from lol_dagster.delivery.judging import judged, others_pass
from lol_dagster.delivery.message_rows import add_message, apply, go_without_picture
from lol_dagster.delivery.model import (
    QUIET,
    Absent,
    Blocked,
    Claim,
    Delete,
    Effect,
    Event,
    Found,
    HoldBack,
    Intend,
    Moment,
    More,
    NotSeen,
    NotSent,
    OverBudget,
    Patch,
    Scan,
    Send,
    Timing,
    UnreadableHistory,
    Verdict,
    Withdraw,
)
from lol_dagster.delivery.protocol import can_wait, event_of, is_retry, may_send
from lol_dagster.delivery.retry_budget import take_turn
from lol_dagster.delivery.scopes import CALLS, Call
from lol_dagster.delivery.transports.base import Answer, Outgoing, Transport, Wanted
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.quiet import quiet_until
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Channel, ChannelProbe, Message, MessageGame

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """A picture that is to be uploaded, or has been, and is not ready."""

    card: dict[str, Any]
    file_id: str | None
    """None: it is to be uploaded."""
    until: datetime
    """When the edit is made without it."""
    held_until: datetime | None
    """Until when the service wants nothing to be uploaded; None: something may be."""


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
        draws: bool = True,
    ) -> None:
        """
        Args:
            transports: `transports.registry.all_transports(settings)`.
            lease_owner: Who claims, for people.
            draws: Pictures can be drawn.
            jitter: Uniform in [0, 1).
        """
        self._database = database
        self._transports = transports
        self._clock = clock
        self._timing = timing
        self._lease_owner = lease_owner
        self._jitter = jitter
        self._crashpoint = crashpoint
        self._draws = draws

    # --- what is due ---------------------------------------------------------------------------

    def due_now(self, now: datetime) -> int:
        """How many messages can be sent, checked or edited now."""
        with self._database.reading() as session:
            calls, opening = self._next_calls(session)
            # Not grouped by the database: SQLite would walk all history by channel for it.
            waiting = session.execute(
                select(Message.channel_id, calls).where(Message.due_at <= now)
            )
            return sum(opening.get((channel, call), now) <= now for channel, call in waiting)

    def next_due_at(self, only_match_ids: Collection[str] | None = None) -> datetime | None:
        """When there is something to do next, perhaps by now; None: not before something changes.

        Args:
            only_match_ids: Counting only messages about one of these games.
        """
        with self._database.reading() as session:
            calls, opening = self._next_calls(session)
            waiting = session.execute(
                select(Message.channel_id, calls, Message.due_at).where(
                    Message.due_at.is_not(None), *_about(only_match_ids)
                )
            )
            times = [
                max(due, opening.get((channel, call), due)) for channel, call, due in waiting if due
            ]
            return min((time for time in times if time != FOREVER), default=None)

    def _next_calls(self, session: Session) -> tuple[ColumnElement[Call], Openings]:
        """Which kind of call a message needs next, and when what is closed to it opens again."""
        found = all_destinations(session, self._transports).values()
        return next_call(found), openings(session, found)

    # --- claiming ------------------------------------------------------------------------------

    def claim(
        self,
        now: datetime,
        *,
        run_id: str | None = None,
        only_match_ids: Collection[str] | None = None,
        beside: Collection[ClaimedMessage] = (),
        at_once: int = 1,
    ) -> list[ClaimedMessage]:
        """Claim the next messages that are due, each with its first step: as many as may be under way.

        Args:
            run_id: The Dagster run on whose behalf, for the record.
            only_match_ids: Only messages about one of these games.
            beside: Those that the caller has under way: one in each channel, whose order is kept.
            at_once: How many may be under way in all: half of them of one service, and of those again half
                where the last call has failed.
        """
        claimed_at = self._clock.local()
        claimed: list[ClaimedMessage] = []
        with self._database.writing() as session:
            destinations, closed = circuit_breaker.refresh(session, self._transports, now)
            moment = self._moment(session, now)
            calls = next_call(destinations.values())
            doubtful = circuit_breaker.doubtful(session, destinations.values())
            # What is looked for in vain is posted under the same claim.
            slow: set[tuple[int, Call]] = {
                *doubtful,
                *((channel, "scan") for channel, call in doubtful if call == "post"),
            }
            under_way = [(each.destination, each.doubtful) for each in beside]
            closed |= _kept_waiting(destinations, under_way, slow, at_once)
            while len(under_way) < at_once and (
                found := self._next(session, moment, calls, closed, doubtful, only_match_ids)
            ):
                message, call = found
                destination = destinations[message.channel_id]
                lease = timedelta(seconds=self._timing.lease)
                probes = circuit_breaker.begin_probe(session, destination, call, now, lease)
                if probes is None:
                    closed.add((message.channel_id, call))
                    continue
                in_doubt = (message.channel_id, call) in slow
                taken = self._take(session, message, destination, moment)
                session.flush()
                claimed.append(
                    replace(
                        taken,
                        probes=probes,
                        doubtful=in_doubt,
                        claimed_at=claimed_at,
                        run_id=run_id,
                    )
                )
                under_way.append((destination, in_doubt))
                closed |= _kept_waiting(destinations, under_way, slow, at_once)
            if claimed:
                self._crashpoint("claiming")
        return claimed

    def _next(
        self,
        session: Session,
        now: Moment,
        calls: ColumnElement[Call],
        closed: Collection[tuple[int, Call]],
        doubtful: Collection[tuple[int, Call]],
        only_match_ids: Collection[str] | None,
    ) -> tuple[Message, Call] | None:
        """The next message to be claimed, and the kind of call that it needs."""
        query = select(Message, calls).where(
            _claimable(now), *_open_to(calls, closed), *_about(only_match_ids)
        )
        # Where calls fail each may take long: those of a service that hangs hold up no other's.
        # News before edits. A message that was refused is the last to try its channel again: it may
        # be the only one that is. A search of many pages lets others pass between them. What was
        # refused an edit or a scan is due again an hour later. Of edits those go first that may tell of
        # a further game: where one is refused, what it was to tell is announced in another message.
        turn = case((calls == "post", Message.order_at), else_=Message.due_at)
        order = (
            ~and_(*_open_to(calls, doubtful)),
            Message.evidence.is_not(None),
            and_(
                Message.evidence.is_not(None),
                or_(Message.kind != "catch_up", Message.last_error.is_not(None)),
            ),
            Message.state == "blocked",
            Message.scan_position.is_not(None),
            turn,
            Message.id,
        )
        return session.execute(
            query.order_by(*order).limit(1).with_for_update(skip_locked=True, of=Message)
        ).first()

    def _take(
        self, session: Session, message: Message, destination: Destination, now: Moment
    ) -> ClaimedMessage:
        channel = session.get_one(Channel, message.channel_id)
        claimed = as_claimed(session, message, self._transports, destination, self._timing)
        # If a backup was restored, the lost installation may have posted it as soon as the game had
        # ended.
        after_id = self._transports[channel.kind].after_id(None, claimed.games_ended_at)
        claim, terms = Claim(self._lease_owner, after_id), claimed.terms
        row, effects = apply(message, claim, now, terms)
        if channel.removed_at is not None:
            row, effects = apply(message, Withdraw("its channel was removed"), now, terms)
        elif message.kind == "test" and row.fence > 1:
            # The process that made it has died: it is about no game, and is never sent later.
            row, effects = apply(message, Withdraw("the test was not completed"), now, terms)
        return replace(claimed, row=row, effects=effects)

    def open_test(self, channel_id: int, content: MessageContent, now: datetime) -> ClaimedMessage:
        """Add a test message, claimed already: no deliverer ever sends it.

        Its claim is a probe: a circuit breaker does not hold it back, since a person asks.
        """
        claimed_at = self._clock.local()
        with self._database.writing() as session:
            message_id = str(uuid.uuid4())
            message = add_message(
                session,
                message_id,
                channel_id=channel_id,
                kind="test",
                subject=f"test:{message_id}",
                order_at=now,
                content=content,
                now=now,
            )
            destination = all_destinations(session, self._transports)[channel_id]
            claimed = self._take(session, message, destination, self._moment(session, now))
            return replace(claimed, probes=frozenset(destination.scopes), claimed_at=claimed_at)

    # --- one call: the intent before it, the conclusion after it -------------------------------

    def intend(self, claimed: ClaimedMessage, send: Send, now: datetime) -> ClaimedMessage | None:
        """Pre-check, and make the intent to send durable; None: another deliverer has the message.

        What comes back has no effects if the pre-check said no.
        """
        transport = self._transports[claimed.kind]
        call: Call = "post" if send.op == "POST" else "edit"
        destination = claimed.destination
        with self._database.writing() as session:
            opening = openings(session, [destination], but=claimed.probes).get(
                (destination.channel_id, call), now
            )
            retry = (
                is_retry(claimed.row) and not claimed.probes & destination.scopes_for(call).keys()
            )
            event: Event = Intend(self._after_id(session, claimed))
            if not may_send(self.age(claimed), claimed.terms):
                event = HoldBack(now, "the claim grew old before the call")
            elif (quiet := self._held_until(session, claimed, send, now)) is not None:
                event = HoldBack(quiet, QUIET)
            elif opening > now:
                # Due as it was: a closed channel's messages are not claimed until it is open again,
                # which may be sooner than is known now, or when the operator has changed something.
                event = HoldBack(now, "the channel is not to be called for now")
            elif retry and (turn := self._turn(session, claimed, send, now)) is not None:
                event = OverBudget(turn)
            elif self._lacks_upload(session, claimed, send):
                event = HoldBack(now, "its text has changed, and so has its picture")
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
                address=claimed.destination.address,
            )
            icons = partial(shown_icons, session, transport, stepped.row.id)
            outgoing = rendered(transport, stepped, stepped.row.desired_rev, icons)
            if isinstance(outgoing, Outgoing):
                channel = session.get_one(Channel, destination.channel_id)
                outgoing = replace(outgoing, silent=_quiet_until(channel, now) is not None)
                attempt.body_sha256 = outgoing.body_sha256
                if send.op == "PATCH":
                    outgoing = self._with_card(session, stepped, outgoing)
            session.add(attempt)
            session.flush()
            self._crashpoint("intending")
            return replace(
                stepped,
                attempt_id=attempt.id,
                outgoing=outgoing,
                begins_at=_turn_of(session, destination, now, 1),
            )

    def _held_until(
        self, session: Session, claimed: ClaimedMessage, send: Send, now: datetime
    ) -> datetime | None:
        """When the quiet hours end that hold back the POST of what is about games; None: nothing does.
        Edits make no sound. What can only be posted now, or by nobody but a person, is posted.
        """
        channel = session.get_one(Channel, claimed.destination.channel_id)
        if send.op != "POST" or claimed.games_ended_at is None or not _holds(channel, now):
            return None
        if not can_wait(claimed.row, self._moment(session, now), claimed.terms):
            return None
        # Whoever changes them now checks what is held only when this is held, too.
        for row in (channel.team, channel):
            session.refresh(row, with_for_update={"read": True})
        return _holds(channel, now)

    def _with_card(self, session: Session, claimed: ClaimedMessage, outgoing: Outgoing) -> Outgoing:
        card = self._card(session, claimed)
        if card is None:
            return outgoing
        done = pictures.uploaded(session, claimed.row.id, card)
        return replace(outgoing, card=card, file_id=done.file_id if done else None)

    def _card(self, session: Session, claimed: ClaimedMessage) -> dict[str, Any] | None:
        if not self._draws:
            return None
        return pictures.card_to_send(session, claimed.row, claimed.content, claimed.terms)

    def _lacks_upload(self, session: Session, claimed: ClaimedMessage, send: Send) -> bool:
        """Whether the edit's picture is not uploaded: the text has changed after it was."""
        if send.op != "PATCH" or not self._transports[claimed.kind].uploads_pictures:
            return False
        newest = session.get_one(Message, claimed.row.id, populate_existing=True)
        card = self._card(session, replace(claimed, content=newest.content))
        done = card and pictures.uploaded(session, claimed.row.id, card)
        return card is not None and not (done and done.is_ready)

    def to_upload(self, claimed: ClaimedMessage, now: datetime) -> Upload | None:
        """What is still to be done for the edit's picture before it can be made; None: nothing."""
        if not self._transports[claimed.kind].uploads_pictures:
            return None
        with self._database.writing() as session:
            card = self._card(session, claimed)
            if card is None:
                return None
            done = pictures.uploaded(session, claimed.row.id, card)
            if done is None:
                done = pictures.note(session, claimed.row.id, claimed.content)
                done.begun_at = now
            if done.is_ready:
                return None
            assert done.begun_at is not None
            held_until = circuit_breaker.uploads_held(session, claimed.destination, now)
            until = done.begun_at + pictures.LONGEST_WAIT
            return Upload(card, done.file_id, until, held_until)

    def note_upload(
        self,
        claimed: ClaimedMessage,
        *,
        file_id: str | None = None,
        is_ready: bool = False,
        failed: str | None = None,
        held_until: datetime | None = None,
    ) -> None:
        """Note how far the upload of the picture has come.

        Args:
            held_until: Until when the service wants no upload at all.
        """
        with self._database.writing() as session:
            if held_until is not None:
                circuit_breaker.hold_uploads(session, claimed.destination, held_until)
            done = pictures.note(session, claimed.row.id, claimed.content, failed=failed)
            done.file_id, done.is_ready = file_id or done.file_id, is_ready

    def put_off(
        self, claimed: ClaimedMessage, until: datetime, reason: str, now: datetime
    ) -> ClaimedMessage | None:
        """Nothing was called for the message itself: it is due again then. None: another deliverer has it."""
        with self._database.writing() as session:
            return self._apply(session, claimed, HoldBack(until, reason), now)

    def _turn(
        self, session: Session, claimed: ClaimedMessage, send: Send, now: datetime
    ) -> datetime | None:
        """When a retry may be made that has to wait for it; None: now."""
        if not can_wait(claimed.row, self._moment(session, now), claimed.terms):
            return None
        channel_id = claimed.destination.channel_id
        return take_turn(session, channel_id, send.op, self._timing, now).opens_at

    def conclude(
        self, claimed: ClaimedMessage, effect: Effect, answer: Answer[Verdict], now: datetime
    ) -> ClaimedMessage | None:
        """Write down the answer to the call that `effect` asked for, and step on.

        None: another deliverer has the message now.
        """
        with self._database.writing() as session:
            answer = judged(session, claimed, effect, answer)
            failed = _failed_with_picture(claimed, effect, answer.verdict)
            if failed is not None:
                answer = replace(answer, verdict=pictures.refused(failed))
            elif _had_icons(claimed) and (
                again := pictures.refused_with_icons(session, claimed.row.id, answer.verdict)
            ):
                answer = replace(answer, verdict=again)
            event = event_of(effect, answer.verdict)
            pass_ = others_pass(session, claimed, answer.verdict, self._transports)
            attempt = write_attempt(session, claimed, effect, answer, now)
            if not (isinstance(effect, Delete) and isinstance(answer.verdict, Blocked)):
                note_answer(session, self._transports, claimed, effect, answer, now)
            if isinstance(answer.verdict, More):
                circuit_breaker.give_turn_back(session, claimed.probes, claimed.row.due_at, now)
            stepped = self._apply(session, claimed, event, now, others_pass=pass_)
            if failed is not None and stepped is not None and isinstance(effect, Patch):
                message = session.get_one(Message, stepped.row.id)
                row = go_without_picture(session, message, effect.rev, failed, now)
                stepped = replace(stepped, row=row)
            note_other_id(session, attempt)
            self._crashpoint("concluding")
            return stepped

    def record(
        self, claimed: ClaimedMessage, effect: Effect, answer: Answer[Verdict], now: datetime
    ) -> None:
        """Write down a call of a test, from which no step of the message follows. Its refusal closes nothing,
        as no message waits for it.
        """
        with self._database.writing() as session:
            attempt = write_attempt(session, claimed, effect, answer, now)
            if not isinstance(answer.verdict, Blocked):
                note_answer(session, self._transports, claimed, effect, answer, now)
            note_other_id(session, attempt)

    def turn(self, claimed: ClaimedMessage, now: datetime, calls: int) -> datetime | None:
        """When the service allows so many calls that are not intended first; None: now."""
        if claimed.destination.calls_per_second is None:
            return None
        with self._database.writing(durable=False) as session:
            return _turn_of(session, claimed.destination, now, calls)

    def age(self, claimed: ClaimedMessage) -> float:
        """Seconds since before the claim."""
        return self._clock.local() - claimed.claimed_at

    def wanted(self, claimed: ClaimedMessage, scan: Scan) -> Wanted:
        """What to look for in the channel's history."""
        # A history that does not show the last message known to stand there cannot be trusted not to
        # show another.
        with self._database.reading() as session:
            known = _last_remote_id(session, claimed, Message.remote_deleted.is_(False))
        return wanted(self._transports[claimed.kind], claimed, scan, known)

    def _after_id(self, session: Session, claimed: ClaimedMessage) -> str | None:
        """Where in the channel's history a message stands that is sent from now on: after what is
        known to have been posted there before.
        """
        by_service = Message.evidence.in_(("response", "scan"))  # a person may have mistyped
        known = _last_remote_id(session, claimed, by_service)
        return self._transports[claimed.kind].after_id(known, claimed.games_ended_at)

    def _apply(
        self,
        session: Session,
        claimed: ClaimedMessage,
        event: Event,
        now: datetime,
        *,
        others_pass: bool = False,
    ) -> ClaimedMessage | None:
        """Compare-and-set on (id, fence, state): step on, if the claim still holds."""
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
                "fenced: another deliverer has claimed the message",
                extra={"message_id": claimed.row.id, "fence": claimed.row.fence},
            )
            return None
        moment = replace(self._moment(session, now), others_pass=others_pass)
        row, effects = apply(message, event, moment, claimed.terms)
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
        return Moment(epoch=epoch, at=at, wall=now, jitter=self._jitter())


def _holds(channel: Channel, now: datetime) -> datetime | None:
    return _quiet_until(channel, now) if channel.quiet_way == "hold" else None


def _quiet_until(channel: Channel, now: datetime) -> datetime | None:
    return quiet_until(channel.quiet_hours, channel.team.time_zone, now)


def _failed_with_picture(claimed: ClaimedMessage, effect: Effect, verdict: Verdict) -> str | None:
    """Why an edit was refused that had a picture; None: it had none, or was not."""
    message = claimed.outgoing
    has_picture = (
        isinstance(effect, Patch) and isinstance(message, Outgoing) and message.card is not None
    )
    return pictures.why_it_failed(verdict) if has_picture else None


def _had_icons(claimed: ClaimedMessage) -> bool:
    return isinstance(claimed.outgoing, Outgoing) and claimed.outgoing.has_icons


def _last_remote_id(
    session: Session, claimed: ClaimedMessage, which: ColumnElement[bool]
) -> str | None:
    """Of the messages in the claimed one's channel."""
    return session.scalars(
        select(Message.remote_id)
        .where(
            Message.channel_id == claimed.destination.channel_id,
            Message.remote_id.is_not(None),
            which,
        )
        .order_by(Message.delivered_at.desc())
        .limit(1)
    ).first()


def _turn_of(
    session: Session, destination: Destination, now: datetime, calls: int
) -> datetime | None:
    if destination.calls_per_second is None:
        return None
    scope = destination.token_scope or destination.service_scope
    return pace.take_turn(session, scope, destination.calls_per_second, now, calls=calls)


# --- what a call leaves behind -------------------------------------------------------------------


def write_attempt(
    session: Session,
    claimed: ClaimedMessage,
    effect: Effect,
    answer: Answer[Verdict],
    now: datetime,
) -> Attempt:
    """Complete the row of a call whose intent was written, or write that of one without."""
    row = None
    if claimed.attempt_id is not None:
        row = session.get(Attempt, claimed.attempt_id)
    if row is None:
        op = type(effect).__name__.upper()
        row = Attempt(
            message_id=claimed.row.id,
            fence=claimed.row.fence,
            op=op,
            rev=getattr(effect, "rev", None),
            at=now,
            address=claimed.destination.address,
        )
        session.add(row)
    row.run_id = claimed.run_id
    row.outcome = _outcome(answer.verdict)
    row.http_status = answer.http_status
    row.code = answer.code
    row.request_id = answer.request_id
    row.elapsed_ms = None if answer.elapsed_s is None else round(answer.elapsed_s * 1000)
    # Of a copy that was to be deleted: wherever two ids are known it is shown.
    named = effect if isinstance(effect, Delete) else answer.verdict
    row.remote_id = getattr(named, "remote_id", None)
    row.detail = getattr(answer.verdict, "reason", None)
    return row


def note_other_id(session: Session, attempt: Attempt) -> None:
    """Note whether an earlier call has named another id for the message: it was posted twice.

    The last thing that its transaction does: of two deliverers that conclude at once, the one whose lease is
    over waits here for what the other has written.
    """
    if attempt.remote_id is None:
        return
    of_message = Message.id == attempt.message_id
    session.execute(select(Message.id).where(of_message).with_for_update())
    other = select(Attempt.id).where(
        Attempt.message_id == attempt.message_id, Attempt.remote_id != attempt.remote_id
    )
    attempt.names_another = session.scalar(other.limit(1)) is not None


def note_answer(
    session: Session,
    transports: Mapping[str, Transport],
    claimed: ClaimedMessage,
    effect: Effect,
    answer: Answer[Verdict],
    now: datetime,
) -> None:
    """Draw the consequences of an answer for the other messages of the channel: circuit breaker,
    rate limit, and whether its history can be read.
    """
    destination, verdict = claimed.destination, answer.verdict

    def sharers() -> Iterable[Destination]:
        return all_destinations(session, transports).values()

    circuit_breaker.note(session, destination, verdict, answer.holds, sharers, now, effect=effect)
    if isinstance(verdict, Found | Absent | UnreadableHistory):
        unreadable = isinstance(verdict, UnreadableHistory)
        probe = session.get(ChannelProbe, destination.channel_id)
        if probe is not None:
            probe.unreadable_history = unreadable
        elif unreadable:
            session.add(ChannelProbe(channel_id=destination.channel_id, unreadable_history=True))


def _outcome(verdict: Verdict) -> str:
    """`NotSent` as `not_sent`; `put_off` where we were asked to wait."""
    if isinstance(verdict, NotSent | NotSeen) and verdict.retry_after is not None:
        return "put_off"
    name = type(verdict).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")


# --- side by side --------------------------------------------------------------------------------


def _kept_waiting(
    destinations: Mapping[int, Destination],
    under_way: Collection[tuple[Destination, bool]],
    doubtful: Collection[tuple[int, Call]],
    at_once: int,
) -> set[tuple[int, Call]]:
    """What waits for the calls that are under way: whatever else is for their channels, and for a service
    that has its half; and what is doubtful where that has a half of this. Calls that are not answered take
    ten seconds each, and keep no other service's news waiting, nor any other channel's.

    Args:
        under_way: The destination of each, and whether it is doubtful.
    """
    busy = {destination.channel_id for destination, _ in under_way}
    of_service = Counter(destination.service for destination, _ in under_way)
    in_doubt = Counter(destination.service for destination, is_so in under_way if is_so)
    most = -(-at_once // 2)
    full = {service for service, count in of_service.items() if count >= most}
    busy |= {each.channel_id for each in destinations.values() if full and each.service in full}
    most_in_doubt = -(-most // 2)
    return {(channel_id, call) for channel_id in busy for call in CALLS} | {
        (channel_id, call)
        for channel_id, call in doubtful
        if in_doubt[destinations[channel_id].service] >= most_in_doubt
    }


# --- conditions ----------------------------------------------------------------------------------


def _about(match_ids: Collection[str] | None) -> list[ColumnElement[bool]]:
    """The message is about one of these games. None: no condition."""
    if match_ids is None:
        return []
    about = select(MessageGame.message_id).where(MessageGame.match_id.in_(match_ids))
    return [Message.id.in_(about)]


def _open_to(
    calls: ColumnElement[Call], closed: Collection[tuple[int, Call]]
) -> list[ColumnElement[bool]]:
    """The message's channel is open to the kind of call that it needs."""
    return [
        or_(
            calls != call,
            Message.channel_id.not_in([channel for channel, kind in closed if kind == call]),
        )
        for call in CALLS
    ]


def _claimable(now: Moment) -> ColumnElement[bool]:
    """Due by the wall clock, and under nobody's claim by the delivery clock."""
    return and_(
        Message.due_at <= now.wall,
        or_(
            Message.state != "sending",
            Message.clock != now.epoch,
            Message.lease_until <= now.at,
        ),
    )
