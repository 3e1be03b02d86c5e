"""Delivering what is due: claim, check, send, write down, until there is nothing more to do now.

The thin shell around `protocol`: it makes the calls that the protocol asks for, each once. Nothing
here remembers anything from one step to the next that the database does not; whatever goes wrong
with the database ends the delivery run, and the leases of the claimed messages run out.

Several messages are on their way at once, each in a thread and in a channel of its own: a channel's
messages keep their order, and one that does not answer holds up no other's.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from structlog.contextvars import bound_contextvars

from lol_dagster.delivery.claimed_message import ClaimedMessage
from lol_dagster.delivery.clock import Clock, Watch, clock_for
from lol_dagster.delivery.model import (
    Delete,
    Effect,
    Get,
    GetVerdict,
    NotSeen,
    NotSent,
    Patch,
    Post,
    PostVerdict,
    Scan,
    ScanVerdict,
    Send,
    Timing,
    Uncertain,
    Verdict,
)
from lol_dagster.delivery.outbox import Outbox
from lol_dagster.delivery.pictures import CHECK_AFTER
from lol_dagster.delivery.protocol import may_send
from lol_dagster.delivery.transports.base import Answer, NotUploaded, Outgoing, Picture, Transport
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.pictures.artist import Artist, artist_of
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

logger = logging.getLogger(__name__)

T = TypeVar("T")

BUDGET = timedelta(minutes=4)
"""How long a delivery run goes on by default: less than the Dagster run around it may take."""
WAIT_UP_TO = timedelta(seconds=10)
"""What is due this soon is waited for: a rate limit's second, or Discord's settling time."""
AT_ONCE = 16
"""How many messages a delivery run has under way: half of them of one service. Discord answers in a fifth of a
second, so that eight are some 40 calls in one, of the 50 that it takes."""
_CALLS_OF_A_SCAN = 3
"""At most, as a rule: a page, and how its visibility is checked."""
_NEWS_EVERY = 1.0
"""Seconds: what is written while other messages are under way waits no longer for them."""

_OVER = "the run was ended before the call"

Outcome = Literal[
    "delivered",
    "edited",
    "uncertain",
    "needs_review",
    "blocked",
    "deferred",
    "dropped",
    "unchanged",
]


@dataclass(frozen=True)
class DeliveryResult:
    """What a delivery run did with one message."""

    message_id: str
    match_ids: tuple[str, ...]
    """The games that it is about; empty for alerts and tests."""
    channel: str
    kind: str
    """The channel's."""
    outcome: Outcome
    link: str | None = None
    """Where a person can see it, if it stands in the channel."""
    reason: str | None = None
    """Why it does not, or not with its newest text."""
    card: Mapping[str, Any] | None = None
    """Of the picture beside it, as in `MessageContent`; None: it is to have none."""


@dataclass(frozen=True)
class DeliveryReport:
    """What a delivery run did, each message once, by its last outcome."""

    messages: tuple[DeliveryResult, ...] = ()

    def with_outcome(self, outcome: Outcome) -> tuple[DeliveryResult, ...]:
        return tuple(each for each in self.messages if each.outcome == outcome)

    @property
    def delivered(self) -> int:
        return len(self.with_outcome("delivered"))

    @property
    def edited(self) -> int:
        return len(self.with_outcome("edited"))

    @property
    def uncertain(self) -> int:
        return len(self.with_outcome("uncertain"))

    @property
    def needs_review(self) -> int:
        return len(self.with_outcome("needs_review"))

    @property
    def blocked(self) -> int:
        return len(self.with_outcome("blocked"))

    @property
    def deferred(self) -> int:
        return len(self.with_outcome("deferred"))


def no_crash(_label: str) -> None:
    """What a crash point does outside of tests."""


