"""Trying a channel out: post a test message, find it, edit it, read it back, delete it. The command
`doctor` and the web view's "Send a test message" both end up here.

The test message is a message like any other: one POST, durable intent first, with a deadline, never
repeated. If it goes unanswered the channel is searched for it, and if that does not help its fate is reported as
unknown. No deliverer ever sends one that was left behind.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from sqlalchemy import select

from lol_dagster.delivery.claimed_message import ClaimedMessage, rendered
from lol_dagster.delivery.clock import Clock, Watch, clock_for
from lol_dagster.delivery.destinations import all_destinations, openings
from lol_dagster.delivery.message_rows import end_probe, withdraw
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
from lol_dagster.delivery.outbox import Outbox
from lol_dagster.delivery.pictures import CHECK_AFTER
from lol_dagster.delivery.transports.base import (
    Answer,
    NotUploaded,
    Outgoing,
    Picture,
    Step,
    Transport,
)
from lol_dagster.delivery.worker import reading, sending, uploading
from lol_dagster.errors import UserError
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.messages.language import Language, language
from lol_dagster.pictures.card import Card
from lol_dagster.pictures.drawing import CannotDraw, draw
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker, Channel, ChannelProbe, SendBucket

Result = Literal["ok", "missing", "unknown", "cannot", "skipped"]
"""Done; refused or not working; nobody can tell; this kind of channel never does it; not tried."""

STEPS: tuple[Step, ...] = get_args(Step)

_LONGEST_HOLD = timedelta(seconds=15)
"""A rate limit that ends this soon is waited for."""
_MOST_PAGES = 20
"""Of the channel's history: a person waits."""
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
    """One of each of `STEPS`, in this order; of a picture only where games have a card."""
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
    with database.reading() as session:
        channel = session.get(Channel, channel_id)
        if channel is None or channel.removed_at is not None:
            raise ProbeError("there is no such channel (any more)")
        speaks = language(channel.team.language)
    return _Probe(database, transports, channel, speaks, clock or clock_for(database), now).run()


