"""What every page has around its content: menu, theme, flashed messages, style sheets and scripts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app, get_flashed_messages, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from lol_dagster.admin.context import admin_context, is_signed_in
from lol_dagster.admin.display import (
    ago,
    instant,
    match_state,
    message_state,
    run_links,
    sentence,
    stage_state,
)
from lol_dagster.admin.security.request_checks import way_back
from lol_dagster.admin.views.played import outcome_mark
from lol_dagster.riot.names import without_format_characters

_STATIC = Path(__file__).with_name("static")
_THEMES = ("auto", "light", "dark")
_YEAR = 365 * 86400


_FLASHED = {
    "Record was successfully created.": "Added.",
    "Record was successfully saved.": "Saved.",
    "Record was successfully deleted.": "Removed.",
    "Failed to create record.": None,
    "Failed to save record.": None,
}
"""What Flask-Admin flashes, in our words; None: not shown, as the form itself says what is wrong."""


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu."""

    name: str
    url: str
    active: bool


def add_page_furniture(app: Flask) -> None:
    app.context_processor(_for_every_template)
    app.jinja_env.filters["instant"] = instant
    app.jinja_env.filters["sentence"] = sentence
    app.jinja_env.filters["plain"] = without_format_characters
    app.jinja_env.filters["ago"] = lambda value: ago(value, admin_context().now())
    app.jinja_env.globals["present"] = present
    for shown in (message_state, stage_state, match_state, outcome_mark, run_links):
        app.jinja_env.globals[shown.__name__] = shown
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.add_url_rule("/theme", "theme", _choose_theme, methods=["POST"])


def _for_every_template() -> dict[str, Any]:
    theme = request.cookies.get("lol_theme", "auto")
    return {
        "asset": asset,
        "form_token": form_token,
        "theme_chosen": theme if theme in _THEMES else "auto",
        "themes": _THEMES,
        "demo": admin_context().demo,
        "menu_of": menu_of,
        "said": _said,
        "is_signed_in": is_signed_in(),
    }


def _said() -> list[tuple[str, str]]:
    """What has been flashed: `good` or `bad`, and the words."""
    return [
        ("bad" if category in {"error", "danger"} else "good", shown)
        for category, text in cast(
            list[tuple[str, str]], get_flashed_messages(with_categories=True)
        )
        if (shown := _FLASHED.get(text, text)) is not None
    ]


def form_token() -> Markup:
    """The hidden field with which every form that writes begins."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def present(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes without those that are None."""
    return {name: value for name, value in attributes.items() if value is not None}


def menu_of(view: Any | None) -> list[tuple[str | None, list[MenuItem]]]:
    """The menu: its headings (None: above all headings), each with its lines.

    Args:
        view: The Flask-Admin view that is shown; None: the page is none, as where there was an error.
    """
    groups: list[tuple[str | None, list[MenuItem]]] = [(None, [])]
    (admin,) = current_app.extensions["admin"]
    for entry in admin.menu():
        if entry.is_category():
            lines = [_line(each, view) for each in entry.get_children()]
            groups.append((entry.name, lines))
        elif entry.is_visible():
            groups[0][1].append(_line(entry, view))
    return [group for group in groups if group[1]]


def _line(entry: Any, view: Any | None) -> MenuItem:
    return MenuItem(entry.name, entry.get_url(), view is not None and entry.is_active(view))


def asset(name: str) -> str:
    """The address of a file in `static/`, another one when its content is another."""
    return url_for("static", filename=name, v=_print_of(name))


@cache
def _print_of(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


def _choose_theme() -> ResponseReturnValue:
    response = redirect(way_back(request.form.get("back", ""), "/"))
    theme = request.form.get("theme")
    if theme in _THEMES:
        response.set_cookie("lol_theme", theme, max_age=_YEAR, httponly=True, samesite="Strict")
    return response
