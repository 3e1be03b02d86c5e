"""The one password, and how often it may be tried. Its hash stands in LOL_ADMIN_PASSWORD_HASH.

Each wrong try makes the next one from the same network wait longer, up to a minute; many wrong tries
from anywhere make everybody wait a few seconds. A browser in which the password was given before has tries of
its own, which nobody else uses up. Tries stand in the database: restarting brings no new ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr
from sqlalchemy.orm import Session

from lol_dagster.errors import UserError
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact
from lol_dagster.storage.upsert import insert_if_absent

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
        UserError: there is none, or not one that we make.
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


FREE_TRIES = 5
"""Wrong attempts in a row that cost nothing: people mistype."""
LONGEST_PAUSE = timedelta(minutes=1)
REMEMBERED_FOR = timedelta(minutes=15)
MANY = 50
"""Wrong tries from anywhere after which everybody waits."""
PAUSE_OF_ALL = timedelta(seconds=5)
_TRIES = "admin-sign-in-tries"
_BROWSER = "browser "


@dataclass(frozen=True)
class TrySource:
    """Where an attempt comes from.

    Attributes:
        address: The visitor's; behind a proxy it may be anything.
        browser: Of one that is known; its id.
    """

    address: str
    browser: str | None = None

    @property
    def place(self) -> str:
        """What shares its tries: a known browser, or the network in which a host may have more
        addresses than one.
        """
        if self.browser is not None:
            return f"{_BROWSER}{self.browser}"
        try:
            parsed = ip_address(self.address)
        except ValueError:
            return self.address[:60]
        if isinstance(parsed, IPv6Address):
            # As a proxy that listens for both kinds writes it: all of IPv4 would be one network.
            parsed = parsed.ipv4_mapped or parsed
        return str(ip_network((parsed, 48 if parsed.version == 6 else 24), strict=False))


def begin_try(database: Database, source: TrySource, now: datetime) -> timedelta:
    """Count an attempt before the password is checked, so that no simultaneous ones slip through.

    Returns:
        How long to wait first; zero: go ahead, it counts as wrong until `forget_tries`.
    """
    # Only read first: whoever hammers must not hold up those who write.
    with database.reading() as session:
        noted = session.get(Fact, _TRIES)
        wait = _wait(_remembered(noted, now), source, now) if noted else timedelta(0)
    if wait > timedelta(0):
        return wait
    with database.writing() as session:
        fact = _fact(session)
        tries = _remembered(fact, now)
        wait = _wait(tries, source, now)
        if wait <= timedelta(0):
            tries.append([now.isoformat(), source.place])
        fact.value = tries
    return max(wait, timedelta(0))


def forget_tries(database: Database, source: TrySource | None = None) -> None:
    """Forget the attempts from where the password was given; None: all attempts."""
    with database.writing() as session:
        fact = _fact(session)
        fact.value = [each for each in fact.value if source is not None and each[1] != source.place]


def _remembered(fact: Fact, now: datetime) -> list[list[str]]:
    return [each for each in fact.value if now - _at(each) < REMEMBERED_FOR]


def _wait(tries: list[list[str]], source: TrySource, now: datetime) -> timedelta:
    mine = [_at(each) for each in tries if each[1] == source.place]
    everybodys = [_at(each) for each in tries if not each[1].startswith(_BROWSER)]
    wait = timedelta(0)
    if len(mine) >= FREE_TRIES:
        pause = min(timedelta(seconds=2 ** (len(mine) - FREE_TRIES)), LONGEST_PAUSE)
        wait = mine[-1] + pause - now
    if source.browser is None and len(everybodys) >= MANY:
        wait = max(wait, everybodys[-1] + PAUSE_OF_ALL - now)
    return wait


def _fact(session: Session) -> Fact:
    # Of several first attempts at the same time, one makes the row and the others wait for it.
    insert_if_absent(session, Fact, [{"name": _TRIES, "value": []}])
    return session.get_one(Fact, _TRIES, with_for_update=True)


def _at(each: list[str]) -> datetime:
    return datetime.fromisoformat(each[0])
