"""Trying a channel out: post a test message, find it, edit it, read it back, delete it. The command
`doctor` and the web view's "Send a test message" both end up here.

The test message is a message like any other: one POST, durable intent first, with a deadline, never
repeated. If it goes unanswered the channel is searched for it, and if that does not help its fate is reported as
unknown. No deliverer ever sends one that was left behind.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from sqlalchemy.orm import Session

from lol_dagster.delivery import circuit_breaker
from lol_dagster.delivery.clock import Clock, Watch, clock_for
from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Delete,
    Deleted,
    Effect,
    Found,
    Get,
    NotSeen,
    NotSent,
    Patch,
    Post,
    PostVerdict,
    Scan,
    Seen,
    Send,
    Timing,
    Uncertain,
    UnreadableHistory,
    Verdict,
)
from lol_dagster.delivery.outbox import ClaimedMessage, Outbox, rendered
from lol_dagster.delivery.transports.base import Answer, Outgoing, Step, Transport, Wanted
from lol_dagster.delivery.worker import reading, sending
from lol_dagster.errors import UserError
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.messages.identity import delivery_nonce, installation_salt
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe, Message, MessageText

Result = Literal["ok", "missing", "unknown", "cannot", "skipped"]
"""Done; refused or not working; nobody can tell; this kind of channel never does it; not tried."""

STEPS: tuple[Step, ...] = get_args(Step)

_LONGEST_HOLD = timedelta(seconds=15)
"""A rate limit that ends this soon is waited for."""
_TRIES = 3
"""Of a step that may be repeated: every one but the POST."""


class ProbeError(UserError):
    """The channel cannot be tried."""


@dataclass(frozen=True)
class Finding:
    """What trying one step has shown."""

    step: Step
    result: Result
    said: str
    """For people: what was answered, and what to put right."""


@dataclass(frozen=True)
class ProbeReport:
    """What a channel can do."""

    channel_id: int
    channel: str
    kind: str
    probed_at: datetime
    message_id: str | None
    """The test message's, for `message show`; None: not even one call could be made."""
    findings: tuple[Finding, ...]
    """One of each of `STEPS`, in this order."""
    can_read_back: bool | None
    """The channel's history shows our messages. None: not found out, or its kind has none."""
    promise: str
    """What is promised of the channel from now on."""

    @property
    def ok(self) -> bool:
        """The channel can do all that its kind promises."""
        return all(each.result in {"ok", "cannot"} for each in self.findings)

    @property
    def left_behind(self) -> bool:
        """The test message stands in the channel, or may."""
        return is_left_behind(self.findings)


def is_left_behind(findings: Iterable[Finding]) -> bool:
    """Whether the test message stands in the channel, or may."""
    results = {each.step: each.result for each in findings}
    return results.get("post") in {"ok", "unknown"} and results.get("delete") != "ok"


def probe_channel(
    database: Database,
    transports: Mapping[str, Transport],
    channel_id: int,
    *,
    now: datetime,
    clock: Clock | None = None,
) -> ProbeReport:
    """Try a channel out with a test message that people in it can see, and note what it can do.

    Takes a second or three; two minutes at most, if nothing answers. Makes calls over the network,
    so it must not be called inside a writing transaction. What it finds stands in the channel's row of
    `channel_probes` afterwards, and a channel that was blocked and works again is opened.

    Args:
        transports: `transports.registry.all_transports(settings)`.
        channel_id: `Channel.id`.
        now: An aware instant.
        clock: The delivery clock; by default the database's.

    Raises:
        ProbeError: there is no such channel, or it was removed.
    """
    probe = _Probe(database, transports, clock or clock_for(database), now)
    return probe.of(channel_id)


