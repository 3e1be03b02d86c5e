"""What every process has logged: lines about a run, a game, a message; and slow queries, summed up."""

from __future__ import annotations

from datetime import timedelta

from flask import request
from flask_admin import Admin, BaseView, expose

from lol_dagster.admin.context import admin_context
from lol_dagster.logs.reading import LEVELS, LogFilter, newest
from lol_dagster.logs.slow_queries import slow_queries

_LINES = 300
_SPANS = {"1h": 1, "12h": 12, "1d": 24, "7d": 168, "30d": 720}
"""What can be chosen → hours."""
_FIELDS = {
    "game": "Game",
    "run": "Run",
    "message": "Message",
    "player": "Player (Riot ID)",
    "channel": "Channel",
}


class LogsPage(BaseView):
    """Lines of the log, the newest first."""

    def __init__(self) -> None:
        super().__init__("Log", endpoint="logs", category="History")

    @expose("/")
    def index(self) -> str:
        asked = {name: request.args.get(name, "").strip() for name in _FIELDS}
        level, span = request.args.get("level", ""), _span()
        wanted = LogFilter(
            since=admin_context().now() - timedelta(hours=_SPANS[span]) if span else None,
            level=level if level in LEVELS else None,
            **{name: value or None for name, value in asked.items()},
        )
        lines = newest(admin_context().settings.logs_dir, wanted, limit=_LINES)
        page: str = self.render(
            "history/logs.html",
            lines=lines[::-1],
            most=_LINES,
            fields=[(name, label, asked[name]) for name, label in _FIELDS.items()],
            levels=LEVELS,
            level=level,
            spans=_SPANS,
            span=span,
            narrowed=any(asked.values()) or level or span,
        )
        return page


class SlowQueriesPage(BaseView):
    """Statements that took long, those first that took the most time in all."""

    def __init__(self) -> None:
        super().__init__("Slow queries", endpoint="slow", category="History")

    @expose("/")
    def index(self) -> str:
        context, span = admin_context(), _span() or "1d"
        page: str = self.render(
            "history/slow_queries.html",
            statements=slow_queries(
                context.settings.logs_dir, context.now() - timedelta(hours=_SPANS[span])
            ),
            threshold=context.settings.slow_query_ms,
            spans=_SPANS,
            span=span,
        )
        return page


def _span() -> str:
    span = request.args.get("since", "")
    return span if span in _SPANS else ""


def register(admin: Admin) -> None:
    for page in (LogsPage(), SlowQueriesPage()):
        admin.add_view(page)
