"""By what a posted message is recognised: the marker inside it, and the nonce beside it.

The marker says which message it is, in which revision; the delivery protocol finds a message again
by it (docs/delivery.md). The nonce lets Discord recognise a second POST of the same message: it has
to be the same for every attempt, and different for every message and every installation that posts
with the same bot, as Discord compares nonces per author and not per channel.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Fact
from lol_dagster.storage.upsert import insert_if_absent

NONCE_LENGTH = 22
"""Of at most 25 that Discord takes; 132 bits."""
_SALT = "salt"
_MARKER = re.compile(r"([A-Za-z0-9-]{1,64})\.([0-9]{1,9})")


def write_marker(message_id: str, rev: int) -> str:
    """`<message id>.<revision>`: URL-safe, at most 74 characters."""
    return f"{message_id}.{rev}"


def parse_marker(text: object) -> tuple[str, int] | None:
    """Message id and revision, or None if `text` is no marker."""
    found = _MARKER.fullmatch(text) if isinstance(text, str) else None
    return (found[1], int(found[2])) if found else None


def delivery_nonce(salt: str, message_id: str) -> str:
    """The message's nonce, in base64url."""
    digest = hashlib.sha256(f"{salt}{message_id}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:NONCE_LENGTH]


def nonce_in(address: str, nonce: str) -> str:
    """The nonce of a message in the channel of this address: of a message that is posted into two, as by
    a copy of the database, or after the channel was moved, neither post repeats the other.
    """
    return delivery_nonce(nonce, address)


def installation_salt(session: Session) -> str:
    """The installation's salt; made by whoever asks first, in the session's transaction."""
    stored = select(Fact.value).where(Fact.name == _SALT)
    salt = session.scalar(stored)
    if salt is None:
        insert_if_absent(session, Fact, [{"name": _SALT, "value": secrets.token_hex(16)}])
        salt = session.scalar(stored)  # another writer may have been first
    return str(salt)