class Deliverer:
    """Delivers messages. Any number of them, in any number of processes, share the work."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        clock: Clock,
        *,
        timing: Timing | None = None,
        lease_owner: str | None = None,
        jitter: Callable[[], float] = random.random,
        crashpoint: Callable[[str], None] = no_crash,
        at_once: int = AT_ONCE,
        artist: Artist | None = None,
    ) -> None:
        """
        Args:
            transports: `transports.registry.all_transports(settings)`.
            lease_owner: What a claim is signed with, for people; by default host and process id.
            jitter: Uniform in [0, 1).
            crashpoint: Called with a label wherever a crash would be most awkward.
            at_once: How many messages may be under way.
            artist: Draws their pictures; None: they have none.
        """
        self._at_once = at_once
        self.artist = artist
        self._linked: set[str] = set()
        """Addresses whose messages' links have been asked for."""
        self._over = threading.Event()
        """No further call is begun."""
        self._transports = transports
        self._clock = clock
        self._crashpoint = crashpoint
        self._outbox = Outbox(
            database,
            transports,
            clock,
            timing=timing or Timing(),
            lease_owner=lease_owner or f"{socket.gethostname()}:{os.getpid()}",
            jitter=jitter,
            crashpoint=crashpoint,
            draws=artist is not None,
        )

    def due_now(self, now: datetime) -> int:
        """How many messages a delivery run could send, check or edit now."""
        return self._outbox.due_now(now)

    def next_due_at(self, only_match_ids: Collection[str] | None = None) -> datetime | None:
        """As `Outbox.next_due_at`."""
        return self._outbox.next_due_at(only_match_ids)

    def deliver_due(
        self,
        now: datetime,
        *,
        run_id: str | None = None,
        only_match_ids: Collection[str] | None = None,
        budget: timedelta = BUDGET,
        wait_up_to: timedelta = WAIT_UP_TO,
    ) -> DeliveryReport:
        """Deliver every message that is due, and those that become due meanwhile or in a moment.

        Args:
            run_id: The Dagster run on whose behalf, for the record.
            only_match_ids: Only messages about one of these games.
            budget: No message is begun after this time.
            wait_up_to: What is due this soon is waited for.

        Raises:
            sqlalchemy.exc.DBAPIError: the database failed; nothing is lost and nothing doubled.
        """
        watch = Watch(now, self._clock)
        results: dict[str, DeliveryResult] = {}
        under_way: dict[_Sending, ClaimedMessage] = {}
        self._over.clear()
        with ThreadPoolExecutor(self._at_once, "delivery") as threads, self._ended_by_errors():
            while (asked_at := watch.now()) - now < budget:
                _gather(under_way, results, 0.0)
                if len(under_way) < self._at_once:
                    claimed = self._outbox.claim(
                        asked_at,
                        run_id=run_id,
                        only_match_ids=only_match_ids,
                        beside=under_way.values(),
                        at_once=self._at_once,
                    )
                    for each in claimed:
                        # Each with what the log knows of the caller.
                        begun = threads.submit(copy_context().run, self._deliver, each, watch)
                        under_way[begun] = each
                if under_way:
                    _gather(under_way, results, _NEWS_EVERY)
                    continue
                next_due = self._outbox.next_due_at(only_match_ids)
                if next_due is None or not asked_at < next_due <= asked_at + wait_up_to:
                    break  # what is due already and could not be claimed is claimed by others
                self._clock.sleep(max(0.0, (next_due - watch.now()).total_seconds()))
            while under_way:
                _gather(under_way, results, None)
        return DeliveryReport(tuple(results.values()))

    @contextmanager
    def _ended_by_errors(self) -> Iterator[None]:
        """Whatever fails, or a signal, lets no further call begin; those under way are waited for."""
        try:
            yield
        except BaseException:
            self._over.set()
            raise

    def _deliver(self, claimed: ClaimedMessage, watch: Watch) -> DeliveryResult | None:
        """Do all that the protocol asks for; None: another deliverer has the message now."""
        about = {"message_id": claimed.row.id, "channel": claimed.channel_name}
        with bound_contextvars(
            **about, match_ids=list(claimed.match_ids), **_known(run_id=claimed.run_id)
        ):
            self._crashpoint("after_claim")
            now = claimed
            while now.effects:
                with bound_contextvars(**_known(attempt=now.attempt_id)):
                    after = self._do(now, now.effects[0], watch)
                if after is None:
                    return None
                now = after
            return self._result(now, watch)

    def _do(self, claimed: ClaimedMessage, effect: Effect, watch: Watch) -> ClaimedMessage | None:
        transport, address = self._transports[claimed.kind], claimed.address
        answer: Answer[Verdict]
        match effect:
            case Send("PATCH") if (wait := self._upload(claimed, watch)) is not None:
                return self._outbox.put_off(claimed, *wait, watch.now())
            case Send():
                intended = self._outbox.intend(claimed, effect, watch.now())
                if intended is not None and intended.effects:
                    self._crashpoint("after_intent")
                return intended
            case Post() | Patch():
                self._wait_until(claimed.begins_at, watch)
                answer = self._send(claimed, effect)
            case Scan() | Get() if self._over.is_set():
                answer = Answer(NotSeen(_OVER, retry_after=0.0))
            case Scan():
                self._wait_until(self._outbox.turn(claimed, watch.now(), _CALLS_OF_A_SCAN), watch)
                wanted = self._outbox.wanted(claimed, effect)
                answer = reading(lambda: transport.scan(address, wanted))
            case Get(remote_id):
                self._wait_until(self._outbox.turn(claimed, watch.now(), 1), watch)
                answer = reading(lambda: transport.get(address, remote_id, claimed.row.id))
            case Delete(remote_id):
                logger.error(
                    "duplicate: a copy is deleted",
                    extra={"message_id": claimed.row.id, "remote_id": remote_id},
                )
                self._wait_until(self._outbox.turn(claimed, watch.now(), 1), watch)
                answer = sending(lambda: transport.delete(address, remote_id))
        self._crashpoint("after_call")
        concluded = self._outbox.conclude(claimed, effect, answer, watch.now())
        self._crashpoint("after_result")
        return concluded

    def _send(self, claimed: ClaimedMessage, effect: Post | Patch) -> Answer[PostVerdict]:
        transport = self._transports[claimed.kind]
        message = claimed.outgoing
        assert message is not None, "what is to be sent was intended"
        if isinstance(message, Answer):
            return message
        message = self._with_picture(message, claimed.content)
        # The intent's own commit may have taken long, and so may the drawing.
        if not may_send(self._outbox.age(claimed), claimed.terms):
            return Answer(NotSent("the claim grew old before the call", retry_after=0.0))
        if self._over.is_set():
            return Answer(NotSent(_OVER, retry_after=0.0))
        self._crashpoint("before_call")
        if isinstance(effect, Patch):
            remote_id = effect.remote_id
            return sending(lambda: transport.patch(claimed.address, remote_id, message))
        return sending(lambda: transport.post(claimed.address, message))

    def _upload(self, claimed: ClaimedMessage, watch: Watch) -> tuple[datetime, str] | None:
        """Take the edit's picture a step further, where it has to be uploaded first: until when the edit
        waits for it, and why. None: it need not, or no longer.
        """
        upload = self._outbox.to_upload(claimed, watch.now())
        if upload is None or self._over.is_set():
            return None
        transport = self._transports[claimed.kind]
        reason, is_over = "its picture is not ready yet", watch.now() >= upload.until
        wait, file_id = CHECK_AFTER, upload.file_id
        try:
            if upload.held_until is not None:
                held_for = (upload.held_until - watch.now()).total_seconds()
                raise NotUploaded("no picture is to be uploaded for now", retry_after=held_for)  # noqa: TRY301
            if file_id is None:
                new_id = uploading(
                    lambda: transport.upload(self._drawn(upload.card, claimed.content))
                )
                self._outbox.note_upload(claimed, file_id=new_id)
                is_over = False  # however long ago it was begun: whoever did may have died
            elif uploading(lambda: transport.is_ready(file_id)):
                self._outbox.note_upload(claimed, is_ready=True)
                return None
        except CannotDraw as error:
            reason, is_over = str(error), True
        except NotUploaded as error:
            asked = timedelta(seconds=error.retry_after)
            if asked and upload.held_until is None:
                self._outbox.note_upload(claimed, file_id=file_id, held_until=watch.now() + asked)
            reason, wait = str(error), max(wait, asked)
            is_over = is_over or error.is_final or watch.now() + asked > upload.until
        if is_over:
            logger.warning("no picture: %s", reason)
            self._outbox.note_upload(claimed, failed=reason)
            return None
        return watch.now() + wait, reason

    def _drawn(self, card: Mapping[str, Any], content: Mapping[str, Any]) -> Picture:
        assert self.artist is not None, "without one there is no card to send"
        return Picture(self.artist.draw(card), content["summary"])

    def _with_picture(self, message: Outgoing, content: Mapping[str, Any]) -> Outgoing:
        """The message with its card drawn; as it is if that is not possible."""
        if message.card is None:
            return message
        if message.file_id is not None:
            return replace(message, picture=Picture(b"", content["summary"], message.file_id))
        try:
            return replace(message, picture=self._drawn(message.card, content))
        except CannotDraw:
            logger.exception("no picture")
            return message

    def _wait_until(self, time: datetime | None, watch: Watch) -> None:
        if time is not None and (seconds := (time - watch.now()).total_seconds()) > 0:
            self._clock.sleep(seconds)

    def _result(self, claimed: ClaimedMessage, watch: Watch) -> DeliveryResult:
        row = claimed.row
        link = None
        is_there = row.state == "delivered" and not row.remote_deleted
        if is_there and row.remote_id is not None and not self._over.is_set():
            if claimed.address not in self._linked:  # later ones cost no call
                self._wait_until(self._outbox.turn(claimed, watch.now(), 1), watch)
                self._linked.add(claimed.address)
            link = self._transports[claimed.kind].link(claimed.address, row.remote_id)
        result = DeliveryResult(
            message_id=row.id,
            match_ids=claimed.match_ids,
            channel=claimed.channel_name,
            kind=claimed.kind,
            outcome=_outcome(claimed),
            link=link,
            reason=row.last_error,
            card=claimed.content.get("card"),
        )
        logger.log(
            logging.WARNING if result.outcome in ("needs_review", "blocked") else logging.INFO,
            "Message %s to %s: %s%s",
            row.id,
            claimed.channel_name,
            result.outcome,
            f" ({row.last_error})" if row.last_error else "",
            extra={
                "message_id": row.id,
                "match_ids": list(claimed.match_ids),
                "channel": claimed.channel_name,
                "evidence": row.evidence,
                "remote_id": row.remote_id,
            },
        )
        return result


