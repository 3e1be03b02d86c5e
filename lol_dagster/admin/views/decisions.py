"""What waits for the operator, each thing with a link to the page where it is decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.scopes import channel_of
from lol_dagster.monitoring.checks import MOST_NAMED, Affected, CheckResult
from lol_dagster.storage.models import Account, Player

_HEADINGS = {
    "quarantined_game": "Games in quarantine",
    "message_needs_review": "Messages that need review",
    "refused_channel": "Channels that refuse us",
    "refused_edits": "Channels that refuse edits",
    "refused_scans": "Channels whose history cannot be read",
    "silent_channel": "Channels that do not answer",
    "refused_token": "Tokens that are refused",
}
"""By check: those that are decided on a page of the web view."""


@dataclass(frozen=True)
class Item:
    """One thing that waits."""

    name: str
    why: str
    url: str | None
    """Its page; None: it has none."""


@dataclass(frozen=True)
class PendingDecision:
    """A kind of thing that waits."""

    title: str
    count: int
    first: tuple[Item, ...]
    url: str | None
    """The list of all of them."""


def decisions(session: Session, results: Iterable[CheckResult]) -> list[PendingDecision]:
    """Everything that waits, by what it is; kinds of which there is nothing are left out."""
    found = [_decision(each) for each in results if each.check.id in _HEADINGS]
    return [each for each in (*found, _unresolved_accounts(session)) if each.count]


def page(endpoint: str, **values: Any) -> str | None:
    """The address of a page, if there is such a page."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def _decision(result: CheckResult) -> PendingDecision:
    check_id = result.check.id
    return PendingDecision(
        _HEADINGS[check_id],
        result.count,
        tuple(_item(check_id, each) for each in result.affected[:MOST_NAMED]),
        _list_page(check_id),
    )


def _item(check_id: str, affected: Affected) -> Item:
    name, why = affected.name or affected.id, affected.why or ""
    if check_id == "quarantined_game":
        return Item(name, why, page("game.details_view", id=affected.id))
    if check_id == "message_needs_review":
        return Item(why, "", page("message.details_view", id=affected.id))
    channel = channel_of(affected.id)
    return Item(name, why, channel and page("channel.details_view", id=channel[0]))


def _list_page(check_id: str) -> str | None:
    if check_id == "quarantined_game":
        return page("quarantine.index_view")
    if check_id == "message_needs_review":
        return page("message.index_view", flt0_state="needs_review")
    return page("channel.index_view")


def _unresolved_accounts(session: Session) -> PendingDecision:
    rows: Sequence[Any] = session.execute(
        select(Account.id, Account.game_name, Account.tag_line, Player.name)
        .join(Player, Player.id == Account.player_id)
        .where(Account.puuid.is_(None))
        .order_by(Account.id)
        .limit(MOST_NAMED)
    ).all()
    return PendingDecision(
        "Accounts to be resolved",
        session.scalar(select(func.count(Account.id)).where(Account.puuid.is_(None))) or 0,
        tuple(
            Item(f"{name}#{tag}", f"of {player}", page("account.details_view", id=key))
            for key, name, tag, player in rows
        ),
        page("account.index_view", flt0_state="to be resolved"),
    )
