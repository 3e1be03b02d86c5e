"""The asset checks: the operator's dashboard over our own tables, all green when all is well.

They are unpartitioned and looked at on a schedule: on a run over a range Dagster records a check
for no partition at all, and "is anything wrong now" is the question anyway.
"""

from datetime import timedelta

import dagster as dg
from sqlalchemy import Select, func, or_, select

from lol_dagster.orchestration.house import House
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Attempt,
    Breaker,
    Match,
    Membership,
    Message,
)

# A batch takes minutes at most; what is due for longer than this is stuck.
GAME_DEADLINE = timedelta(minutes=30)
# The protocol parks what it cannot settle within a day.
MESSAGE_DEADLINE = timedelta(hours=25)
# No account is asked less often than every 30 minutes.
POLL_DEADLINE = timedelta(minutes=65)
_SHOWN = 20


@dg.asset_check(
    asset="games",
    description="Every game that Riot listed is processed, or accounted for: late, gone, set "
    "aside or ignored. Fails on games that have been due for half an hour.",
)
def every_game_accounted_for(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    stuck = (
        select(Match.match_id)
        .where(Match.next_try_at.is_not(None), Match.next_try_at < house.now() - GAME_DEADLINE)
        .order_by(Match.next_try_at)
    )
    with house.database.reading() as session:
        by_state = dict(
            session.execute(select(Match.state, func.count()).group_by(Match.state)).all()
        )
    return _none_of(house, stuck, "stuck", {f"games {state}": n for state, n in by_state.items()})


@dg.asset_check(
    asset="games",
    description="No game is set aside. Each one that is has a failed run of its own.",
)
def no_game_set_aside(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    return _none_of(house, select(Match.match_id).where(Match.state == "set_aside"), "set aside")


@dg.asset_check(
    asset="deliveries",
    description="Every message past its deadline has come to exactly one end: delivered, parked "
    "or dropped.",
)
def every_message_settled(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    open_ = (
        select(Message.id)
        .where(
            Message.state.in_(("pending", "sending", "uncertain", "blocked")),
            Message.created_at < house.now() - MESSAGE_DEADLINE,
        )
        .order_by(Message.created_at)
    )
    with house.database.reading() as session:
        by_state = dict(
            session.execute(select(Message.state, func.count()).group_by(Message.state)).all()
        )
    return _none_of(house, open_, "unsettled", {f"messages {s}": n for s, n in by_state.items()})


@dg.asset_check(
    asset="deliveries",
    description="No message is known under two remote ids: none was told twice.",
)
def no_message_told_twice(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    twice = (
        select(Attempt.message_id)
        .where(Attempt.remote_id.is_not(None))
        .group_by(Attempt.message_id)
        .having(func.count(Attempt.remote_id.distinct()) > 1)
    )
    return _none_of(house, twice, "told twice")


@dg.asset_check(
    asset="deliveries",
    description="No message waits for the operator's decision.",
)
def no_message_parked(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    return _none_of(house, select(Message.id).where(Message.state == "parked"), "parked")


@dg.asset_check(
    asset="deliveries",
    description="No channel and no token is blocked.",
)
def no_channel_blocked(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    blocked = select(Breaker.scope).where(
        Breaker.scope != "riot-key",
        or_(Breaker.dead, Breaker.open_until > house.now()),
    )
    return _none_of(house, blocked, "blocked")


@dg.asset_check(
    asset="match_lists",
    description="Every account of a current member was asked about within the last hour.",
)
def every_account_polled_lately(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    now = house.now()
    late = (
        select(Account.game_name + "#" + Account.tag_line)
        .join(AccountPoll, AccountPoll.account_id == Account.id, isouter=True)
        .where(
            Account.player_id.in_(
                select(Membership.player_id).where(
                    Membership.since <= now,
                    or_(Membership.until.is_(None), Membership.until > now),
                )
            ),
            Account.created_at < now - POLL_DEADLINE,
            or_(
                AccountPoll.last_good_poll_at.is_(None),
                AccountPoll.last_good_poll_at < now - POLL_DEADLINE,
            ),
        )
    )
    return _none_of(house, late, "not polled")


def _none_of(
    house: House, wrong: Select[str], word: str, metadata: dict[str, int] | None = None
) -> dg.AssetCheckResult:
    with house.database.reading() as session:
        found = list(session.scalars(wrong.limit(_SHOWN + 1)))
    shown = found[:_SHOWN] + (["…"] if len(found) > _SHOWN else [])
    return dg.AssetCheckResult(
        passed=not found,
        description=f"{word}: {', '.join(shown)}" if found else f"none {word}",
        metadata={word: len(found), **(metadata or {})},
    )


CHECKS = [
    every_game_accounted_for,
    no_game_set_aside,
    every_message_settled,
    no_message_told_twice,
    no_message_parked,
    no_channel_blocked,
    every_account_polled_lately,
]
