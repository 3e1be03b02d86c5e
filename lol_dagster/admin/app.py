"""The web view's Flask application, put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Theme
from flask_wtf import CSRFProtect

from lol_dagster.admin import views
from lol_dagster.admin.context import AdminContext, utc_now
from lol_dagster.admin.error_pages import show_error_pages
from lol_dagster.admin.monitoring import add_monitoring
from lol_dagster.admin.pages import add_page_furniture
from lol_dagster.admin.security.password import require_password_hash
from lol_dagster.admin.security.request_checks import add_headers, refuse_foreign_requests
from lol_dagster.admin.security.sign_in import require_sign_in
from lol_dagster.admin.transactions import end_reading_with_requests
from lol_dagster.admin.views.start import StartPage
from lol_dagster.services.web_address import THIS_MACHINE, WebAddress
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

_LARGEST_POST = 1_000_000  # bytes


def create_app(
    settings: Settings,
    database: Database,
    *,
    now: Callable[[], datetime] = utc_now,
    address: WebAddress = THIS_MACHINE,
    demo: bool = False,
) -> Flask:
    """The web view as a WSGI application.

    Args:
        database: Opened with its keys.
        now: The time; tests bring their own.
        address: Under which names it may be asked for.
        demo: Without sign-in, and with a banner that says so.

    Raises:
        UserError: there is no password, and this is not the demo.
    """
    if not demo:
        require_password_hash(settings)
    assert database.keyring is not None
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=database.keyring.key_for("sessions of the web view"),
        MAX_CONTENT_LENGTH=_LARGEST_POST,
        MAX_FORM_MEMORY_SIZE=_LARGEST_POST,
        # A browser takes a name with __Host- from this very host alone, and over https.
        SESSION_COOKIE_NAME="__Host-lol_session" if address.is_behind_https else "lol_session",
        SESSION_COOKIE_SECURE=address.is_behind_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # request_checks.py checks the origin
    )
    AdminContext(settings, database, now=now, address=address, demo=demo).install(app)
    end_reading_with_requests(app)
    add_headers(app)
    refuse_foreign_requests(app)
    require_sign_in(app)
    CSRFProtect(app)
    add_monitoring(app)
    show_error_pages(app)
    add_page_furniture(app)
    # A theme of our own: Flask-Admin's needs inline scripts, which our policy forbids. A missing
    # template is an error, so none of Flask-Admin's own can slip in.
    admin = Admin(
        app,
        name="lol_dagster",
        url="/",
        index_view=StartPage(),
        theme=Theme(folder="none", base_template="base.html"),
    )
    with app.app_context():  # Flask-Admin asks for a session
        views.register_all(admin)
    return app
