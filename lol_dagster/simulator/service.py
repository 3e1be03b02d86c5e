"""What Riot, Discord and Slack have in common here: how a call goes through a service and its faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event, RLock
from typing import Protocol

from lol_dagster.simulator.faults import Fault, Faults, Stage
from lol_dagster.simulator.truth import TruthLog
from lol_dagster.simulator.wire import Answer, Manner, Request, text_answer

_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"

_SPOILED = {
    "reset": Manner.RESET,
    "reset-before-accept": Manner.RESET,
    "half-body": Manner.HALF_BODY,
    "header-drip": Manner.HEADER_DRIP,
    "body-drip": Manner.BODY_DRIP,
    "no-answer": Manner.SILENCE,
    "no-answer-before-accept": Manner.SILENCE,
}


class RefusedError(Exception):
    """The service refuses a call, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class Call:
    """A request that a service has understood.

    `operation` is as in faults.OPERATIONS; `place` is Riot's route host or a channel; `perform` does it
    and may raise RefusedError.
    """

    operation: str
    place: str
    perform: Callable[[], Answer]


class Service(Protocol):
    """One of the outside systems."""

    name: str
    """As in faults.OPERATIONS."""

    def find(self, request: Request) -> Call:
        """Understand a request; raises RefusedError for an unknown path or a wrong credential."""

    def admit(self, call: Call) -> Answer | None:
        """Count a call against the rate limits; the answer to give when one is overrun."""

    def refuse(self, call: Call, fault: Fault) -> Answer:
        """Say a fault's status, 429 or code in this service's own words."""

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Add the rate-limit headers."""


class Dispatcher:
    """Takes requests through a service: rate limit, fault, the call itself, the truth log."""

    def __init__(self, truth: TruthLog, faults: Faults, lock: RLock) -> None:
        self._truth = truth
        self._faults = faults
        self._lock = lock

    def answer(self, service: Service, request: Request, stopping: Event) -> Answer:
        """Answer a request; may take its time when a fault says so."""
        with self._lock:
            try:
                call = service.find(request)
            except RefusedError as refusal:
                self._note(request, f"{service.name}.refused", "", refusal.answer, None)
                return refusal.answer
            overrun = service.admit(call)
            if overrun is not None:
                self._truth.add("violation", operation=call.operation, place=call.place)
                self._note(request, call.operation, call.place, overrun, None)
                return overrun
            fault = self._faults.draw(call.operation, call.place)
        if fault is not None and fault.kind == "late-accept":
            stopping.wait(fault.seconds)  # also when the client has gone: that is the point
        with self._lock:
            answer = self._act(service, call, fault)
            if not self._faults.behaviour("no-limit-headers", call.operation, call.place):
                answer = service.finish(call, answer)
            self._note(request, call.operation, call.place, answer, fault)
        return answer

    def _act(self, service: Service, call: Call, fault: Fault | None) -> Answer:
        if fault is not None and fault.stage is Stage.BEFORE:
            return _unaccepted(service, call, fault)
        try:
            answer = call.perform()
        except RefusedError as refusal:
            return refusal.answer
        return answer if fault is None else _spoil(service, call, fault, answer)

    def _note(
        self, request: Request, operation: str, place: str, answer: Answer, fault: Fault | None
    ) -> None:
        self._truth.add(
            "call",
            operation=operation,
            place=place,
            method=request.method,
            path=request.raw_path,
            status=answer.status,
            fault=str(fault) if fault else None,
            request=_readable(request),
        )


def _readable(request: Request) -> object:
    """A request's body for the truth log: JSON where it is that, else text; None when there is none. Of a form
    with files what is beside them, of a file how long it is.
    """
    parts = request.form_parts()
    if parts is None and request.body.startswith(b"\x89PNG"):
        return f"{len(request.body)} bytes"
    body = request.body if parts is None else parts.get("payload_json", b"")
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _unaccepted(service: Service, call: Call, fault: Fault) -> Answer:
    if fault.kind == "outage":
        return html_answer(503, "503 Service Unavailable")
    if fault.kind in _SPOILED:
        return Answer(0, manner=_SPOILED[fault.kind])
    return service.refuse(call, fault)


def _spoil(service: Service, call: Call, fault: Fault, answer: Answer) -> Answer:
    if fault.kind in _SPOILED:
        pause = fault.seconds if fault.argument else answer.drip_seconds
        return replace(answer, manner=_SPOILED[fault.kind], drip_seconds=pause)
    if fault.kind == "html-body":
        return html_answer(200, "Just a moment…")
    if fault.kind == "no-content":
        return Answer(204)
    if fault.kind == "error-after-accept":
        return service.refuse(call, Fault(fault.argument))
    if fault.kind == "internal-error":
        return service.refuse(call, Fault("refuse", fault.argument))
    return answer


def html_answer(status: int, title: str) -> Answer:
    """A page such as a proxy gives."""
    return text_answer(status, _HTML.format(title), "text/html")
