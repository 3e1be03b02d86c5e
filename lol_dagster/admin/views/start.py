"""The start page: is it working, what waits for the operator, what happened lately?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from flask_admin import BaseView, expose
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.admin.charts import Bar, bar_chart
from lol_dagster.admin.context import admin_context
from lol_dagster.admin.transactions import reading
from lol_dagster.admin.views.announced import places_shown, where_announced
from lol_dagster.admin.views.decisions import decisions
from lol_dagster.admin.views.played import Part, who_played
from lol_dagster.monitoring.checks import CheckResult, failing, result_of
from lol_dagster.monitoring.health import read_health
from lol_dagster.storage.models import Game, Message

_CHART_HOURS = 72
_LATELY = timedelta(hours=24)
_HOUR = timedelta(hours=1)
_MOST_GAMES = 12
_STEPS = {
    "missing_team": ("Add a team", "team.create_view"),
    "missing_accounts": ("Add a player by Riot ID", "account.add_view"),
    "missing_channel": (
        "Add a channel in which the team's games are announced",
        "channel.create_view",
    ),
}
"""By check: what is not wrong but to be done, and on which page."""


@dataclass(frozen=True)
class Step:
    """One of the steps after which games are announced."""

    words: str
    url: str | None
    """Where it is done; None: it needs an earlier one first."""
    is_done: bool


@dataclass(frozen=True)
class Hour:
    """What happened within an hour."""

    begins_at: datetime
    games: int
    """Games that ended in it."""
    deliveries: int
    """Messages that were delivered in it, without those that only tried a channel out."""


class StartPage(BaseView):
    """The first page. It registers itself: Flask-Admin wants one before all others."""

    def __init__(self) -> None:
        # A static_url_path without a folder: Flask-Admin's own scripts and styles are not served.
        super().__init__("Start", endpoint="start", url="/", static_url_path="/none")

    @expose("/")
    def index(self) -> str:
        context, session = admin_context(), reading()
        now = context.now()
        hours = hourly(session, now, hours=_CHART_HOURS)
        health = read_health(session, now, context.settings)
        steps = _steps(health.checks)
        wrong = [
            each for each in failing(health.checks, "status") if each.check.severity == "error"
        ]
        text: str = self.render(
            "start.html",
            health=health,
            steps=steps,
            missing=[each.check.one for each in wrong if each.check.id in _STEPS],
            errors=[line for each in wrong if each.check.id not in _STEPS for line in each.lines],
            decisions=decisions(session, health.checks),
            games=_latest_games(session, now),
            hours=[each for each in reversed(hours) if each.games or each.deliveries],
            charts=_charts(hours),
        )
        return text


def _steps(results: Sequence[CheckResult]) -> list[Step]:
    """What a fresh installation needs, in order; empty once nothing of it is missing."""
    has_team = result_of(results, "missing_team").passed
    steps = [
        Step(
            words,
            url_for(endpoint) if has_team or check_id == "missing_team" else None,
            result_of(results, check_id).passed,
        )
        for check_id, (words, endpoint) in _STEPS.items()
    ]
    return [] if all(step.is_done for step in steps) else steps


def _latest_games(session: Session, now: datetime) -> list[tuple[Game, Sequence[Part], Markup]]:
    """Games of the last day, the newest first, each with those of us who played, and where it was
    announced.
    """
    games = session.scalars(
        select(Game)
        .where(Game.ended_at > now - _LATELY, Game.ended_at <= now)
        .order_by(Game.ended_at.desc())
        .limit(_MOST_GAMES)
    ).all()
    match_ids = [game.match_id for game in games]
    played, announced = who_played(session, match_ids), where_announced(session, match_ids)
    return [
        (game, played.get(game.match_id, ()), places_shown(announced.get(game.match_id, ())))
        for game in games
    ]


def _charts(hours: Sequence[Hour]) -> list[tuple[str, Markup]]:
    """What each shows, and the chart."""
    days = len(hours) // 24
    games, delivered = sum(each.games for each in hours), sum(each.deliveries for each in hours)
    return [
        (
            "Games that ended, per hour",
            bar_chart(
                [_bar(each, each.games) for each in hours],
                title=f"Games per hour in the last {days} days, {games} in all",
            ),
        ),
        (
            "Messages delivered, per hour",
            bar_chart(
                [_bar(each, each.deliveries) for each in hours],
                title=f"Messages delivered per hour in the last {days} days, {delivered} in all",
                kind="two",
            ),
        ),
    ]


def _bar(hour: Hour, value: int) -> Bar:
    at = hour.begins_at
    tick = f"{at:%a %d}" if at.hour == 0 else "12:00" if at.hour == 12 else ""
    return Bar(f"{at:%a %H:%M} UTC", value, tick)


def hourly(session: Session, now: datetime, *, hours: int) -> list[Hour]:
    """The last hours, the current one last.

    Args:
        now: An aware instant.
        hours: How many, the current one included.
    """
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - (hours - 1) * _HOUR
    games = _by_hour(
        session.scalars(select(Game.ended_at).where(Game.ended_at >= first, Game.ended_at <= now))
    )
    deliveries = _by_hour(
        session.scalars(
            select(Message.delivered_at).where(
                Message.delivered_at >= first, Message.delivered_at <= now, Message.kind != "test"
            )
        )
    )
    begins = [first + number * _HOUR for number in range(hours)]
    return [Hour(each, games[each], deliveries[each]) for each in begins]


def _by_hour(instants: Iterable[datetime | None]) -> Counter[datetime]:
    return Counter(
        each.replace(minute=0, second=0, microsecond=0) for each in instants if each is not None
    )