class _Probe:
    """One channel's."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        clock: Clock,
        now: datetime,
    ) -> None:
        self._database = database
        self._transports = transports
        self._clock = clock
        self._started = now
        self._watch = Watch(now, clock)
        self._timing = Timing()
        self._outbox = Outbox(
            database,
            transports,
            clock,
            timing=self._timing,
            lease_owner=f"doctor@{socket.gethostname()}:{os.getpid()}",
            jitter=lambda: 0.0,
            crashpoint=lambda _label: None,
        )
        self._found: dict[Step, Finding] = {}

    def now(self) -> datetime:
        return self._watch.now()

    def of(self, channel_id: int) -> ProbeReport:
        with self._database.reading() as session:
            channel = session.get(Channel, channel_id)
            if channel is None or channel.removed_at is not None:
                raise ProbeError("there is no such channel (any more)")
            destination = circuit_breaker.destinations(session, self._transports)[channel.id]
            obstacle = self._obstacle(session, channel, destination)
            # From when on its rate limits allow a call.
            limits = circuit_breaker.opening_times(session, [destination], breakers=False)
            opening = limits.get(channel.id, self.now())
        transport = self._transports[channel.kind]
        message_id = None
        readable: bool | None = None
        if obstacle is None and opening > self.now() + _LONGEST_HOLD:
            obstacle = f"a rate limit forbids any call until {opening:%H:%M:%S} UTC"
        if obstacle is not None:
            self._note("post", "missing", obstacle)
        else:
            self._clock.sleep(max(0.0, (opening - self.now()).total_seconds()))
            claimed = self._opened(channel)
            message_id = claimed.row.id
            remote_id, readable = self._post(transport, claimed)
            if remote_id is not None:
                readable = self._steps(transport, claimed, remote_id, readable)
        for step in STEPS:
            if step not in self._found:
                self._without_post(transport, step)
        return self._written(channel, transport, message_id, readable)

    # --- before -----------------------------------------------------------------------------------

    def _obstacle(
        self, session: Session, channel: Channel, destination: circuit_breaker.Destination
    ) -> str | None:
        """Why no call can be made at all."""
        transport = self._transports[channel.kind]
        unusable = transport.unusable(channel.address)
        if unusable is not None:
            return unusable
        for scope, fingerprint in destination.scopes.items():
            breaker = session.get(Breaker, scope)
            if breaker is not None and breaker.dead and breaker.fingerprint == fingerprint:
                # Discord locks out who goes on calling a webhook that is gone.
                return f"not called any more until it is changed: {breaker.reason}"
        return None

    def _opened(self, channel: Channel) -> ClaimedMessage:
        with self._database.writing() as session:
            salt = installation_salt(session)
        return self._outbox.open_test(_test_message(channel, salt, self.now()), self.now())

    # --- the one POST -----------------------------------------------------------------------------

    def _post(
        self, transport: Transport, claimed: ClaimedMessage
    ) -> tuple[str | None, bool | None]:
        """Post, and see to it that the message comes to an end; its id if it stands there, and
        what is known by then of the history.
        """
        intended = self._outbox.intend(claimed, Send("POST"), self.now())
        if intended is None or not intended.effects:
            reason = (
                "another call was in the way: try again"
                if intended is None
                else intended.row.last_error
            )
            self._note("post", "missing", str(reason))
            self._ended(claimed)
            return None, None
        post = cast("Post", intended.effects[0])
        message = intended.outgoing
        assert message is not None, "what is to be sent was intended"
        answer = (
            message
            if isinstance(message, Answer)
            else sending(lambda: transport.post(claimed.address, message))
        )
        if isinstance(answer.verdict, Uncertain):
            self._outbox.record(intended, post, answer, self.now())
            return self._find_unanswered(transport, replace(intended, attempt_id=None), answer)
        self._outbox.conclude(intended, post, answer, self.now())
        if not isinstance(answer.verdict, Accepted):
            self._refused("post", transport, answer)
            self._ended(claimed)
            return None, None
        self._note("post", "ok", "posted")
        if answer.verdict.remote_id is None:
            return None, None
        return answer.verdict.remote_id, None

    def _find_unanswered(
        self, transport: Transport, claimed: ClaimedMessage, posted: Answer[PostVerdict]
    ) -> tuple[str | None, bool | None]:
        """The POST went unanswered: is the message there?"""
        unanswered = f"the POST went unanswered ({_reason(posted.verdict)})"
        if not transport.capabilities.read_back:
            self._ended(claimed)
            self._note("post", "unknown", f"{unanswered}: check the channel yourself")
            return None, None
        self._clock.sleep(transport.capabilities.settle)
        scan, answer = self._scan(transport, claimed)
        found = answer.verdict
        if isinstance(found, Found) and self._outbox.conclude(claimed, scan, answer, self.now()):
            self._note("post", "ok", f"{unanswered}, but it is there")
            return found.remote_id, True
        self._outbox.record(claimed, scan, answer, self.now())
        self._ended(claimed)
        if isinstance(found, Absent):
            self._note("post", "missing", f"{unanswered}, and it is not there")
            return None, None
        self._note("post", "unknown", f"{unanswered}, and it cannot be searched for")
        self._refused("find", transport, answer)
        return None, False if isinstance(found, UnreadableHistory) else None

    def _ended(self, claimed: ClaimedMessage) -> None:
        self._outbox.withdraw(claimed.row.id, "a test is never sent again", self.now())

    # --- what may be repeated ---------------------------------------------------------------------

    def _steps(
        self, transport: Transport, claimed: ClaimedMessage, remote_id: str, readable: bool | None
    ) -> bool | None:
        """Find, edit, read and delete the posted message; whether the history shows it."""
        if transport.capabilities.read_back:
            readable = self._find(transport, claimed)
        if transport.can_edit:
            message_id, address = claimed.row.id, claimed.address
            edited = replace(claimed, content=_test_content(2).to_json())
            body = rendered(transport, edited, 2)
            assert isinstance(body, Outgoing), "what rendered once renders again"
            patch = lambda: sending(lambda: transport.patch(address, remote_id, body))  # noqa: E731
            answer = self._repeat(claimed, Patch(remote_id, 2), patch)
            changed = isinstance(answer.verdict, Accepted) and answer.verdict.rev == 2
            self._conclude("edit", transport, answer, done="edited" if changed else None)
            get = lambda: reading(lambda: transport.get(address, remote_id, message_id))  # noqa: E731
            answer = self._repeat(claimed, Get(remote_id), get)
            newest = isinstance(answer.verdict, Seen) and (answer.verdict.rev == 2 or not changed)
            self._conclude("read", transport, answer, done="read back" if newest else None)
            delete = lambda: sending(lambda: transport.delete(address, remote_id))  # noqa: E731
            answer = self._repeat(claimed, Delete(remote_id), delete)
            gone = isinstance(answer.verdict, Deleted)
            self._conclude("delete", transport, answer, done="deleted" if gone else None)
            self._keep(claimed.row.id, edited=changed, gone=gone)
        return readable

    def _find(self, transport: Transport, claimed: ClaimedMessage) -> bool | None:
        """Whether the channel's history shows what was just posted."""
        scan, answer = self._scan(transport, claimed)
        if isinstance(answer.verdict, Absent):
            # What was posted a moment ago may take its time to be shown.
            self._outbox.record(claimed, scan, answer, self.now())
            self._clock.sleep(transport.capabilities.settle)
            scan, answer = self._scan(transport, claimed)
        self._outbox.record(claimed, scan, answer, self.now())
        match answer.verdict:
            case Found():
                self._note("find", "ok", "found by its marker")
                return True
            case Absent():
                self._note(
                    "find",
                    "missing",
                    "the history can be read, but does not show the message with its marker",
                )
                return False
        self._refused("find", transport, answer)
        return False if isinstance(answer.verdict, UnreadableHistory) else None

    def _scan(self, transport: Transport, claimed: ClaimedMessage) -> tuple[Scan, Answer[Verdict]]:
        after_id = transport.after_id(claimed.row.created_at)
        wanted = Wanted(claimed.row.id, after_id, self._outbox.visibility_check(claimed))
        return Scan(after_id), reading(lambda: transport.scan(claimed.address, wanted))

    def _repeat(
        self, claimed: ClaimedMessage, effect: Effect, call: Callable[[], Answer[Any]]
    ) -> Answer[Any]:
        """A call that may be repeated, again while a rate limit says when."""
        for _ in range(_TRIES):
            answer = call()
            self._outbox.record(claimed, effect, answer, self.now())
            verdict = answer.verdict
            wait = verdict.retry_after if isinstance(verdict, NotSent | NotSeen) else None
            if wait is None or wait > _LONGEST_HOLD.total_seconds():
                break
            self._clock.sleep(wait)
        return answer

    # --- what it comes to -------------------------------------------------------------------------

    def _note(self, step: Step, result: Result, said: str) -> None:
        self._found.setdefault(step, Finding(step, result, said))

    def _conclude(
        self, step: Step, transport: Transport, answer: Answer[Any], *, done: str | None
    ) -> None:
        if done is not None:
            self._note(step, "ok", done)
        else:
            self._refused(step, transport, answer)

    def _refused(self, step: Step, transport: Transport, answer: Answer[Any]) -> None:
        help_ = transport.remedy(step, answer.code, answer.http_status)
        said = _reason(answer.verdict)
        unknown = isinstance(answer.verdict, Uncertain | NotSeen)
        self._note(
            step, "unknown" if unknown else "missing", said if help_ is None else f"{said}: {help_}"
        )

    def _without_post(self, transport: Transport, step: Step) -> None:
        """A step that was not tried: its kind cannot do it, or there was nothing to try it on."""
        if step == "find" and not transport.capabilities.read_back:
            self._note(step, "cannot", f"a {transport.kind} cannot read its channel")
        elif step != "post" and not transport.can_edit:
            self._note(step, "cannot", f"a {transport.kind} cannot change what it has posted")
        else:
            self._note(step, "skipped", "not tried, as nothing was posted")

    def _keep(self, message_id: str, *, edited: bool, gone: bool) -> None:
        """What stands in the channel now."""
        with self._database.writing() as session:
            message = session.get_one(Message, message_id, with_for_update={"of": Message})
            message.remote_deleted = gone
            if edited:
                session.add(MessageText(message_id=message_id, rev=1, content=message.content))
                content = _test_content(2)
                message.content, message.desired_hash = content.to_json(), content.content_hash()
                message.desired_rev = message.remote_rev = 2

    def _written(
        self, channel: Channel, transport: Transport, message_id: str | None, readable: bool | None
    ) -> ProbeReport:
        findings = tuple(self._found[step] for step in STEPS)
        with self._database.writing() as session:
            probe = session.get(ChannelProbe, channel.id)
            if probe is None:
                probe = ChannelProbe(channel_id=channel.id, unreadable_history=False)
                session.add(probe)
            probe.probed_at = self._started
            if readable is not None:
                probe.can_read_back = readable
                probe.unreadable_history = not readable
            probe.findings = {
                "message_id": message_id,
                "steps": [asdict(finding) for finding in findings],
            }
            unreadable = probe.unreadable_history or probe.can_read_back is False
        return ProbeReport(
            channel_id=channel.id,
            channel=channel.name,
            kind=channel.kind,
            probed_at=self._started,
            message_id=message_id,
            findings=findings,
            can_read_back=readable,
            promise=transport.capabilities.promised(unreadable_history=unreadable),
        )


