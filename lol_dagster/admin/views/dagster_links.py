"""Links into Dagster's UI. It has no sign-in and answers on its own machine alone."""

from __future__ import annotations

from flask import g, url_for
from markupsafe import Markup

from lol_dagster.admin.shown import NOTHING
from lol_dagster.admin.transactions import reading
from lol_dagster.monitoring.failed_jobs import ui_url

_SHORT = 8


def run_shown(run_id: str | None) -> Markup:
    """A run's short id, with links to it in Dagster and to what it has logged."""
    if run_id is None:
        return NOTHING
    log = Markup('<a href="{}">log</a>').format(url_for("logs.index", run=run_id))
    url = _ui_url()
    if url is None:
        return Markup("<code>{}</code> · {}").format(run_id[:_SHORT], log)
    return Markup('<a href="{}/runs/{}"><code>{}</code></a> · {}').format(
        url, run_id, run_id[:_SHORT], log
    )


def partition_url(match_id: str) -> str | None:
    """A game's partition of the asset `games`; None while Dagster's UI has never run."""
    url = _ui_url()
    return url and f"{url}/assets/games?view=partitions&partition={match_id}"


def _ui_url() -> str | None:
    if "ui_url" not in g:
        g.ui_url = ui_url(reading())
    url: str | None = g.ui_url
    return url
