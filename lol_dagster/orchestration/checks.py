"""The asset checks: the operator's dashboard over our own tables, all green when all is well.

They are unpartitioned and looked at on a schedule: on a run over a range Dagster records a check
for no partition at all, and "is anything wrong now" is the question anyway.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

import dagster as dg
from sqlalchemy import Select, func, select
from structlog.contextvars import bound_contextvars

from lol_dagster.monitoring.trouble import (
    accounts_missing_games,
    accounts_not_polled,
    audit_failures,
    blocked_scopes,
    contradictory_messages,
    duplicate_messages,
    find,
    messages_needing_review,
    quarantined_games,
    routes_down,
    stuck_games,
    unsettled_messages,
)
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker, Match, Message, MessageAudit

Look = Callable[[Database, datetime], dg.AssetCheckResult]
CHECKS: list[dg.AssetChecksDefinition] = []
"""All of them, in the order in which they stand here."""
_looks: dict[str, list[Look]] = defaultdict(list)
"""By asset."""


def _asset_check(*, asset: str, description: str) -> Callable[[Look], dg.AssetChecksDefinition]:
    """Dagster's decorator, which leaves `evaluate_checks` the function itself: Dagster's own call of a check
    sets up an instance for it, with databases, each time.
    """

    def decorated(look: Look) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=asset, name=look.__name__, description=description)
        def check(
            database: dg.ResourceParam[Database], clock: dg.ResourceParam[WallClock]
        ) -> dg.AssetCheckResult:
            return look(database, clock.now())

        CHECKS.append(check)
        _looks[asset].append(look)
        return check

    return decorated


@_asset_check(
    asset="games",
    description="Every game that Riot listed is processed, or accounted for: late, gone, set "
    "aside or ignored. Fails on games that have been due for half an hour.",
)
def every_game_accounted_for(database: Database, now: datetime) -> dg.AssetCheckResult:
    with database.reading() as session:
        by_state = session.execute(select(Match.state, func.count()).group_by(Match.state))
        counts = {f"games {state}": count for state, count in by_state}
    return _none_of(database, stuck_games(now), "stuck", counts)


@_asset_check(
    asset="games",
    description="No game is quarantined. Each one that is has a failed run of its own.",
)
def no_game_quarantined(database: Database, _now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, quarantined_games(), "quarantined")


@_asset_check(
    asset="deliveries",
    description="Every message comes to exactly one end in time: delivered, parked or dropped. "
    "Fails on messages that have been due for half an hour or open for 25 hours.",
)
def every_message_settled(database: Database, now: datetime) -> dg.AssetCheckResult:
    with database.reading() as session:
        by_state = session.execute(select(Message.state, func.count()).group_by(Message.state))
        counts = {f"messages {state}": count for state, count in by_state}
    return _none_of(database, unsettled_messages(now), "unsettled", counts)


@_asset_check(
    asset="deliveries",
    description="No message is known under two remote ids: none was told twice.",
)
def no_duplicate_message(database: Database, _now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, duplicate_messages(), "told twice")


@_asset_check(
    asset="deliveries",
    description="No message's row says two things at once: told and given up, open and never due, "
    "delivered without a proof.",
)
def every_message_in_one_state(database: Database, now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, contradictory_messages(now), "contradictory")


@_asset_check(
    asset="deliveries",
    description="Every told message that was looked up in its channel stands there once, with its "
    "newest text. A sample is looked up daily (job `audit_messages`); one that somebody has deleted "
    "is no failure.",
)
def delivered_messages_stand_once(database: Database, _now: datetime) -> dg.AssetCheckResult:
    with database.reading() as session:
        by_finding = session.execute(
            select(MessageAudit.finding, func.count()).group_by(MessageAudit.finding)
        )
        counts = {f"looked up: {finding}": count for finding, count in by_finding}
    return _none_of(database, audit_failures(), "not there as told", counts)


@_asset_check(
    asset="deliveries",
    description="No message waits for the operator's decision.",
)
def no_message_needs_review(database: Database, _now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, messages_needing_review(), "needs_review")


@_asset_check(
    asset="deliveries",
    description="No channel and no token is blocked.",
)
def no_channel_blocked(database: Database, _now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, blocked_scopes(), "blocked")


@_asset_check(
    asset="match_lists",
    description="Every account of a current member was asked about within the last hour.",
)
def every_account_polled_lately(database: Database, now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, accounts_not_polled(now), "not polled")


@_asset_check(
    asset="match_lists",
    description="Games can be seen: no account has played a ranked game, as Riot's profile of it "
    "counts, of which no match has come for 90 minutes.",
)
def games_can_be_seen(database: Database, now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, accounts_missing_games(now), "not to be seen")


@_asset_check(
    asset="match_lists",
    description="Riot gives match lists: no regional route has failed for five minutes.",
)
def riot_answers(database: Database, now: datetime) -> dg.AssetCheckResult:
    return _none_of(database, routes_down(now).with_only_columns(Breaker.scope), "down")


def _none_of(
    database: Database, wrong: Select[str], word: str, counts: dict[str, int] | None = None
) -> dg.AssetCheckResult:
    with database.reading() as session:
        found = find(session, wrong)
    return dg.AssetCheckResult(
        passed=not found,
        description=f"{word}: {found}" if found else f"none {word}",
        metadata={word: found.count, **(counts or {})},
    )


def evaluate_checks(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    database: Database,
    now: datetime,
    asset: str,
) -> None:
    """Evaluate the asset's checks in a run that has just materialized it.

    Dagster's UI counts a result only until the asset is materialized again, and ours is with every
    batch: without this the checks would stand there unanswered nearly all the time.
    """
    for look in _looks[asset]:
        with bound_contextvars(run_id=context.run.run_id):
            result = look(database, now)
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=look.__name__,
            passed=result.passed,
            metadata=result.metadata,
            description=result.description,
        )
        # An op's context takes it as an asset's does; only its annotation lacks it.
        context.log_event(evaluation)  # type: ignore[arg-type]
