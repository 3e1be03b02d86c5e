"""What the checks ask the database: a query each, for what is affected.

Columns: its id (or name), since when, why. The order is the one in which people should deal with it.
checks.py says what follows from it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import QueryableAttribute, Session

from lol_dagster.delivery.scopes import CALLS, channel_scope_column
from lol_dagster.delivery.transports.registry import (
    UnknownKind,
    kinds_without_ids,
    transport_types,
)
from lol_dagster.riot.missing_games import MISSING_GAMES_AFTER, no_game_since
from lol_dagster.riot.polling import ROUTE_SCOPE
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
    Quarantine,
)
from lol_dagster.storage.models.delivery import CONTRADICTORY, IS_WRONG, WITHOUT_ID
from lol_dagster.storage.plans import through

DUE_DEADLINE = timedelta(minutes=30)
"""A batch and a delivery run take minutes at most: what is due for longer than this is stuck."""
SETTLED_DEADLINE = timedelta(hours=25)
"""The delivery protocol asks for a review, after a day, of what fails while other messages pass."""
POLL_DEADLINE = timedelta(minutes=65)
"""Every account is polled at least every half hour, if Riot's limits allow it."""
OVERDUE_AFTER = timedelta(minutes=10)
"""An account whose turn came longer ago than this is not polled as it should be."""
RIOT_DOWN_AFTER = timedelta(minutes=5)
"""How long a route must have failed until it is called down: shorter outages are common."""
UNDELIVERED_STATES = ("pending", "sending", "uncertain", "blocked")

Query = Select[*tuple[Any, ...]]


def stuck_games(now: datetime) -> Query:
    """Match ids whose next stage should have been done, the longest due first."""
    return (
        select(Match.match_id, Match.next_try_at, Match.last_error)
        .where(Match.next_try_at < now - DUE_DEADLINE)
        .order_by(Match.next_try_at)
    )


def quarantined_games() -> Query:
    """Match ids on which a stage failed, the newest first."""
    return (
        select(
            Match.match_id, Quarantine.quarantined_at, Quarantine.stage + ": " + Quarantine.error
        )
        .outerjoin(
            Quarantine,
            and_(Quarantine.match_id == Match.match_id, Quarantine.closed_at.is_(None)),
        )
        .where(Match.state == "quarantined")
        .order_by(Match.listed_at.desc(), Match.match_id)
    )


def unsettled_messages(now: datetime, *, alerts: bool = False) -> Query:
    """Ids of messages that should have been delivered, or given up, by now, the oldest first.

    Those of a channel that cannot be used wait for it and are left out.

    Args:
        alerts: Only alerts; else everything but alerts.
    """
    blocked = _blocked_scopes()
    is_blocked = select(Channel.id).where(
        or_(channel_scope_column("post").in_(blocked), _token_scope().in_(blocked))
    )
    is_hidden = select(Channel.id).where(channel_scope_column("scan").in_(blocked))
    found = (
        select(Message.id, Message.created_at, Message.last_error)
        .where(
            Message.state.in_(UNDELIVERED_STATES),
            Message.due_at.is_not(None),
            or_(
                Message.due_at < now - DUE_DEADLINE,
                # Not one that is being edited.
                and_(Message.created_at < now - SETTLED_DEADLINE, Message.evidence.is_(None)),
            ),
            Message.kind == "alert" if alerts else Message.kind != "alert",
            Message.channel_id.not_in(is_blocked),
            or_(Message.state != "uncertain", Message.channel_id.not_in(is_hidden)),
        )
        # Of a function: PostgreSQL would walk all messages in the order in which they came to be.
        .order_by(func.coalesce(Message.created_at, Message.due_at))
    )
    return through(found, Message, "ix_messages_due")


def duplicate_messages() -> Query:
    """Ids of messages that are known under two remote ids."""
    found = select(Attempt.message_id).where(text("names_another")).distinct()
    return through(found, Attempt, "ix_attempts_names_another")


def audit_failures() -> Query:
    """Ids of delivered messages that were not in their channel as they should be when they were last
    read back.
    """
    why = func.replace(MessageAudit.finding, "_", " ")
    found = (
        select(
            MessageAudit.message_id,
            MessageAudit.at,
            func.coalesce(why + ": " + MessageAudit.detail, why),
        )
        .where(text(IS_WRONG))
        .order_by(MessageAudit.at)
    )
    return through(found, MessageAudit, "ix_message_audits_wrong")


def contradictory_messages(session: Session) -> Query:
    """Ids of messages whose row says two things at once: delivered and given up, open and never due,
    delivered without evidence.
    """
    # Read first: PostgreSQL would read all messages of the others to leave them out.
    with_ids = session.scalars(
        select(Channel.id).where(Channel.kind.not_in(kinds_without_ids()))
    ).all()
    found = union_all(
        through(
            select(Message.id).where(text(CONTRADICTORY)), Message, "ix_messages_contradictory"
        ),
        through(
            select(Message.id).where(text(WITHOUT_ID), Message.channel_id.in_(with_ids)),
            Message,
            "ix_messages_without_id",
        ),
    ).subquery()
    return select(found.c.id).order_by(func.coalesce(found.c.id, ""))


