"""The start page: is it working?"""

from __future__ import annotations

from flask_admin import BaseView, expose

from lol_dagster.admin.house import current_house
from lol_dagster.admin.transactions import reading
from lol_dagster.operations.health import read_health


class StartPage(BaseView):
    """The first page. It registers itself: Flask-Admin wants one before all others."""

    def __init__(self) -> None:
        # A static_url_path without a folder: Flask-Admin's own scripts and styles are not served.
        super().__init__("Start", endpoint="start", url="/", static_url_path="/none")

    @expose("/")
    def index(self) -> str:
        health = read_health(reading(), current_house().now(), current_house().settings)
        page: str = self.render("start.html", health=health)
        return page
