"""The dead-man ping: as long as LOL_PING_URL hears from us, everything is moving.

No check may fail that shows in the ping's silence (see checks.py). What happens when the pings cease
is up to whoever is pinged; give it a quarter of an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache

from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import TransportError, user_agent
from lol_dagster.monitoring.checks import CheckResult, failing
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster.storage.models import Fact
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

PING_EVERY = timedelta(minutes=1)
_EARLY = timedelta(seconds=5)
"""So that a tick that is a moment early misses no minute."""
_DEADLINE_S = 5.0
_MAX_BODY = 64 * 1024
_FACT = "pinged-at"


def ping_if_healthy(
    database: Database, settings: Settings, results: Iterable[CheckResult], now: datetime
) -> bool:
    """Ping if one is due and nothing speaks against it. Failures to ping are only logged.

    Returns:
        Whether the ping was answered.
    """
    if settings.ping_url is None:
        return False
    if failing(results, "ping") or not _take_turn(database, now):
        return False
    try:
        answer = _session().request(
            "GET", settings.ping_url.get_secret_value(), deadline=_DEADLINE_S, max_body=_MAX_BODY
        )
    except TransportError as error:
        log.warning("The ping went unanswered: %s", error)
        return False
    if not 200 <= answer.status < 300:
        log.warning("The ping was answered with status %d", answer.status)
        return False
    return True


def _take_turn(database: Database, now: datetime) -> bool:
    """Only one process pings, and not more often than once a minute."""
    with database.writing() as session:
        insert_if_absent(session, Fact, [{"name": _FACT, "value": None}])
        fact = session.get_one(Fact, _FACT, with_for_update=True)
        since = None if fact.value is None else now - datetime.fromisoformat(fact.value)
        # One that lies ahead was made before the clock was put back.
        if since is not None and timedelta(0) <= since < PING_EVERY - _EARLY:
            return False
        fact.value = now.isoformat()
    return True


@cache
def _session() -> DeadlineSession:
    return DeadlineSession(user_agent(), guard=assert_no_open_write)
