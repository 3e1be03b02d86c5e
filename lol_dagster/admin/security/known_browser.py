"""A browser in which somebody has given the password before: a signed cookie that says so.

It opens nothing. Its tries to sign in are counted apart from everybody else's, so that whoever hammers the
sign-in does not keep the operator out.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeSerializer

from lol_dagster.admin.context import admin_context

KNOWN_FOR = timedelta(days=180)
_PURPOSE = "browser that has signed in"


def known_browser(password_print: str) -> str | None:
    """What tells this browser from others, if somebody has signed in in it with this password."""
    try:
        value = _serializer().loads(request.cookies.get(_name(), ""))
    except BadData:
        return None
    same = value["password"] == password_print
    return value["id"] if same and value["until"] > admin_context().now().timestamp() else None


def remember_browser(response: Response, password_print: str) -> None:
    """Have this browser known from now on."""
    until = admin_context().now() + KNOWN_FOR
    value = {
        "id": known_browser(password_print) or secrets.token_hex(16),
        "password": password_print,
        "until": until.timestamp(),
    }
    response.set_cookie(
        _name(),
        _serializer().dumps(value),
        max_age=KNOWN_FOR,
        httponly=True,
        secure=admin_context().address.is_behind_https,
        samesite="Strict",
    )


def _name() -> str:
    return "__Host-lol_known" if admin_context().address.is_behind_https else "lol_known"


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt=_PURPOSE)