class _Probe:
    """One channel's."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        channel: Channel,
        speaks: Language,
        clock: Clock,
        now: datetime,
    ) -> None:
        self._database = database
        self._transports = transports
        self._channel = channel
        self._speaks = speaks
        self._transport = transports[channel.kind]
        self._clock = clock
        self._started = now
        self._watch = Watch(now, clock)
        self._outbox = Outbox(
            database,
            transports,
            clock,
            timing=Timing(),
            lease_owner=f"doctor@{socket.gethostname()}:{os.getpid()}",
            jitter=lambda: 0.0,
            crashpoint=lambda _label: None,
        )
        self._findings: dict[Step, Finding] = {}
        self._readable: bool | None = None
        """Whether the channel's history shows our messages, as far as it is known."""

    def run(self) -> ProbeReport:
        message_id = None
        opening, obstacle = self._before()
        if obstacle is not None:
            self._note("post", "missing", obstacle)
        else:
            self._clock.sleep(max(0.0, (opening - self._now()).total_seconds()))
            claimed = self._outbox.open_test(
                self._channel.id, _test_content(1, self._speaks), self._now()
            )
            message_id = claimed.row.id
            remote_id = self._post(claimed)
            if remote_id is not None:
                self._steps(claimed, remote_id)
        for step in self._steps_to_try():
            if step not in self._findings:
                self._not_tried(step)
        return self._written(message_id)

    def _steps_to_try(self) -> list[Step]:
        return [step for step in STEPS if step != "picture" or self._channel.pictures == "card"]

    def _now(self) -> datetime:
        return self._watch.now()

    # --- before -----------------------------------------------------------------------------------

    def _before(self) -> tuple[datetime, str | None]:
        """From when on rate limits allow a call, and why none can be made at all."""
        now = self._now()
        unusable = self._transport.unusable(self._channel.address)
        if unusable is not None:
            return now, unusable
        with self._database.reading() as session:
            destinations = all_destinations(session, self._transports)
            destination = destinations[self._channel.id]
            for scope, fingerprint in destination.scopes.items():
                breaker = session.get(Breaker, scope)
                if breaker is not None and breaker.dead and breaker.fingerprint == fingerprint:
                    # Discord locks out who goes on calling a webhook that is gone.
                    return now, f"not called any more until it is changed: {breaker.reason}"
            limits = openings(session, [destination], but=destination.scopes)
        opening = limits.get((self._channel.id, "post"), now)
        return opening, self._too_late(opening)

    def _may(self, step: Step) -> bool:
        """Whether the step may be tried: not under a ban that another one has met, which would grow. One
        that concerns a kind of call leaves the others.
        """
        now = self._now()
        with self._database.reading() as session:
            destination = all_destinations(session, self._transports)[self._channel.id]
            scopes = (destination.service_scope, destination.token_scope)
            limits = session.scalars(
                select(SendBucket.not_before).where(SendBucket.scope.in_(scopes))
            ).all()
        opening = max(limits, default=now)
        if (obstacle := self._too_late(opening)) is not None:
            self._note(step, "skipped", obstacle)
            return False
        self._clock.sleep(max(0.0, (opening - now).total_seconds()))
        return True

    def _too_late(self, opening: datetime) -> str | None:
        """Why no call is made before then, if that is too late to be waited for."""
        if opening > self._now() + _LONGEST_HOLD:
            return f"a rate limit forbids any call until {opening:%H:%M:%S} UTC"
        return None

    # --- the one POST -----------------------------------------------------------------------------

    def _post(self, claimed: ClaimedMessage) -> str | None:
        """Post, and see to it that the message comes to an end; its id if it stands there."""
        intended = self._outbox.intend(claimed, Send("POST"), self._now())
        if intended is None or not intended.effects:
            reason = (
                intended.row.last_error if intended else "another call was in the way: try again"
            )
            self._note("post", "missing", str(reason))
            self._end(claimed)
            return None
        post = cast("Post", intended.effects[0])
        message = intended.outgoing
        assert message is not None, "what is to be sent was intended"
        answer = (
            message
            if isinstance(message, Answer)
            else sending(lambda: self._transport.post(claimed.address, message))
        )
        if isinstance(answer.verdict, Uncertain):
            self._outbox.record(intended, post, answer, self._now())
            return self._find_unanswered(replace(intended, attempt_id=None), answer)
        self._outbox.conclude(intended, post, answer, self._now())
        if not isinstance(answer.verdict, Accepted):
            self._refused("post", answer)
            self._end(claimed)
            return None
        self._note("post", "ok", "posted")
        return answer.verdict.remote_id

    def _find_unanswered(self, claimed: ClaimedMessage, posted: Answer[PostVerdict]) -> str | None:
        """The POST went unanswered: is the message there?"""
        unanswered = f"the POST went unanswered ({_reason(posted.verdict)})"
        if not self._transport.capabilities.read_back:
            self._end(claimed)
            self._note("post", "unknown", f"{unanswered}: check the channel yourself")
            return None
        self._clock.sleep(self._transport.capabilities.settle)
        scan, answer = self._scan(claimed, claimed.row.after_id)
        found = answer.verdict
        if isinstance(found, Found) and self._outbox.conclude(claimed, scan, answer, self._now()):
            self._note("post", "ok", f"{unanswered}, but it is there")
            self._readable = True
            return found.remote_id
        self._outbox.record(claimed, scan, answer, self._now())
        self._end(claimed)
        if isinstance(found, Absent):
            self._note("post", "missing", f"{unanswered}, and it is not there")
        else:
            self._note("post", "unknown", f"{unanswered}, and it cannot be searched for")
            self._unread(answer)
        return None

    def _end(self, claimed: ClaimedMessage) -> None:
        with self._database.writing() as session:
            withdraw(session, claimed.row.id, "a test is never sent again", even_if_sent=True)

    # --- what may be repeated ---------------------------------------------------------------------

    def _steps(self, claimed: ClaimedMessage, remote_id: str) -> None:
        """Find, edit, read and delete the posted message."""
        if self._transport.capabilities.read_back and self._may("find"):
            self._find(claimed, remote_id)
        if not self._transport.can_edit:
            return
        transport, address = self._transport, claimed.address
        body = rendered(
            transport, replace(claimed, content=_test_content(2, self._speaks).to_json()), 2
        )
        assert isinstance(body, Outgoing), "what rendered once renders again"

        edited = deleted = False
        if self._may("edit"):
            answer = self._repeat(
                claimed,
                Patch(remote_id, 2),
                lambda: sending(lambda: transport.patch(address, remote_id, body)),
            )
            edited = isinstance(answer.verdict, Accepted) and answer.verdict.rev == 2
            self._conclude("edit", answer, done="edited" if edited else None)
        if edited and self._channel.pictures == "card" and self._may("picture"):
            self._picture(claimed, remote_id, body)
        if self._may("read"):
            answer = self._repeat(
                claimed,
                Get(remote_id),
                lambda: reading(lambda: transport.get(address, remote_id, claimed.row.id)),
            )
            newest = isinstance(answer.verdict, Seen) and (answer.verdict.rev == 2 or not edited)
            self._conclude("read", answer, done="read back" if newest else None)
        if self._may("delete"):
            answer = self._repeat(
                claimed,
                Delete(remote_id),
                lambda: sending(lambda: transport.delete(address, remote_id)),
            )
            deleted = isinstance(answer.verdict, Deleted)
            self._conclude("delete", answer, done="deleted" if deleted else None)
        with self._database.writing() as session:
            end_probe(
                session,
                claimed.row.id,
                _test_content(2, self._speaks) if edited else None,
                deleted=deleted,
            )

    def _picture(self, claimed: ClaimedMessage, remote_id: str, body: Outgoing) -> None:
        """Put a picture beside the message, uploaded before where that has to be."""
        transport, address = self._transport, claimed.address
        try:
            picture = Picture(draw(_test_card(self._speaks)), str(claimed.content["summary"]))
            if transport.uploads_pictures:
                picture = replace(picture, file_id=self._uploaded(picture))
        except CannotDraw as error:
            self._note("picture", "missing", f"it cannot be drawn: {error}")
            return
        except NotUploaded as error:
            remedy = transport.remedy("picture", _missing_scope(str(error)), None)
            said = f"{error}: {remedy}" if remedy else str(error)
            self._note("picture", "missing" if error.is_final else "unknown", said)
            return
        answer = self._repeat(
            claimed,
            Patch(remote_id, 2),
            lambda: sending(
                lambda: transport.patch(address, remote_id, replace(body, picture=picture))
            ),
        )
        is_shown = isinstance(answer.verdict, Accepted)
        self._conclude("picture", answer, done="shown" if is_shown else None)

    def _uploaded(self, picture: Picture) -> str:
        """
        Raises:
            NotUploaded: it is not, or not ready in a time that a person waits.
        """
        file_id = uploading(lambda: self._transport.upload(picture))
        for _ in range(_TRIES):
            if uploading(lambda: self._transport.is_ready(file_id)):
                return file_id
            self._clock.sleep(CHECK_AFTER.total_seconds())
        raise NotUploaded("it is uploaded, and not ready to be shown yet: try again later")

    def _find(self, claimed: ClaimedMessage, remote_id: str) -> None:
        """Whether the channel's history shows what was just posted."""
        after_id = self._transport.after_id(remote_id, None)
        scan, answer = self._scan(claimed, after_id)
        if isinstance(answer.verdict, Absent):
            # What was posted a moment ago may take its time to be shown.
            self._outbox.record(claimed, scan, answer, self._now())
            self._clock.sleep(self._transport.capabilities.settle)
            scan, answer = self._scan(claimed, after_id)
        self._outbox.record(claimed, scan, answer, self._now())
        match answer.verdict:
            case Found():
                self._note("find", "ok", "found by its marker")
                self._readable = True
            case Absent():
                self._note(
                    "find",
                    "missing",
                    "the history can be read, but does not show the message with its marker",
                )
                self._readable = False
            case _:
                self._unread(answer)

    def _unread(self, answer: Answer[Verdict]) -> None:
        self._refused("find", answer)
        self._readable = False if isinstance(answer.verdict, UnreadableHistory) else None

    def _scan(self, claimed: ClaimedMessage, after_id: str | None) -> tuple[Scan, Answer[Verdict]]:
        scan = Scan(after_id)
        wanted = self._outbox.wanted(claimed, scan)
        return scan, reading(lambda: self._transport.search(claimed.address, wanted, _MOST_PAGES))

    def _repeat(
        self, claimed: ClaimedMessage, effect: Effect, call: Callable[[], Answer[Any]]
    ) -> Answer[Any]:
        """A call that may be repeated, again while a rate limit says when."""
        for _ in range(_TRIES):
            answer = call()
            self._outbox.record(claimed, effect, answer, self._now())
            verdict = answer.verdict
            wait = verdict.retry_after if isinstance(verdict, NotSent | NotSeen) else None
            if wait is None or wait > _LONGEST_HOLD.total_seconds():
                break
            self._clock.sleep(wait)
        return answer

    # --- what it comes to -------------------------------------------------------------------------

    def _note(self, step: Step, result: Result, said: str) -> None:
        self._findings.setdefault(step, Finding(step, result, said))

    def _conclude(self, step: Step, answer: Answer[Any], *, done: str | None) -> None:
        if done is not None:
            self._note(step, "ok", done)
        else:
            self._refused(step, answer)

    def _refused(self, step: Step, answer: Answer[Any]) -> None:
        remedy = self._transport.remedy(step, answer.code, answer.http_status)
        said = _reason(answer.verdict)
        unknown = isinstance(answer.verdict, Uncertain | NotSeen)
        self._note(
            step, "unknown" if unknown else "missing", f"{said}: {remedy}" if remedy else said
        )

    def _not_tried(self, step: Step) -> None:
        """Its kind cannot do it, or there was nothing to try it on."""
        kind = self._transport.kind
        if step == "find" and not self._transport.capabilities.read_back:
            self._note(step, "cannot", f"a {kind} cannot read its channel")
        elif step != "post" and not self._transport.can_edit:
            self._note(step, "cannot", f"a {kind} cannot change what it has posted")
        elif step == "picture" and self._findings["post"].result == "ok":
            self._note(step, "skipped", "not tried, as the message was not edited")
        else:
            self._note(step, "skipped", "not tried, as nothing was posted")

    def _written(self, message_id: str | None) -> ProbeReport:
        findings = tuple(self._findings[step] for step in self._steps_to_try())
        channel = self._channel
        with self._database.writing() as session:
            probe = session.get(ChannelProbe, channel.id)
            if probe is None:
                probe = ChannelProbe(channel_id=channel.id, unreadable_history=False)
                session.add(probe)
            probe.probed_at = self._started
            if self._readable is not None:
                probe.can_read_back = self._readable
                probe.unreadable_history = not self._readable
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
            can_read_back=self._readable,
            promise=self._transport.capabilities.promised(unreadable_history=unreadable),
        )


def _reason(verdict: Verdict) -> str:
    match verdict:
        case Deleted(reason):
            return f"it is gone already: {reason}"
        case Accepted(_, rev) | Seen(rev):
            return f"revision {rev} stands there instead of the newest"
        case _:
            return str(getattr(verdict, "reason", type(verdict).__name__))


def _missing_scope(reason: str) -> str | None:
    return "missing_scope" if "missing_scope" in reason else None


def _test_card(speaks: Language) -> Card:
    return Card(
        title="lol-dagster",
        subtitle=speaks.say("No game was played."),
        tone="neutral",
        members=(),
    )


def _test_content(rev: int, speaks: Language) -> MessageContent:
    """What the test message says: as posted (1) and as edited (2)."""
    works = speaks.say("This channel works.")
    if rev > 1:
        works = speaks.say("This channel works, and its messages can be edited.")
    why = speaks.say(
        "It was sent to try the channel out, and is deleted in a moment if that is possible."
    )
    return MessageContent(
        title=speaks.say("Test message from lol-dagster"),
        summary=speaks.say("Test message from lol-dagster: this channel works."),
        sections=(Section((Line(facts=(works,)), Line(facts=(why,)))),),
        footer=speaks.say("No game was played."),
        language=speaks.code,
    )
