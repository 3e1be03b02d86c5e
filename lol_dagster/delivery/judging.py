"""What an answer means in view of what else is known: of the message's earlier calls, and of other messages.

A transport classes an answer by itself alone. Whether a refusal is about the channel or one message, whether
a service is down or stumbles over one message, and whether what was not found may be there all the same, the
attempts show. They are compared in the order in which the calls were made: no clock is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.claimed_message import ClaimedMessage
from lol_dagster.delivery.model import (
    Absent,
    Blocked,
    Delete,
    Effect,
    Get,
    NotSeen,
    NotSent,
    Refused,
    Scan,
    Uncertain,
    Unclear,
    Verdict,
)
from lol_dagster.delivery.transports.base import Answer, Transport
from lol_dagster.storage.models import Attempt, Channel, Message


def judged(
    session: Session, claimed: ClaimedMessage, effect: Effect, answer: Answer[Verdict]
) -> Answer[Verdict]:
    """The answer to the call that `effect` asked for, with the verdict that it comes to."""
    verdict = answer.verdict
    if isinstance(verdict, Absent):
        verdict = _absent(session, claimed, verdict)
    elif isinstance(verdict, Blocked) and verdict.unknown and not isinstance(effect, Get | Delete):
        verdict = _refused(session, claimed, effect, answer, verdict)
    return replace(answer, verdict=verdict)


def others_pass(
    session: Session,
    claimed: ClaimedMessage,
    verdict: Verdict,
    transports: Mapping[str, Transport],
) -> bool:
    """Whether what failed is not the service: it has accepted another message since this one was tried
    before (sent, or searched for in vain). That edits pass says nothing of POSTs.
    """
    if not isinstance(verdict, Absent | NotSeen | NotSent | Uncertain):
        return False
    service = transports[claimed.kind].service
    kinds = [kind for kind, each in transports.items() if each.service == service]
    tries = select(func.max(Attempt.id)).where(
        Attempt.message_id == claimed.row.id,
        or_(Attempt.op.in_(("POST", "PATCH")), Attempt.outcome == "not_seen"),
    )
    if claimed.attempt_id is not None:
        tries = tries.where(Attempt.id < claimed.attempt_id)
    # Asked for by itself: with the number PostgreSQL knows that hardly any attempts came after it.
    last_try = session.scalar(tries)
    if last_try is None:
        return False
    accepted = (
        select(Attempt.id)
        .join(Message, Message.id == Attempt.message_id)
        .join(Channel, Channel.id == Message.channel_id)
        .where(
            Attempt.id > last_try,
            Attempt.outcome == "accepted",
            Attempt.op.in_(("POST",) if isinstance(verdict, Absent) else ("POST", "PATCH")),
            Message.id != claimed.row.id,
            Channel.kind.in_(kinds),
        )
    )
    return session.scalars(accepted.limit(1)).first() is not None


def _refused(
    session: Session,
    claimed: ClaimedMessage,
    effect: Effect,
    answer: Answer[Verdict],
    verdict: Blocked,
) -> Verdict:
    """Of a refusal that nobody knows: whether it concerns this message alone, as another one has passed
    since it was last answered so, or since a third one was, for itself. Else its channel would be closed
    for all of them, again and again.
    """
    calls = (
        select(Attempt.id)
        .join(Message, Message.id == Attempt.message_id)
        .where(
            Attempt.op == type(effect).__name__.upper(),
            Message.channel_id == claimed.destination.channel_id,
        )
        .order_by(Attempt.id.desc())
        .limit(1)
    )
    is_own = Message.id == claimed.row.id
    last = session.scalar(
        calls.where(
            Attempt.http_status == answer.http_status,
            Attempt.code == answer.code,
            or_(Attempt.outcome == "refused", and_(is_own, Attempt.outcome == "blocked")),
        )
    )
    passed = Attempt.outcome.in_(("accepted", "found", "more", "absent"))
    if last is None or session.scalar(calls.where(Attempt.id > last, passed, ~is_own)) is None:
        return verdict
    reason = f"{verdict.reason} (others pass)"
    return NotSeen(reason) if isinstance(effect, Scan) else Refused(reason)


def _absent(session: Session, claimed: ClaimedMessage, verdict: Absent) -> Verdict:
    """Of a history that does not hold the message: what its last POST met, and whether a message without a
    marker may be the one that is looked for, as it is not known to be another one of ours.
    """
    lost = _unknown(session, claimed, verdict.unmarked)
    if not lost:
        return Absent(_last_post_met_server_error(session, claimed.row.id))
    return Unclear(
        f"the message {lost[0]} there may be it: it is ours and has lost its marker (delete it "
        "there before a resend)"
    )


def _unknown(session: Session, claimed: ClaimedMessage, remote_ids: tuple[str, ...]) -> list[str]:
    """Which of these are of no other message of the channel."""
    if not remote_ids:
        return []
    known = session.scalars(
        select(Message.remote_id).where(
            Message.channel_id == claimed.destination.channel_id, Message.remote_id.in_(remote_ids)
        )
    ).all()
    return [each for each in remote_ids if each not in known]


def _last_post_met_server_error(session: Session, message_id: str) -> bool:
    """Whether that is still to be counted: once for each POST, however often it is looked for."""
    last = session.execute(
        select(Attempt.op, Attempt.http_status)
        .where(
            Attempt.message_id == message_id,
            or_(Attempt.op == "POST", Attempt.outcome == "absent"),
        )
        .order_by(Attempt.id.desc())
        .limit(1)
    ).first()
    return last is not None and last.op == "POST" and (last.http_status or 0) >= 500
