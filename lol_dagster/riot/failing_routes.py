"""Regional routes of Riot's that give nobody's match list, remembered for all processes.

While a route is noted here, one account a minute is asked whether it still fails, and everybody
else's turn waits: hours of it cost a bounded number of calls. When it answers, all have their turn.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from lol_dagster.riot.routing import REGIONAL_ROUTES
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Breaker, Match
from lol_dagster.storage.upsert import insert_if_absent

log = logging.getLogger(__name__)

ROUTE_SCOPE = "riot-route:"
"""With a route: its breaker."""


def failing_routes(session: Session) -> set[str]:
    scopes = session.scalars(select(Breaker.scope).where(Breaker.scope.startswith(ROUTE_SCOPE)))
    return {scope.removeprefix(ROUTE_SCOPE) for scope in scopes}


def note_failing(database: Database, route: str, reason: str, now: datetime) -> None:
    """Note that nobody who was asked about on the route got an answer, as Riot's servers fail."""
    scope = ROUTE_SCOPE + route
    with database.writing() as session:
        first = {"scope": scope, "failures": 0, "dead": False, "since": now}
        insert_if_absent(session, Breaker, [first])
        breaker = session.get_one(Breaker, scope, with_for_update=True)
        breaker.failures += 1
        breaker.reason = reason[:500]


def note_answering(database: Database, route: str, now: datetime) -> None:
    """Note that the route answers again: the accounts whose looks have failed, and the games that
    could not be fetched, have their turn at once.
    """
    log.info("Riot's %s answers again", route, extra={"route": route})
    platforms = [platform for platform, of in REGIONAL_ROUTES.items() if of == route]
    with database.writing() as session:
        session.execute(delete(Breaker).where(Breaker.scope == ROUTE_SCOPE + route))
        session.execute(
            update(AccountPoll)
            .where(
                AccountPoll.account_id.in_(
                    select(Account.id).where(Account.platform.in_(platforms))
                ),
                AccountPoll.failures > 0,
            )
            .values(next_poll_at=now)
        )
        # Not those that are late: Riot has answered for them.
        session.execute(
            update(Match)
            .where(
                Match.next_try_at > now, Match.state == "listed", Match.first_missing_at.is_(None)
            )
            .values(next_try_at=now)
        )
