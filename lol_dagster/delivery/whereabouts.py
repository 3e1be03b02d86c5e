"""Whether a message stands, or may stand, at an address that its channel no longer has.

Each attempt notes a fingerprint of the address that it was made to. Attempts of versions that did not
are taken for such at the present one.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports.base import fingerprint
from lol_dagster.storage.models import Attempt, Channel, Message


def stands_elsewhere(session: Session, message: Message) -> bool:
    """Whether a delivered message was posted, or found, at another address than its channel's."""
    found = session.scalars(
        select(Attempt.address)
        .where(Attempt.message_id == message.id, Attempt.outcome.in_(("accepted", "found")))
        .where(Attempt.op.in_(("POST", "SCAN")))
        .order_by(Attempt.id.desc())
        .limit(1)
    ).first()
    return found is not None and found != _present(session, message)


def may_stand_elsewhere(session: Session, message: Message) -> bool:
    """Whether a POST without a clear answer was made to another address than its channel's."""
    if not message.sent_maybe:
        return False
    sent = session.scalars(
        select(Attempt.address).where(
            Attempt.message_id == message.id,
            Attempt.op == "POST",
            Attempt.outcome.is_(None) | (Attempt.outcome == "uncertain"),
            Attempt.address.is_not(None),
        )
    ).all()
    return not {_present(session, message)}.issuperset(sent)


def _present(session: Session, message: Message) -> str:
    return fingerprint(session.get_one(Channel, message.channel_id).address)
