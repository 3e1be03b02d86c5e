"""The keys with which secrets are encrypted in the database.

They stand in LOL_SECRET_KEY or, where that is not set, in the file `secret.key` in LOL_HOME, which is
made when it is first needed, readable by its owner alone. There may be several: the first encrypts,
all of them decrypt. So a key is changed by putting a new one in front; the older ones stay, and
backups that were made with them can still be read.
"""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lol_dagster.errors import UserError
from lol_dagster.settings import Settings

if TYPE_CHECKING:  # imported with the first secret: most installations have no webhook
    from cryptography.fernet import MultiFernet

MARK = "enc1:"
"""What an encrypted value begins with in the database."""
_KEY_BYTES = 32


class SecretKeyError(UserError):
    """Something in the database cannot be read with the keys that are there."""


class Keyring:
    """The keys, read when they are needed: another process may have put a new one in front."""

    def __init__(self, given: str | None, file: Path) -> None:
        """
        Args:
            given: Keys with commas between them, the newest first; None: they are in the file.
            file: Where they are otherwise, a line each.
        """
        self._given = given
        self._file = file

    @property
    def in_file(self) -> Path | None:
        """The file that holds the keys; None: they come from LOL_SECRET_KEY."""
        return self._file if self._given is None else None

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._keys())

    @property
    def known(self) -> tuple[str, ...]:
        """The keys themselves, for striking them out; none where they cannot be read."""
        try:
            return self._keys()
        except (OSError, UnicodeDecodeError):  # whoever needs them says so
            return ()

    def encrypt(self, text: str) -> str:
        return MARK + _cipher(self._keys_or_new_one()).encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """
        Raises:
            SecretKeyError: none of the keys fits.
        """
        from cryptography.fernet import InvalidToken

        keys = self._keys()
        if not keys:
            raise SecretKeyError(self._wrong_key())
        try:
            return _cipher(keys).decrypt(stored.removeprefix(MARK)).decode()
        except InvalidToken:
            raise SecretKeyError(self._wrong_key()) from None

    def key_for(self, purpose: str) -> bytes:
        """32 bytes that follow from the newest key, others for each purpose."""
        return _derived(self._keys_or_new_one()[0], purpose)

    def add_key(self) -> None:
        """Put a new key in front of those in the file. Killed at any point, it has or has not."""
        self._draft([secrets.token_urlsafe(_KEY_BYTES), *self._keys()]).replace(self._file)

    def _keys(self) -> tuple[str, ...]:
        if self._given is not None:
            return tuple(each.strip() for each in self._given.split(","))
        try:
            lines = self._file.read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(line.strip() for line in lines if line.strip())

    def _keys_or_new_one(self) -> tuple[str, ...]:
        keys = self._keys()
        if keys:
            return keys
        draft = self._draft([secrets.token_urlsafe(_KEY_BYTES)])
        try:
            # Of several processes that do this together one makes it, and whole.
            os.link(draft, self._file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return self._keys()

    def _draft(self, keys: Sequence[str]) -> Path:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_name(f".{self._file.name}-{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(handle)
        return draft

    def _wrong_key(self) -> str:
        where = (
            "LOL_SECRET_KEY should be the key"
            if self._given is not None
            else f"put back the file {self._file}, or set LOL_SECRET_KEY to the key"
        )
        return (
            f"a webhook's address in the database was encrypted with another key: {where} with "
            "which it was written; if that is lost, 'lol-dagster db rotate-key --give-up-lost' "
            "goes on without those addresses"
        )


def keyring(settings: Settings) -> Keyring:
    """The keys that the settings lead to."""
    given = settings.secret_key
    return Keyring(given.get_secret_value() if given else None, settings.home / "secret.key")


@lru_cache(maxsize=8)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet(
        [Fernet(urlsafe_b64encode(_derived(key, "secrets at rest"))) for key in keys]
    )


def _derived(key: str, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"lol_dagster {purpose}".encode()
    return HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(key.encode())
