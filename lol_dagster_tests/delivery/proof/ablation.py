"""Deliverers that lack one mechanism, to show in real processes what it is there for.

Each is taken out in the process that lacks it, from outside: by a transport or a
transaction that does not do its part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from lol_dagster.delivery.model import Absent, UnreadableHistory
from lol_dagster.delivery.outbox import Outbox
from lol_dagster.delivery.transports.base import Answer, Transport
from lol_dagster.storage.models import Message

Mechanism = Literal[
    "intent", "fence", "claim's age", "settling", "scan", "visibility check", "their time"
]


def take_out(mechanism: Mechanism, transports: Mapping[str, Transport]) -> None:
    """Take a mechanism out of this process, for good."""
    match mechanism:
        case "intent":
            _forget_intents()
        case "fence":
            _ignore_fences()
        case "claim's age":
            Outbox.age = lambda *_: 0.0  # type: ignore[method-assign]
        case "their time":
            Outbox._after_id = _by_our_clock  # type: ignore[method-assign]
        case _:
            for each in transports.values():
                _patch(each, **_without(mechanism, each))


def _without(mechanism: Mechanism, transport: Transport) -> dict[str, Any]:
    if mechanism == "settling":
        return {"capabilities": replace(transport.capabilities, settle=0.0)}
    believe = _believing(transport) if mechanism == "visibility check" else None
    return {"scan": believe or (lambda *_: Answer(Absent()))}


def _by_our_clock(self: Outbox, _session: Any, claimed: Any) -> str | None:
    """A message would stand where this machine says that it is now."""
    return self._transports[claimed.kind].after_id(None, datetime.now(UTC))


def _patch(transport: Transport, **attributes: Any) -> None:
    kind = type(transport)
    transport.__class__ = type(kind.__name__, (kind,), attributes)


def _believing(transport: Transport) -> Any:
    """A scan of a history that shows nothing: so there is nothing."""
    scan = type(transport).scan

    def believe(self: Transport, *args: Any) -> Answer[Any]:
        answer = scan(self, *args)
        return (
            replace(answer, verdict=Absent())
            if isinstance(answer.verdict, UnreadableHistory)
            else answer
        )

    return believe


def _forget_intents() -> None:
    """The intent is not durable: whoever comes next finds a message that was never sent."""
    intend = Outbox.intend

    def forget(self: Outbox, claimed: Any, *args: Any) -> Any:
        intended = intend(self, claimed, *args)
        with self._database.writing() as session:
            session.get_one(Message, claimed.row.id).sent_maybe = False
        return intended

    Outbox.intend = forget  # type: ignore[method-assign]


def _ignore_fences() -> None:
    """Whatever is being sent takes anybody's result."""
    apply = Outbox._apply

    def ignore(self: Outbox, session: Any, claimed: Any, *args: Any, **how: Any) -> Any:
        fence = session.get_one(Message, claimed.row.id).fence
        mine = replace(claimed, row=replace(claimed.row, fence=fence))
        return apply(self, session, mine, *args, **how)

    Outbox._apply = ignore  # type: ignore[method-assign]