def outdated_messages(now: datetime) -> Query:
    """Ids of delivered messages whose newest text does not stand in their channel: nothing is due, as the
    edit was refused, or failed too often; or it has been due for more than a day, as it is put off again and
    again. Those of a channel that is closed to edits wait for it and are left out.
    """
    in_use = select(Channel.id).where(Channel.removed_at.is_(None))
    columns = Message.id, Message.delivered_at, Message.last_error
    outdated = (
        Message.remote_rev < Message.desired_rev,
        Message.remote_id.is_not(None),
        Message.remote_deleted.is_(False),
        func.coalesce(Message.given_up_rev, 0) < Message.desired_rev,
        Message.channel_id.in_(in_use),
    )
    left = through(
        select(*columns).where(Message.due_at.is_(None), Message.state == "delivered", *outdated),
        Message,
        "ix_messages_outdated",
    )
    blocked = _blocked_scopes()
    is_closed = select(Channel.id).where(
        or_(channel_scope_column("edit").in_(blocked), _token_scope().in_(blocked))
    )
    tried_long_ago = (
        select(Attempt.id)
        .where(
            Attempt.message_id == Message.id,
            Attempt.op == "PATCH",
            Attempt.rev > Message.remote_rev,
            Attempt.at < now - SETTLED_DEADLINE,
        )
        .exists()
    )
    delayed = select(*columns).where(
        Message.due_at.is_not(None),
        *outdated,
        Message.channel_id.not_in(is_closed),
        tried_long_ago,
    )
    delayed = through(delayed, Message, "ix_messages_due")
    found = union_all(left, delayed).subquery()
    return select(*found.c).order_by(found.c.delivered_at)


def messages_needing_review() -> Query:
    """Ids of messages that wait for the operator's decision, the oldest first, and what kind each
    is of.
    """
    known = case((Message.sent_maybe, ", perhaps posted"), else_=", not posted")
    why = func.coalesce(": " + Message.last_error, "")
    about = Message.subject + " in " + Channel.name + known + why
    return (
        select(Message.id, Message.created_at, about, Message.kind)
        .join(Channel, Channel.id == Message.channel_id)
        .where(Message.state == "needs_review")
        .order_by(Message.created_at)
    )


def blocked_breakers() -> Select[Breaker]:
    """The breakers of channels and tokens that refuse us or do not answer, the longest first.

    One whose pause is over counts until something has worked again.
    """
    return select(Breaker).where(_is_blocking()).order_by(Breaker.since, Breaker.scope)


def _blocked_scopes() -> Select[Any]:
    return select(Breaker.scope).where(_is_blocking())


def _is_blocking() -> ColumnElement[bool]:
    # Nothing is sent to a removed channel any more that could close its breaker, or its token's.
    in_use = Channel.removed_at.is_(None)
    token_scope = _token_scope()
    return and_(
        or_(Breaker.dead, Breaker.open_until.is_not(None)),
        or_(
            *(
                Breaker.scope.in_(select(channel_scope_column(call)).where(in_use))
                for call in CALLS
            ),
            Breaker.scope.in_(select(token_scope).where(in_use, token_scope.is_not(None))),
        ),
    )


def _token_scope() -> ColumnElement[str | None]:
    """Of the breaker of the token that a channel uses, if its kind has one."""
    known = ((Channel.kind == each.kind, each.token_scope) for each in transport_types())
    return case(*known, else_=UnknownKind.token_scope)


def unpolled_accounts(now: datetime) -> Query:
    """Riot IDs of tracked accounts whose match list has not come lately, although they had a turn."""
    behind = _accounts_behind(now, AccountPoll.last_good_poll_at, POLL_DEADLINE)
    # Where Riot's limits are too small for all, who has been quiet for long waits longer.
    has_a_turn = or_(AccountPoll.next_poll_at.is_(None), AccountPoll.next_poll_at <= now)
    return behind.where(or_(has_a_turn, AccountPoll.failures > 0))


def overdue_accounts(now: datetime) -> Query:
    """Riot IDs of tracked accounts whose turn to be polled has come and gone."""
    return _accounts_behind(now, AccountPoll.next_poll_at, OVERDUE_AFTER)


def _accounts_behind(now: datetime, moment: QueryableAttribute[Any], allowed: timedelta) -> Query:
    """Riot IDs of accounts that have been tracked for longer than is allowed, and whose moment is
    longer ago or has never come; those that failed most often first.
    """
    deadline = now - allowed
    return (
        select(_RIOT_ID, moment, AccountPoll.last_error)
        .outerjoin(AccountPoll, AccountPoll.account_id == Account.id)
        .where(
            is_tracked(now, since=deadline),
            Account.created_at < deadline,
            or_(moment.is_(None), moment < deadline),
        )
        .order_by(
            func.coalesce(AccountPoll.failures, 0).desc(), moment.asc().nulls_first(), Account.id
        )
    )


def routes_down(now: datetime) -> Query:
    """Riot's regional routes that have given no match list for a while, the longest first."""
    return (
        select(func.replace(Breaker.scope, ROUTE_SCOPE, ""), Breaker.since, Breaker.reason)
        .where(Breaker.scope.startswith(ROUTE_SCOPE), Breaker.since <= now - RIOT_DOWN_AFTER)
        .order_by(Breaker.since, Breaker.scope)
    )


def accounts_missing_games(now: datetime) -> Query:
    """Riot IDs of tracked accounts of which Riot has counted a ranked game, whose match list has
    come ever since, and of which no match has come.
    """
    return (
        select(_RIOT_ID, AccountPoll.missing_games_since)
        .join(AccountPoll, AccountPoll.account_id == Account.id)
        .where(
            is_tracked(now),
            AccountPoll.missing_games_since <= now - MISSING_GAMES_AFTER,
            AccountPoll.last_good_poll_at >= now - POLL_DEADLINE,
            no_game_since(AccountPoll.missing_games_from),
        )
        .order_by(AccountPoll.missing_games_since, Account.id)
    )


_RIOT_ID = Account.game_name + "#" + Account.tag_line
