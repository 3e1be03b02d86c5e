"""Signing in and out. There is one password; whoever gives it says his name for the audit trail."""

from __future__ import annotations

import logging
import math
from datetime import timedelta

from flask import Flask, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.trust.origins import way_back
from lol_dagster.admin.trust.password import is_right, require_password_hash
from lol_dagster.admin.trust.sessions import begin_session, end_session, who_is_signed_in
from lol_dagster.admin.trust.throttle import begin_try, forget_tries
from lol_dagster.admin.trust.who import sign_request

logger = logging.getLogger(__name__)

PUBLIC_ENDPOINTS = frozenset({"static", "sign_in", "theme", "healthz", "metrics"})
"""What answers without anybody being signed in; everything else asks for it."""
LONGEST_NAME = 60


def require_sign_in(app: Flask) -> None:
    app.add_url_rule("/sign-in", "sign_in", _sign_in, methods=["GET", "POST"])
    app.add_url_rule("/sign-out", "sign_out", _sign_out, methods=["POST"])

    @app.before_request
    def ask() -> ResponseReturnValue | None:
        if request.endpoint in {"static", "healthz", "metrics"}:
            return None
        name = "demo" if admin_context().demo else who_is_signed_in()
        if name is not None:
            sign_request(name)
        elif request.endpoint not in PUBLIC_ENDPOINTS:
            if request.method not in {"GET", "HEAD"}:
                abort(401)
            back = request.full_path.rstrip("?")
            return redirect(url_for("sign_in", back=None if back == "/" else back))
        return None


def _sign_in() -> ResponseReturnValue:
    if admin_context().demo:
        return redirect("/")
    if request.method == "GET":
        return render_template("sign_in.html", wrong=None, name="")
    name = " ".join(request.form.get("name", "").split())[:LONGEST_NAME]
    if not name or not name.isprintable():
        return _again("Type your name: what you change is noted under it.", 422)
    context, address = admin_context(), request.remote_addr or ""
    wait = begin_try(context.database, address, context.now())
    if wait:
        return _wait(wait)
    # Not inside a transaction: it takes a while on purpose.
    if not is_right(request.form.get("password", ""), require_password_hash(context.settings)):
        logger.warning("a wrong password from %s", address)
        return _again("This is not the password.", 422)
    forget_tries(context.database, address)
    begin_session(name)
    logger.info("%s has signed in from %s", name, address)
    return redirect(way_back(request.args.get("back", ""), "/"), 303)


def _sign_out() -> ResponseReturnValue:
    if not admin_context().demo:
        end_session()
    return redirect(url_for("sign_in"), 303)


def _wait(wait: timedelta) -> ResponseReturnValue:
    seconds = math.ceil(wait.total_seconds())
    response = make_response(
        _again(f"Too many wrong tries: wait {seconds} s, then try again.", 429)
    )
    response.headers["Retry-After"] = str(seconds)
    return response


def _again(wrong: str, status: int) -> ResponseReturnValue:
    name = request.form.get("name", "")[:LONGEST_NAME]
    return render_template("sign_in.html", wrong=wrong, name=name), status
