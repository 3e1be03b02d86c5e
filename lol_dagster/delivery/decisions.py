"""What a person decides about a message that the protocol cannot settle.

Nothing is sent from here: a message that is to be sent after all becomes due, and a deliverer
claims it.
Each decision is written down with who made it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.clock import Clock
from lol_dagster.delivery.message_rows import apply, terms_of
from lol_dagster.delivery.model import (
    QUIET,
    Decision,
    Drop,
    MarkDelivered,
    Moment,
    Resend,
    Timing,
)
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.whereabouts import may_stand_elsewhere
from lol_dagster.errors import UserError
from lol_dagster.storage.audit import add_entry
from lol_dagster.storage.models import ChannelProbe, Message

_OPEN_TO = {
    Resend: ("needs_review",),
    MarkDelivered: ("needs_review", "uncertain", "blocked"),
    Drop: ("needs_review", "uncertain", "blocked"),
}
_ACTIONS = {Resend: "resent", MarkDelivered: "marked delivered", Drop: "dropped"}
_WHY_NOT = {
    "pending": "it waits to be sent and will be, by itself",
    "sending": "it is being sent right now: try again in a minute",
    "uncertain": "the channel's history is searched before anything is repeated, by itself",
    "blocked": "it is sent by itself as soon as its channel takes messages again",
    "delivered": "it is delivered",
    "dropped": "it is given up for good",
}


class DecisionError(UserError):
    """The decision makes no sense for this message."""


class RemoteIdError(DecisionError):
    """No message in such a channel has such an id."""


@dataclass(frozen=True)
class Choices:
    """What a person can decide about a message as it stands now."""

    resend: bool
    mark_delivered: bool
    drop: bool
    give_up_edit: bool
    """It is delivered and its newest text is not: that one is what would be dropped."""
    checks_first: bool
    """Before it is posted again the channel's history is searched; else it may stand there twice."""
    moved: bool
    """It may stand at an address that its channel had before, where nothing looks for it."""
    has_ids: bool
    """A message has an id in such a channel, without which it is never edited."""

    @property
    def any(self) -> bool:
        return self.resend or self.mark_delivered or self.drop or self.give_up_edit


def choices(session: Session, message: Message, *, transports: Mapping[str, Transport]) -> Choices:
    """What can be decided about a message now, and what there is to know before."""
    return Choices(
        resend=message.state in _OPEN_TO[Resend] and message.channel.removed_at is None,
        mark_delivered=message.state in _OPEN_TO[MarkDelivered],
        drop=message.state in _OPEN_TO[Drop] or _is_held(message),
        give_up_edit=_lacks_an_edit(message),
        checks_first=_checks_first(session, message, transports),
        moved=may_stand_elsewhere(session, message),
        has_ids=transports[message.channel.kind].remote_ids is not None,
    )


def resend(
    session: Session,
    message_id: str,
    *,
    transports: Mapping[str, Transport],
    clock: Clock,
    now: datetime,
    former_address_checked: bool = False,
) -> Message:
    """Have a message that needs review delivered after all.

    Where the channel's history can be read, it is searched first, and nothing is posted that stands
    there. Elsewhere the message is posted, and stands there twice if an earlier POST got through.

    Args:
        former_address_checked: A person has seen that it is not at an address which the channel had
            before.

    Raises:
        DecisionError: it does not need review, its channel was removed, or nobody has looked for it
            where the channel was before.
    """
    message = _locked(session, message_id)
    if message.channel.removed_at is not None:
        raise _refusal(message, "resent", "its channel was removed")
    if may_stand_elsewhere(session, message) and not former_address_checked:
        raise DecisionError(
            f"the message {message.id[:8]} may have been posted at the address that its channel had "
            "before, and is looked for only at the present one: see whether it is there, and if so, "
            "mark it delivered. If it is not, say so: in the web view, or with --former-address-checked"
        )
    decision = Resend(_checks_first(session, message, transports))
    _decide(session, message, decision, transports=transports, clock=clock, now=now)
    return message


