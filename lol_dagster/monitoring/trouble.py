"""What counts as trouble: the questions that `lol-dagster status` and Dagster's checks both ask.

Each is a query for the ids of what is wrong, so that there is one definition and one deadline of
everything. What is said about it belongs to health.py and to the checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Select,
    String,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import QueryableAttribute, Session

from lol_dagster.delivery.audit import WRONG
from lol_dagster.delivery.transports.registry import kinds_without_ids
from lol_dagster.riot.key import RIOT_KEY_SCOPE
from lol_dagster.riot.polling import ROUTE_SCOPE
from lol_dagster.riot.profiles import MISSING_GAMES_AFTER, no_game_since
from lol_dagster.roster.memberships import is_tracked
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Attempt,
    Breaker,
    Channel,
    Match,
    Message,
    MessageAudit,
)

DUE_DEADLINE = timedelta(minutes=30)
"""A batch and a sweep take minutes at most: what is due for longer than this is stuck."""
SETTLED_DEADLINE = timedelta(hours=25)
"""The delivery protocol parks what it cannot settle within a day."""
CONTRADICTION_SPAN = timedelta(days=7)
"""A delivered row is not touched any more after its text has settled."""
POLL_DEADLINE = timedelta(minutes=65)
"""No account is asked less often than every half hour."""
OVERDUE_AFTER = timedelta(minutes=10)
"""An account whose turn came longer ago than this is not asked for as it should be."""
RIOT_DOWN_AFTER = timedelta(minutes=5)
"""How long a route of Riot's must have failed until it is called down: shorter trouble is common."""
UNDELIVERED_STATES = ("pending", "sending", "uncertain", "blocked")

_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """What a question found."""

    count: int
    first: tuple[str, ...]
    """The first few, in the question's order."""

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {more} more" if more else "")


def find(session: Session, wrong: Select[str]) -> Found:
    """Ask one of the questions below."""
    first = tuple(session.scalars(wrong.limit(_SHOWN)))
    if len(first) < _SHOWN:
        return Found(len(first), first)
    everything = wrong.order_by(None).subquery()
    return Found(session.scalar(select(func.count()).select_from(everything)) or 0, first)


def stuck_games(now: datetime) -> Select[str]:
    """Match ids that should have been taken a stage further, the longest due first."""
    return (
        select(Match.match_id)
        .where(Match.next_try_at < now - DUE_DEADLINE)
        .order_by(Match.next_try_at)
    )


def quarantined_games() -> Select[str]:
    """Match ids on which a stage failed, the newest first."""
    return (
        select(Match.match_id).where(Match.state == "quarantined").order_by(Match.listed_at.desc())
    )


def unsettled_messages(now: datetime) -> Select[str]:
    """Ids of messages that should have been told, or given up, by now, the oldest first."""
    return (
        select(Message.id)
        .where(
            Message.state.in_(UNDELIVERED_STATES),
            or_(
                Message.due_at < now - DUE_DEADLINE,
                Message.created_at < now - SETTLED_DEADLINE,
            ),
        )
        .order_by(Message.created_at)
    )


def duplicate_messages() -> Select[str]:
    """Ids of messages that are known under two remote ids."""
    return (
        select(Attempt.message_id)
        .where(Attempt.remote_id.is_not(None))
        .group_by(Attempt.message_id)
        .having(func.count(Attempt.remote_id.distinct()) > 1)
    )


def audit_failures() -> Select[str]:
    """Ids of told messages that did not stand in their channel as they should when they were last
    looked at.
    """
    return (
        select(MessageAudit.message_id)
        .where(MessageAudit.finding.in_(WRONG))
        .order_by(MessageAudit.at)
    )