def _reason(verdict: Verdict) -> str:
    match verdict:
        case Deleted(reason):
            return f"it is gone already: {reason}"
        case Accepted(_, rev) | Seen(rev):
            return f"revision {rev} stands there instead of the newest"
        case _:
            return str(getattr(verdict, "reason", type(verdict).__name__))


def _test_content(rev: int) -> MessageContent:
    """What the test message says: as posted (1) and as edited (2)."""
    said = (
        "This channel works." if rev == 1 else "This channel works, and its messages can be edited."
    )
    lines = (
        Line(said),
        Line("It was sent to try the channel out, and is deleted in a moment if that is possible."),
    )
    return MessageContent(
        title="Test message from lol-dagster",
        summary="Test message from lol-dagster: this channel works.",
        sections=(Section(lines),),
        footer="No game was played.",
    )


def _test_message(channel: Channel, salt: str, now: datetime) -> Message:
    """A test message for a channel, as it is before it is claimed."""
    message_id = str(uuid.uuid4())
    content = _test_content(1)
    return Message(
        id=message_id,
        channel_id=channel.id,
        kind="test",
        subject=f"test:{message_id}",
        order_at=now,
        created_at=now,
        due_at=now,
        content=content.to_json(),
        desired_hash=content.content_hash(),
        nonce=delivery_nonce(salt, message_id),
    )