def mark_delivered(
    session: Session,
    message_id: str,
    remote_id: str | None,
    *,
    transports: Mapping[str, Transport],
    clock: Clock,
    now: datetime,
) -> Message:
    """Note that a message stands in its channel, as a person has seen.

    Args:
        remote_id: Its id there, if known: without it, it is never edited.

    Raises:
        DecisionError: it is neither in review, uncertain nor blocked.
        RemoteIdError: no message there has such an id, or another message of ours has it.
    """
    message = _locked(session, message_id)
    if remote_id is not None:
        _check_remote_id(transports[message.channel.kind], remote_id)
        _check_no_other_has(session, message, remote_id)
    decision = MarkDelivered(remote_id)
    _decide(session, message, decision, transports=transports, clock=clock, now=now)
    return message


def drop(
    session: Session,
    message_id: str,
    *,
    transports: Mapping[str, Transport],
    clock: Clock,
    now: datetime,
) -> Message:
    """Give a message up: it is never sent again. Of a delivered one give the edit up: the text that
    stands there stays, until the message is to say something else again.

    Raises:
        DecisionError: it is neither in review, uncertain, blocked nor held back by quiet hours, nor does it lack an
            edit.
    """
    message = _locked(session, message_id)
    _decide(session, message, Drop(), transports=transports, clock=clock, now=now)
    return message


def _checks_first(session: Session, message: Message, transports: Mapping[str, Transport]) -> bool:
    terms = terms_of(session, message.channel, transports, Timing())
    probe = session.get(ChannelProbe, message.channel_id)
    return terms.read_back and not (probe is not None and probe.unreadable_history)


def _locked(session: Session, message_id: str) -> Message:
    return session.scalars(
        select(Message)
        .where(Message.id == message_id)
        .with_for_update(of=Message)
        .execution_options(populate_existing=True)
    ).one()


def _decide(
    session: Session,
    message: Message,
    decision: Decision,
    *,
    transports: Mapping[str, Transport],
    clock: Clock,
    now: datetime,
) -> None:
    action = _ACTIONS[type(decision)]
    gives_up_edit = isinstance(decision, Drop) and _lacks_an_edit(message)
    if gives_up_edit:
        action = "edit given up"
    elif isinstance(decision, Drop) and _is_held(message):
        pass  # until its channel's quiet hours end there is time to think better of it
    elif message.state not in _OPEN_TO[type(decision)]:
        raise _refusal(message, action, _WHY_NOT[message.state])
    before = _shown(message)
    epoch, at = clock.read(session)
    moment = Moment(epoch=epoch, at=at, wall=now, jitter=0.0)
    terms = terms_of(session, message.channel, transports, Timing())
    apply(message, decision, moment, terms)
    who = session.info.get("who", "system")
    add_entry(session, message, action, who=who, at=now, before=before, after=_shown(message))
    session.flush()


def _is_held(message: Message) -> bool:
    """By its channel's quiet hours."""
    return message.state == "pending" and message.last_error == QUIET


def _lacks_an_edit(message: Message) -> bool:
    """It is delivered, and its newest text neither stands in the channel nor is given up."""
    return (
        message.state == "delivered"
        and message.remote_id is not None
        and message.remote_rev is not None
        and not message.remote_deleted
        and message.remote_rev < message.desired_rev
        and (message.given_up_rev or 0) < message.desired_rev
    )


def _check_remote_id(transport: Transport, remote_id: str) -> None:
    form = transport.remote_ids
    if form is None:
        raise RemoteIdError(f"messages of a {transport.kind} have no id: leave --remote-id out")
    if not form.matches(remote_id):
        raise RemoteIdError(
            f"{remote_id!a} is no id of a {transport.kind}'s message: it is {form.example}"
        )


def _check_no_other_has(session: Session, message: Message, remote_id: str) -> None:
    """Or the next change of the text would overwrite the other one."""
    others = session.scalars(
        select(Message).where(Message.remote_id == remote_id, Message.id != message.id)
    )
    for other in others:
        if other.channel.address == message.channel.address:
            raise RemoteIdError(
                f"{remote_id} is the id of the message {other.id[:8]}, which is about "
                f"{other.subject}: give this message's own"
            )


def _refusal(message: Message, action: str, why: str) -> DecisionError:
    return DecisionError(
        f"the message {message.id[:8]} is {message.state} and cannot be {action}: {why}"
    )


def _shown(message: Message) -> dict[str, str | None]:
    return {
        "state": message.state,
        "remote_id": message.remote_id,
        "evidence": message.evidence,
        "last_error": message.last_error,
    }
