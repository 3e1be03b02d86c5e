"""The API key: whether Riot accepts it, and leaving Riot alone while it does not.

A key that Riot refuses is tried again every few minutes only: a refused key that goes on calling
ends up banned. Another key is tried at once: settings are read anew when a tick begins, so one that
was put into `.env` needs no restart.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy.orm import Session

from lol_dagster.riot.errors import KeyRejected
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker, Fact
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

RIOT_KEY_SCOPE = "riot-key"
"""Of the breaker that is open while Riot refuses our key."""
_PAUSE = timedelta(minutes=10)


def key_fingerprint(api_key: SecretStr) -> str:
    """Tells keys apart without giving them away; 16 characters."""
    return hashlib.sha256(api_key.get_secret_value().encode()).hexdigest()[:16]


def fingerprint_of(settings: Settings) -> str | None:
    """The fingerprint of the key that is set, if one is."""
    return key_fingerprint(settings.riot_api_key) if settings.riot_api_key else None


def key_refused_until(database: Database, settings: Settings, now: datetime) -> datetime | None:
    """Until when nothing is asked of Riot; None if its key is not known to be refused."""
    with database.reading() as session:
        breaker = session.get(Breaker, RIOT_KEY_SCOPE)
    if breaker is None or breaker.open_until is None or breaker.open_until <= now:
        return None
    if breaker.fingerprint not in {None, fingerprint_of(settings)}:
        return None
    return breaker.open_until


@contextmanager
def watching_key(
    database: Database, fingerprint: str, clock: Callable[[], datetime]
) -> Iterator[None]:
    """Note it if Riot refuses our key in what happens inside.

    Args:
        fingerprint: The key's.

    Raises:
        KeyRejected: it does; sensors and schedules make no call for some minutes then.
    """
    try:
        yield
    except KeyRejected as error:
        now, reason = clock(), f"{error.method} on {error.route} answered {error.status}"
        with database.writing() as session:
            breaker = session.get(Breaker, RIOT_KEY_SCOPE)
            if breaker is None:
                breaker = Breaker(scope=RIOT_KEY_SCOPE, failures=0, since=now)
                session.add(breaker)
            breaker.failures += 1
            breaker.open_until = now + _PAUSE
            breaker.fingerprint = fingerprint
            breaker.reason = reason[:500]
        # No more than a note: the exception says it to the caller.
        log.info("Riot refuses the API key; nothing is asked of it for %s", _PAUSE)
        raise


def note_key_accepted(database: Database, fingerprint: str, now: datetime) -> None:
    """Note that Riot has just answered a call made with our key."""
    with database.reading() as session:
        was_refused = session.get(Breaker, RIOT_KEY_SCOPE) is not None
        is_new = first_used_at(session, fingerprint) is None
    if not was_refused and not is_new:
        return
    with database.writing() as session:
        note_key_used(session, fingerprint, now)
        breaker = session.get(Breaker, RIOT_KEY_SCOPE)
        if breaker is not None:
            session.delete(breaker)
            log.info("Riot accepts the API key again")


def note_key_used(session: Session, fingerprint: str, now: datetime) -> None:
    """Remember when a key was first accepted; a known key's time stays."""
    fact = {"name": _fact(fingerprint), "value": now.isoformat()}
    insert_if_absent(session, Fact, [fact])


def first_used_at(session: Session, fingerprint: str) -> datetime | None:
    """When Riot first answered a call with the key; None: it never has."""
    fact = session.get(Fact, _fact(fingerprint))
    return datetime.fromisoformat(fact.value) if fact else None


def _fact(fingerprint: str) -> str:
    return f"riot-key:{fingerprint}"
