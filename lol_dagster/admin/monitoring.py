"""`/healthz` and `/metrics`, for programs: numbers, and no names of people.

`/healthz` is for anybody. `/metrics` is for this machine, or for whoever is signed in.
"""

from __future__ import annotations

from ipaddress import ip_address

from flask import Flask, Response, abort, request

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.security.sign_in import who_is_signed_in
from lol_dagster.monitoring.metrics import METRICS_CONTENT_TYPE, healthz, render_metrics


def add_monitoring(app: Flask) -> None:
    app.add_url_rule("/healthz", "healthz", _healthz)
    app.add_url_rule("/metrics", "metrics", _metrics)


def _healthz() -> Response:
    context = admin_context()
    status, text = healthz(context.database, context.settings, context.now())
    return Response(text, status, mimetype="text/plain")


def _metrics() -> Response:
    context = admin_context()
    if not _is_here(request.remote_addr) and (context.demo or who_is_signed_in() is None):
        abort(403)
    body = render_metrics(context.database, context.settings, context.now())
    return Response(body, content_type=METRICS_CONTENT_TYPE)


def _is_here(address: str | None) -> bool:
    """Behind a proxy it is what the visitor's request says, and may be anything."""
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False
