"""Signing in and out."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import Flask, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_admin.helpers import is_safe_url

from lol_dagster.admin.house import current_house
from lol_dagster.admin.trust.who import sign_request

PUBLIC_ENDPOINTS = frozenset({"static", "sign_in"})
"""What answers without anybody being signed in; everything else asks for it."""
_LONGEST_NAME = 60


def require_sign_in(app: Flask) -> None:
    app.add_url_rule("/sign-in", "sign_in", _sign_in, methods=["GET", "POST"])
    app.add_url_rule("/sign-out", "sign_out", _sign_out, methods=["POST"])

    @app.before_request
    def ask() -> ResponseReturnValue | None:
        if current_house().demo:
            sign_request("demo")
            return None
        name = session.get("who")
        if name is not None:
            sign_request(name)
        elif request.endpoint not in PUBLIC_ENDPOINTS:
            back = request.full_path.rstrip("?") if request.method == "GET" else "/"
            return redirect(url_for("sign_in", back=None if back == "/" else back))
        return None


def _sign_in() -> ResponseReturnValue:
    wrong = None
    if request.method == "POST":
        name = request.form.get("name", "").strip()[:_LONGEST_NAME]
        if not name:
            wrong = "Type your name: changes are noted under it."
        elif not _is_right(request.form.get("password", "")):
            wrong = "This is not the password."
        else:
            session.clear()
            session["who"] = name
            back = request.args.get("back", "")
            return redirect(back if back and is_safe_url(back) else "/", 303)
    page = render_template("sign_in.html", wrong=wrong, name=request.form.get("name", ""))
    return page, 422 if wrong else 200


def _sign_out() -> ResponseReturnValue:
    session.clear()
    return redirect(url_for("sign_in"), 303)


def _is_right(password: str) -> bool:
    stored = current_house().settings.admin_password_hash
    if stored is None:
        return False
    try:
        return PasswordHasher().verify(stored.get_secret_value(), password)
    except (VerificationError, InvalidHashError):
        return False
