"""The picture of a message: put beside its text by an edit, once the text is posted.

A POST never has one. When a message is proven to be delivered, it is to say the same in a further revision,
which the protocol brings there as it does any changed text. Whatever is wrong with a picture, the text is none
the worse: an edit that is refused with its picture is made without it, or left out where it had nothing else
to say. Where a picture is uploaded beforehand, the edit waits for that, and not for longer than `LONGEST_WAIT`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from lol_dagster.delivery.model import Blocked, NotSent, PostVerdict, Refused, Row, Terms, Verdict
from lol_dagster.messages.content import canonical
from lol_dagster.storage.models import MessagePicture

_ICONS = "icons"
"""Stands for a digest: of all that is said of a message's icons."""
LONGEST_WAIT = timedelta(minutes=2)
"""How long an edit waits for its picture to be uploaded, and to be ready."""
CHECK_AFTER = timedelta(seconds=3)


def begins_with(row: Row, content: Mapping[str, Any], terms: Terms) -> bool:
    """Whether a message that has just been proven to be delivered is to be edited for its picture alone."""
    return (
        content.get("card") is not None
        and terms.pictures
        and row.remote_id is not None
        and not row.remote_deleted
        and row.remote_rev == row.desired_rev
    )


def card_to_send(
    session: Session, row: Row, content: Mapping[str, Any], terms: Terms
) -> dict[str, Any] | None:
    """The card to put beside the text by the edit that is about to be made; None: there is none, or that one
    has failed.
    """
    card: dict[str, Any] | None = content.get("card")
    if card is None or not terms.pictures:
        return None
    # Beyond the longest wait only rounds count in which others passed: the service stumbles over this one.
    if row.edit_rounds > len(terms.timing.backoff) + 1:
        return None
    known = session.get(MessagePicture, row.id)
    return None if known and known.failed and known.digest == digest(card) else card


def why_it_failed(verdict: Verdict) -> str | None:
    """Whether an edit's refusal may be the picture's fault; None: it is not, or there is no refusal."""
    match verdict:
        case Refused(reason):
            return reason
        case Blocked(reason, scope="channel", dead=False):
            return reason
    return None


def refused(reason: str) -> PostVerdict:
    """The verdict on an edit that may well be taken without its picture: it closes nothing."""
    return Refused(f"{reason} (with its picture)")


def goes_without_icons(session: Session, message_id: str) -> bool:
    """Whether the message has been refused with champions' icons in it."""
    known = session.get(MessagePicture, message_id)
    return known is not None and known.digest == _ICONS


def refused_with_icons(session: Session, message_id: str, verdict: Verdict) -> NotSent | None:
    """What a refusal comes to of a message that has icons, which a service may have been unable to load: it is
    sent once more, without them. None: they are not to blame.
    """
    match verdict:
        case Refused(reason) | Blocked(reason, unknown=True):
            picture = session.get(MessagePicture, message_id)
            if picture is None:
                picture = MessagePicture(message_id=message_id, rev=0)
                session.add(picture)
            picture.digest, picture.failed = _ICONS, reason
            return NotSent(f"{reason} (with icons)", retry_after=0.0)
    return None


def note(
    session: Session,
    message_id: str,
    content: Mapping[str, Any],
    *,
    rev: int = 0,
    failed: str | None = None,
) -> MessagePicture:
    """Note what happens to a message's picture.

    Args:
        rev: The revision that says nothing new but has it.
        failed: Why it has failed.
    """
    picture = session.get(MessagePicture, message_id)
    if picture is None:
        picture = MessagePicture(message_id=message_id, rev=rev)
        session.add(picture)
    of = digest(content.get("card") or {})
    if picture.digest != of:
        picture.begun_at, picture.file_id, picture.is_ready = None, None, False
    picture.digest, picture.failed = of, failed
    return picture


def uploaded(session: Session, message_id: str, card: Mapping[str, Any]) -> MessagePicture | None:
    """What is known of the upload of this card; None: it has not begun."""
    known = session.get(MessagePicture, message_id)
    is_it = known is not None and known.digest == digest(card) and known.begun_at is not None
    return known if is_it else None


def digest(card: Mapping[str, Any]) -> str:
    """Of what a card shows and how, not of its bytes."""
    return hashlib.sha256(canonical(dict(card)).encode()).hexdigest()
