"""What waits for a person's decision, each thing with a link to where it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.admin.forms import number_in
from lol_dagster.monitoring.trouble import blocked_scopes
from lol_dagster.storage.models import Account, Breaker, Channel, Match, Message, Player

_SHOWN = 5


@dataclass(frozen=True)
class Waiting:
    """One thing that waits."""

    name: str
    said: str
    url: str | None
    """Its page; None: it has none."""


@dataclass(frozen=True)
class Decision:
    """A kind of thing that waits."""

    title: str
    count: int
    first: tuple[Waiting, ...]
    url: str | None
    """The list of all of them."""


def decisions(session: Session) -> list[Decision]:
    """Everything that waits, the kinds of which there is nothing left out."""
    found = [
        _quarantine(session), _parked(session), _blocked(session), _unresolved(session)
    ]  # fmt: skip
    return [each for each in found if each.count]


def page(endpoint: str, **values: Any) -> str | None:
    """The address of a page, if there is such a page."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def _quarantine(session: Session) -> Decision:
    rows = session.execute(
        select(Match.match_id, Match.last_error)
        .where(Match.state == "quarantined")
        .order_by(Match.listed_at.desc())
        .limit(_SHOWN)
    )
    return Decision(
        "Games quarantined",
        session.scalar(select(func.count(Match.match_id)).where(Match.state == "quarantined")) or 0,
        _waiting((key, error or "", page("game.details_view", id=key)) for key, error in rows),
        page("quarantine.index_view"),
    )


def _parked(session: Session) -> Decision:
    rows = session.execute(
        select(Message.id, Message.subject, Channel.name)
        .join(Channel, Channel.id == Message.channel_id)
        .where(Message.state == "needs_review")
        .order_by(Message.created_at)
        .limit(_SHOWN)
    )
    return Decision(
        "Messages parked: told or not?",
        session.scalar(select(func.count(Message.id)).where(Message.state == "needs_review")) or 0,
        _waiting(
            (subject, f"for {channel}", page("message.details_view", id=key))
            for key, subject, channel in rows
        ),
        page("message.index_view", flt0_state="needs_review"),
    )


def _blocked(session: Session) -> Decision:
    scopes = session.execute(
        select(Breaker.scope, Breaker.reason).where(Breaker.scope.in_(blocked_scopes()))
    ).all()
    waiting: list[tuple[str, str, str | None]] = []
    for scope, reason in scopes[:_SHOWN]:
        channel = session.get(Channel, number_in(scope.removeprefix("channel:")))
        url = None if channel is None else page("channel.details_view", id=channel.id)
        waiting.append((scope if channel is None else channel.name, reason or "", url))
    return Decision("Channels blocked", len(scopes), _waiting(waiting), page("channel.index_view"))


def _unresolved(session: Session) -> Decision:
    rows = session.execute(
        select(Account.id, Account.game_name, Account.tag_line, Player.name)
        .join(Player, Player.id == Account.player_id)
        .where(Account.puuid.is_(None))
        .order_by(Account.id)
        .limit(_SHOWN)
    )
    return Decision(
        "Accounts to be resolved",
        session.scalar(select(func.count(Account.id)).where(Account.puuid.is_(None))) or 0,
        _waiting(
            (f"{name}#{tag}", f"of {player}", page("account.details_view", id=key))
            for key, name, tag, player in rows
        ),
        page("account.index_view", flt0_state="to be resolved"),
    )


def _waiting(found: Iterable[tuple[str, str, str | None]]) -> tuple[Waiting, ...]:
    return tuple(Waiting(*each) for each in found)
