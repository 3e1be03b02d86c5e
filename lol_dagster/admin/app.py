"""The web view's Flask application, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Theme
from flask_wtf import CSRFProtect

from lol_dagster.admin import views
from lol_dagster.admin.errors import show_errors_in_our_look
from lol_dagster.admin.house import AdminHouse, put_up, utc_now
from lol_dagster.admin.look import add_look
from lol_dagster.admin.transactions import end_reading_with_the_request
from lol_dagster.admin.trust.headers import add_headers
from lol_dagster.admin.trust.origins import refuse_foreign_requests
from lol_dagster.admin.trust.sign_in import require_sign_in
from lol_dagster.admin.views.start import StartPage
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

_LARGEST_POST = 1_000_000  # bytes


def create_app(
    settings: Settings,
    database: Database,
    *,
    now: Callable[[], datetime] = utc_now,
    demo: bool = False,
) -> Flask:
    """The web view as a WSGI application.

    Args:
        now: The time; tests bring their own.
        demo: Without sign-in, and with a banner that says so.
    """
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        MAX_CONTENT_LENGTH=_LARGEST_POST,
        TRUSTED_HOSTS=["127.0.0.1", "localhost", "[::1]"],
        SESSION_COOKIE_NAME="lol_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    put_up(AdminHouse(settings, database, now=now, demo=demo), app.extensions)
    end_reading_with_the_request(app)
    add_headers(app)
    refuse_foreign_requests(app)
    require_sign_in(app)
    CSRFProtect(app)
    show_errors_in_our_look(app)
    add_look(app)
    # A theme of our own: Flask-Admin's needs inline scripts, which our policy forbids. A template
    # that is not there is an error, so none of Flask-Admin's own can slip in.
    admin = Admin(
        app,
        name="lol_dagster",
        url="/",
        index_view=StartPage(),
        theme=Theme(folder="none", base_template="base.html"),
    )
    with app.app_context():  # in which Flask-Admin looks whether there is a session
        views.register_all(admin)
    return app