_Sending = Future[DeliveryResult | None]


def _gather(
    under_way: dict[_Sending, ClaimedMessage],
    results: dict[str, DeliveryResult],
    seconds: float | None,
) -> None:
    """Take in what has ended, waiting up to `seconds` for the first to do so (None: however long)."""
    ended, _ = wait(under_way, seconds, FIRST_COMPLETED)
    for each in ended:
        del under_way[each]
        result = each.result()
        if result is None:
            continue
        earlier = results.get(result.message_id)
        if earlier is not None and earlier.outcome == "delivered":
            # Delivered and then edited counts as delivered.
            result = replace(result, outcome="delivered", link=result.link or earlier.link)
        results[result.message_id] = result


def deliverer(settings: Settings, database: Database) -> Deliverer:
    """The deliverer that the settings describe."""
    return Deliverer(
        database, all_transports(settings), clock_for(database), artist=artist_of(settings)
    )


# --- calls that end in an answer, whatever breaks on the way -------------------------------------
# A transport's own mistake must not leave a message in doubt about what is known of it.


def sending(call: Callable[[], Answer[PostVerdict]]) -> Answer[PostVerdict]:
    """The answer to a POST, PATCH or DELETE."""
    try:
        return call()
    except Exception as error:
        # An answer that breaks our code came after the bytes had left.
        logger.exception("a call to a channel ended in an unexpected way")
        return Answer(Uncertain(f"unexpected {type(error).__name__}"))


