"""The nonce of a message: what lets Discord recognise a second POST of the same message.

It has to be the same for every attempt, and different for every message and every installation
that posts with the same bot: Discord compares nonces per author, not per channel.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lol_dagster.storage.models import Fact

NONCE_LENGTH = 22
"""Of at most 25 that Discord takes; 132 bits."""
_SALT = "salt"


def delivery_nonce(salt: str, message_id: str) -> str:
    """The message's nonce, in base64url."""
    digest = hashlib.sha256(f"{salt}{message_id}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:NONCE_LENGTH]


def installation_salt(session: Session) -> str:
    """The installation's salt; made by whoever asks first, in the session's transaction."""
    stored = select(Fact.value).where(Fact.name == _SALT)
    salt = session.scalar(stored)
    if salt is None:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(
            dialect.insert(Fact)
            .values(name=_SALT, value=secrets.token_hex(16))
            .on_conflict_do_nothing()
        )
        # Another writer may have been first.
        salt = session.scalar(stored)
    return str(salt)
