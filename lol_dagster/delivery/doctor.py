"""What a channel can do, found out by trying: post a test message, find it, edit it, read it back,
delete it. The command `doctor` and the admin's "send a test message" both end up here.

The test message is a message like any other: one POST, durable intent first, with a deadline, never
repeated. If it goes unanswered it is looked for, and if that does not help its fate is said to be
unknown. No deliverer ever sends one that was left behind.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy.orm import Session

from lol_dagster.delivery import calls, gates
from lol_dagster.delivery.canary import canary, canary_content
from lol_dagster.delivery.claimed import Claimed
from lol_dagster.delivery.clock import Clock, Watch, clock_for
from lol_dagster.delivery.outbox import Outbox
from lol_dagster.delivery.probe_report import STEPS, Finding, ProbeReport, Result
from lol_dagster.delivery.states import (
    Absent,
    Accepted,
    Blind,
    Delete,
    Effect,
    Found,
    Get,
    Gone,
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
    Verdict,
)
from lol_dagster.delivery.transports.base import Answer, Outgoing, Step, Transport, Wanted
from lol_dagster.errors import UserError
from lol_dagster.messages.nonce import installation_salt
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe, Message, MessageText

_LONGEST_HOLD = timedelta(seconds=15)
"""A rate limit that ends this soon is waited for."""
_TRIES = 3
"""Of a step that may be repeated: every one but the POST."""


class ProbeError(UserError):
    """The channel cannot be tried."""


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
            destination = gates.destinations(session, self._transports)[channel.id]
            hindrance = self._hindrance(session, channel, destination)
            # From when on its rate limits allow a call.
            limits = gates.opening_times(session, [destination], breakers=False)
            opening = limits.get(channel.id, self.now())
        transport = self._transports[channel.kind]
        message_id = None
        sight: bool | None = None
        if hindrance is None and opening > self.now() + _LONGEST_HOLD:
            hindrance = f"a rate limit forbids any call until {opening:%H:%M:%S} UTC"
        if hindrance is not None:
            self._note("post", "missing", hindrance)
        else:
            self._clock.sleep(max(0.0, (opening - self.now()).total_seconds()))
            claimed = self._opened(channel)
            message_id = claimed.row.id
            remote_id, sight = self._post(transport, claimed)
            if remote_id is not None:
                sight = self._steps(transport, claimed, remote_id, sight)
        for step in STEPS:
            if step not in self._found:
                self._without_post(transport, step)
        return self._written(channel, transport, message_id, sight)

    # --- before -----------------------------------------------------------------------------------

    def _hindrance(
        self, session: Session, channel: Channel, destination: gates.Destination
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

    def _opened(self, channel: Channel) -> Claimed:
        with self._database.writing() as session:
            salt = installation_salt(session)
        return self._outbox.open_test(canary(channel, salt, self.now()), self.now())

    # --- the one POST -----------------------------------------------------------------------------

    def _post(self, transport: Transport, claimed: Claimed) -> tuple[str | None, bool | None]:
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
            else calls.sent(lambda: transport.post(claimed.address, message))
        )
        if isinstance(answer.verdict, Uncertain):
            self._outbox.record(intended, post, answer, self.now())
            return self._look_for(transport, replace(intended, attempt_id=None), answer)
        self._outbox.conclude(intended, post, answer, self.now())
        if not isinstance(answer.verdict, Accepted):
            self._refused("post", transport, answer)
            self._ended(claimed)
            return None, None
        self._note("post", "ok", "posted")
        if answer.verdict.remote_id is None:
            return None, None
        return answer.verdict.remote_id, None

    def _look_for(
        self, transport: Transport, claimed: Claimed, posted: Answer[PostVerdict]
    ) -> tuple[str | None, bool | None]:
        """The POST went unanswered: is the message there?"""
        unanswered = f"the POST went unanswered ({_reason(posted.verdict)})"
        if not transport.capabilities.read_back:
            self._ended(claimed)
            self._note("post", "unknown", f"{unanswered}: look into the channel yourself")
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
        self._note("post", "unknown", f"{unanswered}, and it cannot be looked for")
        self._refused("find", transport, answer)
        return None, False if isinstance(found, Blind) else None

    def _ended(self, claimed: Claimed) -> None:
        self._outbox.withdraw(claimed.row.id, "a test is never sent again", self.now())

    # --- what may be repeated ---------------------------------------------------------------------

    def _steps(
        self, transport: Transport, claimed: Claimed, remote_id: str, sight: bool | None
    ) -> bool | None:
        """Find, edit, read and delete the posted message; whether the history shows it."""
        if transport.capabilities.read_back:
            sight = self._find(transport, claimed)
        if transport.can_edit:
            message_id, address = claimed.row.id, claimed.address
            edited = replace(claimed, content=canary_content(2).to_json())
            body = calls.rendered(transport, edited, 2)
            assert isinstance(body, Outgoing), "what rendered once renders again"
            patch = lambda: calls.sent(lambda: transport.patch(address, remote_id, body))  # noqa: E731
            answer = self._repeat(claimed, Patch(remote_id, 2), patch)
            changed = isinstance(answer.verdict, Accepted) and answer.verdict.rev == 2
            self._conclude("edit", transport, answer, done="edited" if changed else None)
            get = lambda: calls.looked(lambda: transport.get(address, remote_id, message_id))  # noqa: E731
            answer = self._repeat(claimed, Get(remote_id), get)
            newest = isinstance(answer.verdict, Seen) and (answer.verdict.rev == 2 or not changed)
            self._conclude("read", transport, answer, done="read back" if newest else None)
            delete = lambda: calls.sent(lambda: transport.delete(address, remote_id))  # noqa: E731
            answer = self._repeat(claimed, Delete(remote_id), delete)
            gone = isinstance(answer.verdict, Gone)
            self._conclude("delete", transport, answer, done="deleted" if gone else None)
            self._keep(claimed.row.id, edited=changed, gone=gone)
        return sight

    def _find(self, transport: Transport, claimed: Claimed) -> bool | None:
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
        return False if isinstance(answer.verdict, Blind) else None

    def _scan(self, transport: Transport, claimed: Claimed) -> tuple[Scan, Answer[Verdict]]:
        after_id = transport.after_id(claimed.row.created_at)
        wanted = Wanted(claimed.row.id, after_id, self._outbox.witness(claimed))
        return Scan(after_id), calls.looked(lambda: transport.scan(claimed.address, wanted))

    def _repeat(
        self, claimed: Claimed, effect: Effect, call: Callable[[], Answer[Any]]
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
                content = canary_content(2)
                message.content, message.desired_hash = content.to_json(), content.content_hash()
                message.desired_rev = message.remote_rev = 2

    def _written(
        self, channel: Channel, transport: Transport, message_id: str | None, sight: bool | None
    ) -> ProbeReport:
        findings = tuple(self._found[step] for step in STEPS)
        with self._database.writing() as session:
            probe = session.get(ChannelProbe, channel.id)
            if probe is None:
                probe = ChannelProbe(channel_id=channel.id, unreadable_history=False)
                session.add(probe)
            probe.probed_at = self._started
            if sight is not None:
                probe.can_read_back = sight
                probe.unreadable_history = not sight
            probe.findings = {
                "message_id": message_id,
                "steps": [asdict(finding) for finding in findings],
            }
            blind = probe.unreadable_history or probe.can_read_back is False
        return ProbeReport(
            channel_id=channel.id,
            channel=channel.name,
            kind=channel.kind,
            probed_at=self._started,
            message_id=message_id,
            findings=findings,
            can_read_back=sight,
            promise=transport.capabilities.promised(unreadable_history=blind),
        )


def _reason(verdict: Verdict) -> str:
    match verdict:
        case Gone(reason):
            return f"it is gone already: {reason}"
        case Accepted(_, rev) | Seen(rev):
            return f"revision {rev} stands there instead of the newest"
        case _:
            return str(getattr(verdict, "reason", type(verdict).__name__))