def reading(call: Callable[[], Answer[ScanVerdict | GetVerdict]]) -> Answer[Verdict]:
    """The answer to a read of the channel or of one message."""
    try:
        return call()
    except Exception as error:
        # Nothing is known then, which is all there is to say.
        logger.exception("a read of a channel ended in an unexpected way")
        return Answer(NotSeen(f"unexpected {type(error).__name__}"))


def uploading(call: Callable[[], T]) -> T:
    """What a step of a picture's upload gives.

    Raises:
        CannotDraw: as it says.
        NotUploaded: as it says, or for good whatever else breaks on the way.
    """
    try:
        return call()
    except (CannotDraw, NotUploaded):
        raise
    except Exception as error:
        # The same picture would break it each time, and with it the delivery of all else.
        logger.exception("an upload ended in an unexpected way")
        raise NotUploaded(f"unexpected {type(error).__name__}", is_final=True) from error


def _outcome(claimed: ClaimedMessage) -> Outcome:
    row = claimed.row
    match row.state:
        case "delivered" if not claimed.was_delivered:
            return "delivered"
        case "delivered" if row.due_at is not None:
            return "deferred"
        case "delivered":
            return "edited" if row.remote_rev == row.desired_rev else "unchanged"
        case "uncertain" | "blocked" | "needs_review" | "dropped" as state:
            return state
        case _:
            return "deferred"


def _known(**context: object) -> dict[str, object]:
    return {name: value for name, value in context.items() if value is not None}
