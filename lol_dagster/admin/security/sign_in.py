"""Signing in and out, and who is signed in for how long.

There is one password; whoever gives it also gives a name, for the audit trail. A session is a signed
cookie. It ends after `IDLE_FOR` without a request, at the latest after `AT_MOST`, when its owner signs
out (the cookie is refused from then on, whoever has a copy), and when the password changes.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
from datetime import datetime, timedelta

from flask import (
    Flask,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from lol_dagster.admin.context import admin_context, sign_request
from lol_dagster.admin.security.known_browser import known_browser, remember_browser
from lol_dagster.admin.security.password import (
    TrySource,
    begin_try,
    forget_tries,
    is_right,
    require_password_hash,
)
from lol_dagster.admin.security.request_checks import way_back
from lol_dagster.admin.transactions import reading
from lol_dagster.storage.models import Fact
from lol_dagster.storage.upsert import insert_if_absent

logger = logging.getLogger(__name__)

PUBLIC_ENDPOINTS = frozenset({"static", "sign_in", "theme", "healthz", "metrics"})
"""What answers without anybody being signed in; everything else asks for it."""
LONGEST_NAME = 60


IDLE_FOR = timedelta(hours=2)
AT_MOST = timedelta(hours=12)
_NOTED_EVERY = timedelta(minutes=1)
_SIGNED_OUT = "admin-signed-out"


def require_sign_in(app: Flask) -> None:
    app.add_url_rule("/sign-in", "sign_in", _sign_in, methods=["GET", "POST"])
    app.add_url_rule("/signed-in", "signed_in", _signed_in)
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
        return _again("Enter your name: your changes are recorded under it.", 422)
    context, address = admin_context(), request.remote_addr or ""
    source = TrySource(address, known_browser(_password_print()))
    wait = begin_try(context.database, source, context.now())
    if wait:
        return _wait(wait)
    # Not inside a transaction: it takes a while on purpose.
    if not is_right(request.form.get("password", ""), require_password_hash(context.settings)):
        logger.warning("wrong password from %s", address)
        return _again("Wrong password.", 422)
    forget_tries(context.database, source)
    begin_session(name)
    logger.info("%s has signed in from %s", name, address)
    response = make_response(redirect(way_back(request.args.get("back", ""), "/"), 303))
    remember_browser(response, _password_print())
    return response


def _signed_in() -> ResponseReturnValue:
    """Asked by Dagster's UI, which lets in whoever gets here: nobody else does."""
    return Response(mimetype="text/plain")


def _sign_out() -> ResponseReturnValue:
    if not admin_context().demo:
        end_session()
    return redirect(url_for("sign_in"), 303)


def _wait(wait: timedelta) -> ResponseReturnValue:
    seconds = math.ceil(wait.total_seconds())
    response = make_response(
        _again(f"Too many wrong attempts: wait {seconds} s, then try again.", 429)
    )
    response.headers["Retry-After"] = str(seconds)
    return response


def _again(wrong: str, status: int) -> ResponseReturnValue:
    name = request.form.get("name", "")[:LONGEST_NAME]
    return render_template("sign_in.html", wrong=wrong, name=name), status


def begin_session(name: str) -> None:
    """Sign somebody in who has given the password."""
    now = admin_context().now().isoformat()
    session.clear()
    session.update(
        who=name, id=secrets.token_hex(16), since=now, seen=now, password=_password_print()
    )


def who_is_signed_in() -> str | None:
    """The name under which this request's session was begun, if it is still good."""
    if "who" not in session:
        return None
    now = admin_context().now()
    since, seen = (datetime.fromisoformat(session[each]) for each in ("since", "seen"))
    if (
        now - since >= AT_MOST
        or now - seen >= IDLE_FOR
        or not hmac.compare_digest(session["password"], _password_print())
        or session["id"] in _signed_out(now)
    ):
        session.clear()
        return None
    if now - seen >= _NOTED_EVERY:
        session["seen"] = now.isoformat()
    name: str = session["who"]
    return name


def end_session() -> None:
    """Sign out for good: a copy of the cookie is refused from now on."""
    context = admin_context()
    now = context.now()
    with context.database.writing() as writing:
        insert_if_absent(writing, Fact, [{"name": _SIGNED_OUT, "value": {}}])
        fact = writing.get_one(Fact, _SIGNED_OUT, with_for_update=True)
        fact.value = {
            **{each: until for each, until in fact.value.items() if until > now.isoformat()},
            session["id"]: (now + AT_MOST).isoformat(),
        }
    session.clear()


def _signed_out(now: datetime) -> set[str]:
    fact = reading().get(Fact, _SIGNED_OUT)
    return set() if fact is None else {k for k, v in fact.value.items() if v > now.isoformat()}


def _password_print() -> str:
    """Differs for each password."""
    stored = admin_context().settings.admin_password_hash
    assert stored is not None, "nobody signs in without a password"
    return hashlib.sha256(stored.get_secret_value().encode()).hexdigest()[:16]
