"""Encrypting all secrets with a new key.

The new key is put in front of the others first, then all secrets are rewritten in one transaction.
Whatever dies in between, every secret can be read, and doing it again completes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import String, select, text, type_coerce, update
from sqlalchemy.orm import Session

from lol_dagster.errors import UserError
from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import MARK, Keyring, SecretKeyError
from lol_dagster.storage.models import Channel


@dataclass(frozen=True)
class Rotated:
    """What a rotation did."""

    rewritten: int
    """Secrets that are encrypted with the newest key now."""
    given_up: tuple[str, ...]
    """Names of channels whose address could not be read and is empty now."""


def rotate(database: Database, keyring: Keyring, *, give_up_lost: bool = False) -> Rotated:
    """Encrypt all secrets with a new key, or with the first of LOL_SECRET_KEY.

    Args:
        keyring: The database's.
        give_up_lost: Let go of secrets that none of the keys opens, instead of failing.

    Raises:
        SecretKeyError: a secret was encrypted with a key that is not there; nothing was changed.
        UserError: LOL_SECRET_KEY holds one key only.
    """
    with database.reading() as session:
        _decrypted(session, keyring, give_up_lost=give_up_lost)
    if keyring.in_file is not None:
        keyring.add_key()
    elif keyring.count < 2 and not give_up_lost:
        raise UserError(
            "LOL_SECRET_KEY holds one key: put a new one in front of it with a comma between them, "
            "as 'openssl rand -base64 32' prints one, and run this again; then the old one may go"
        )
    with database.writing() as session:
        if not database.is_sqlite:  # whoever is writing an address finishes first
            session.execute(text("LOCK TABLE channels IN SHARE ROW EXCLUSIVE MODE"))
        found = _decrypted(session, keyring, give_up_lost=give_up_lost)
        for key, (_, address) in found.items():
            # Not a change of the row: nobody has edited these channels.
            session.execute(update(Channel).where(Channel.id == key).values(address=address))
    given_up = tuple(name for name, address in found.values() if not address)
    return Rotated(len(found) - len(given_up), given_up)


def _decrypted(
    session: Session, keyring: Keyring, *, give_up_lost: bool
) -> dict[int, tuple[str, str]]:
    """By channel's id: its name and its address, if that is encrypted; empty: given up."""
    found = {}
    rows = session.execute(
        select(Channel.id, Channel.name, type_coerce(Channel.address, String))
    ).all()
    for key, name, stored in rows:
        if not stored.startswith(MARK):
            continue
        try:
            found[key] = (name, keyring.decrypt(stored))
        except SecretKeyError:
            if not give_up_lost:
                raise
            found[key] = (name, "")
    return found