def contradictory_messages(now: datetime) -> Select[str]:
    """Ids of messages whose row says two things at once: told and given up, open and never due,
    delivered without a proof. Of the delivered ones those of the last days are looked at.
    """
    told, due = Message.evidence.is_not(None), Message.due_at.is_not(None)
    open_ = ("pending", "sending", "uncertain", "blocked")
    no_id_by_nature = (
        select(Channel.id)
        .where(Channel.id == Message.channel_id, Channel.kind.in_(kinds_without_ids()))
        .exists()
    )
    undelivered = select(Message.id).where(
        or_(
            # Told is told: such a row may only be at rest, or in hand for an edit.
            and_(Message.state.in_(("pending", "uncertain", "blocked")), told),
            and_(Message.state.in_(("needs_review", "dropped")), or_(told, due)),
            # Nobody would ever take it up again.
            and_(Message.state.in_(open_), ~due),
            and_(Message.state.in_(("pending", "blocked")), Message.sent_maybe),
            and_(Message.state == "uncertain", Message.sent_maybe.is_(False)),
            and_(Message.state == "sending", Message.lease_until.is_(None)),
        ),
        Message.state.in_((*open_, "needs_review", "dropped")),
    )
    # State and order by a function: SQLite would go through all that was ever delivered, by the
    # index on states or in the order of the ids, for the few by `delivered_at`.
    is_delivered = func.coalesce(Message.state, "") == "delivered"
    delivered = select(Message.id).where(
        is_delivered,
        or_(
            ~told,
            and_(
                Message.evidence.in_(("response", "scan")),
                Message.remote_id.is_(None),
                ~no_id_by_nature,
            ),
            # An older text stands there, nothing says why, and nobody will change it.
            and_(
                Message.remote_id.is_not(None),
                Message.remote_deleted.is_(False),
                Message.remote_rev < Message.desired_rev,
                ~due,
                Message.last_error.is_(None),
            ),
        ),
    )
    lately = delivered.where(Message.delivered_at > now - CONTRADICTION_SPAN)
    never = select(Message.id).where(is_delivered, Message.delivered_at.is_(None))
    found = union_all(undelivered, lately, never).subquery()
    return select(found.c.id).order_by(func.coalesce(found.c.id, ""))


def messages_needing_review() -> Select[str]:
    """Ids of messages that wait for the operator's decision, the oldest first."""
    return select(Message.id).where(Message.state == "needs_review").order_by(Message.created_at)


def blocked_scopes() -> Select[str]:
    """Scopes of the channels and tokens that refuse us or do not answer, the longest first.

    A breaker whose pause is over counts until something has worked again.
    """
    return (
        select(Breaker.scope)
        .where(
            Breaker.scope != RIOT_KEY_SCOPE,
            ~Breaker.scope.startswith(ROUTE_SCOPE),
            or_(Breaker.dead, Breaker.open_until.is_not(None)),
            Breaker.scope.not_in(_scopes_of_removed_channels()),
        )
        .order_by(Breaker.since)
    )


def accounts_not_polled(now: datetime) -> Select[str]:
    """Riot IDs of tracked accounts whose match list has not been seen lately."""
    return _accounts_behind(now, AccountPoll.last_good_poll_at, POLL_DEADLINE)


def accounts_overdue(now: datetime) -> Select[str]:
    """Riot IDs of tracked accounts whose turn to be asked about has come and gone."""
    return _accounts_behind(now, AccountPoll.next_poll_at, OVERDUE_AFTER)


def _accounts_behind(
    now: datetime, moment: QueryableAttribute[Any], patience: timedelta
) -> Select[str]:
    """Riot IDs of accounts that have been tracked for longer than our patience, and whose moment is
    longer ago or has never come; the longest first.
    """
    deadline = now - patience
    return (
        select(Account.game_name + "#" + Account.tag_line)
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(
            is_tracked(now, since=deadline),
            Account.created_at < deadline,
            or_(moment.is_(None), moment < deadline),
        )
        .order_by(moment.asc().nulls_first(), Account.id)
    )


def routes_down(now: datetime) -> Select[Breaker]:
    """The breakers of Riot's routes that have given no match list for a while, the longest first."""
    return (
        select(Breaker)
        .where(Breaker.scope.startswith(ROUTE_SCOPE), Breaker.since <= now - RIOT_DOWN_AFTER)
        .order_by(Breaker.since, Breaker.scope)
    )


def accounts_missing_games(now: datetime) -> Select[str]:
    """Riot IDs of tracked accounts whose games we cannot see: Riot has counted a ranked game, the
    match list was asked for ever since, and no match has come.
    """
    return (
        select(Account.game_name + "#" + Account.tag_line)
        .join(AccountPoll, AccountPoll.account_id == Account.id)
        .where(
            is_tracked(now),
            AccountPoll.missing_games_since <= now - MISSING_GAMES_AFTER,
            AccountPoll.last_good_poll_at >= now - POLL_DEADLINE,
            no_game_since(AccountPoll.missing_games_from),
        )
        .order_by(AccountPoll.missing_games_since, Account.id)
    )


def _scopes_of_removed_channels() -> Select[str]:
    # Nothing is sent there any more that could close its breaker.
    return select(literal("channel:") + cast(Channel.id, String)).where(
        Channel.removed_at.is_not(None)
    )
