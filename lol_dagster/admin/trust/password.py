"""The one password: its hash stands in LOL_ADMIN_PASSWORD_HASH."""

from __future__ import annotations

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from lol_dagster.errors import UserError
from lol_dagster.settings import Settings

SHORTEST = 10
_LONGEST = 1000
_MAKE_ONE = "'lol-dagster admin set-password' makes it"


def password_hash(password: str) -> str:
    """What LOL_ADMIN_PASSWORD_HASH should be.

    Raises:
        UserError: the password is too short.
    """
    if len(password) < SHORTEST:
        raise UserError(f"the password should have at least {SHORTEST} characters")
    return PasswordHasher().hash(password)


def require_password_hash(settings: Settings) -> SecretStr:
    """The hash of the password.

    Raises:
        UserError: there is none, or it is none that we make.
    """
    stored = settings.admin_password_hash
    if stored is None:
        raise UserError(f"LOL_ADMIN_PASSWORD_HASH is not set: {_MAKE_ONE}")
    try:
        extract_parameters(stored.get_secret_value())
    except InvalidHashError:
        raise UserError(f"LOL_ADMIN_PASSWORD_HASH is no hash of a password: {_MAKE_ONE}") from None
    return stored


def is_right(password: str, stored: SecretStr) -> bool:
    """Whether this is the password; takes as long whatever is wrong with it."""
    try:
        return PasswordHasher().verify(stored.get_secret_value(), password[:_LONGEST])
    except VerificationError:
        return False
