"""Leaving Riot alone while it refuses our key.

A key that Riot refuses is tried again every few minutes only: a refused key that goes on calling
ends up banned. Another key is tried at once: settings are read anew when a tick begins, so one that
was put into `.env` needs no restart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from lol_dagster.monitoring.riot_limits import fingerprint_of, is_known_key, note_key_used
from lol_dagster.monitoring.trouble import RIOT_KEY_SCOPE
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker

log = logging.getLogger(__name__)

_PAUSE = timedelta(minutes=10)


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
def watching_key(database: Database, riot: RiotClient, now: datetime) -> Iterator[None]:
    """Note it if Riot refuses our key in what happens inside.

    Raises:
        KeyRejected: it does; sensors and schedules make no call for some minutes then.
    """
    try:
        yield
    except KeyRejected as error:
        _refuse(database, riot, now, f"{error.method} on {error.route} answered {error.status}")
        raise


def key_works(database: Database, riot: RiotClient, now: datetime) -> None:
    """Note that Riot has just answered a call made with our key."""
    fingerprint = riot.key_fingerprint
    with database.reading() as session:
        was_refused = session.get(Breaker, RIOT_KEY_SCOPE) is not None
        is_new = not is_known_key(session, fingerprint)
    if not was_refused and not is_new:
        return
    with database.writing() as session:
        note_key_used(session, fingerprint, now)
        breaker = session.get(Breaker, RIOT_KEY_SCOPE)
        if breaker is not None:
            session.delete(breaker)
            log.info("Riot accepts the API key again")


def _refuse(database: Database, riot: RiotClient, now: datetime, reason: str) -> None:
    with database.writing() as session:
        breaker = session.get(Breaker, RIOT_KEY_SCOPE)
        if breaker is None:
            breaker = Breaker(scope=RIOT_KEY_SCOPE, failures=0, since=now)
            session.add(breaker)
        breaker.failures += 1
        breaker.open_until = now + _PAUSE
        breaker.fingerprint = riot.key_fingerprint
        breaker.reason = reason[:500]
    # No more than a note: whoever called is told by the exception.
    log.info("Riot refuses the API key; nothing is asked of it for %s", _PAUSE)
