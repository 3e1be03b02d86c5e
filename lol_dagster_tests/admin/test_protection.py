"""Every route of the web view, as the app itself lists them: a new one is tried by itself."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from lol_dagster.admin.app import create_app
from lol_dagster.services.web_address import WebAddress
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Message
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.clock import ManualClock
from lol_dagster_tests.admin.hostile_data import QUARANTINED, Page, add_hostile_data

PUBLIC = {"/sign-in", "/theme", "/static/<path:filename>", "/healthz", "/metrics"}
"""What answers to whoever is not signed in. `/metrics`: to this machine alone."""
_EXAMPLES = {"filename": "base.css", "export_type": "csv"}
_ASKED = {"id", "url", "page", "sort", "desc", "page_size", "search", "request", "run", "back"}
"""What addresses of pages hold, besides filters."""
_READS = {"GET", "HEAD", "OPTIONS"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def routes(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Rule, an address of it, and a method, for everything that the app answers."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        path = adapter.build(
            rule.endpoint, {each: _EXAMPLES.get(each, "1") for each in rule.arguments}
        )
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, path, method


def writes(app: Flask) -> list[str]:
    found = [path for _, path, method in routes(app) if method not in _READS]
    assert len(found) > 10
    return found


def test_whoever_is_not_signed_in_gets_to_sign_in_and_nowhere_else(app: Flask) -> None:
    client = app.test_client()
    for rule, path, method in routes(app):
        answer = client.open(path, method=method, buffered=True)
        if rule.rule in PUBLIC:
            assert answer.status_code in {200, 400, 503}, path
        elif method == "GET":
            assert answer.status_code == 302, path
            assert answer.headers["Location"].startswith("/sign-in"), path
        else:
            assert answer.status_code == 401, path


def test_a_write_without_the_forms_token_is_refused_everywhere(
    operator: Visitor, app: Flask
) -> None:
    for path in writes(app):
        answer = operator.post(path, {"csrf_token": ""})
        assert answer.status_code == 400, path
        assert "This form has expired" in answer.text, path


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_write_from_another_site_is_refused_everywhere(
    operator: Visitor, app: Flask, headers: dict[str, str]
) -> None:
    for path in writes(app):
        assert operator.post(path, headers=headers).status_code == 403, path


def test_another_name_for_this_machine_is_refused_everywhere(operator: Visitor, app: Flask) -> None:
    for _, path, method in routes(app):
        client = app.test_client()
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:3001"):
            answer = client.open(path, method=method, headers={"Host": host}, buffered=True)
            assert answer.status_code == 400, (path, host)
            assert "evil.example" not in answer.text


def test_every_answer_hardens_the_browser(operator: Visitor, app: Flask) -> None:
    answers = [operator.get(path) for _, path, method in routes(app) if method == "GET"]
    answers += [operator.get("/no/such/page"), operator.get("/sign-out")]
    answers.append(operator.post("/sign-in", {"csrf_token": "forged"}))
    answers.append(app.test_client().get("/", headers={"Host": "evil.example"}))
    assert {404, 405, 400} <= {each.status_code for each in answers}
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store", answer.request.path
        assert {name: answer.headers[name] for name in _HEADERS} == _HEADERS
        assert "camera=()" in answer.headers["Permissions-Policy"]


def test_our_own_style_may_be_kept_as_its_address_changes_with_it(anybody: Visitor) -> None:
    page = anybody.get("/sign-in").text
    (address,) = [part for part in page.split('"') if part.startswith("/static/base.css")]
    assert "immutable" in anybody.get(address).headers["Cache-Control"]


def test_an_error_page_keeps_the_menu_of_who_is_signed_in(
    operator: Visitor, anybody: Visitor
) -> None:
    assert 'href="/team/"' in operator.get("/no/such/page").text
    assert 'href="/team/"' in operator.get("/team/details/?id=404").text
    refused = anybody.post("/team/new/")
    assert refused.status_code == 401
    assert 'href="/team/"' not in refused.text


def test_error_pages_are_ours_and_say_nothing_of_the_code(
    operator: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("s3cret detail")

    assert "Not found" in operator.get("/no/such/page").text
    assert "Method not allowed" in operator.get("/sign-out").text
    large = operator.post("/theme", {"theme": "dark", "back": "x" * 1_100_000})
    assert (large.status_code, "Too large" in large.text) == (413, True)
    assert operator.get("/?x=a%00b").status_code == 400
    monkeypatch.setattr("lol_dagster.admin.views.start.read_health", fail)
    broken = operator.get("/")
    assert broken.status_code == 500
    assert "Something went wrong" in broken.text
    assert "2026-05-04 12:00" in broken.text  # when to look for in the log
    assert "s3cret" not in broken.text
    assert "Traceback" not in broken.text
    assert "s3cret detail" in caplog.text


@pytest.mark.parametrize("path", ["/", "/logs/"])
def test_a_database_that_cannot_be_used_is_said_with_what_tells_more(
    operator: Visitor, settings: Settings, database: Database, path: str
) -> None:
    """The page of the log, to which other errors point, needs it, too."""
    database.dispose()
    for file in settings.home.glob("lol.sqlite3*"):
        file.write_bytes(b"Dear diary, " * 1000)
    broken = operator.get(path)
    assert broken.status_code == 503
    assert "The database cannot be used now" in broken.text
    assert "lol-dagster status" in broken.text
    assert "lol.sqlite3" not in broken.text


@pytest.mark.parametrize("strange", ["a\0b", "http://[x", "-" + "9" * 30, "é" * 250, ""])
def test_nothing_strange_that_is_sent_breaks_a_page(
    settings: Settings, any_database: Database, clock: ManualClock, strange: str
) -> None:
    with any_database.writing() as session:
        add_hostile_data(session)
    app = create_app(settings, any_database, now=clock)
    operator = Visitor(app)
    operator.sign_in()
    with any_database.reading() as session:
        keys = {
            "message": session.scalars(
                select(Message.id).where(Message.state == "needs_review")
            ).one(),
            "game": QUARANTINED,
        }

    def key(path: str) -> str:
        return keys.get(path.split("/")[1]) or "1"

    pages = [path for _, path, method in routes(app) if method == "GET"]
    shown = "".join(operator.get(f"{path}?id={key(path)}").text for path in pages)
    names = {*_ASKED, "rowid"} | set(re.findall(r' name="([a-z0-9_-]+)"', shown)) - {"csrf_token"}
    assert {"memberships-0-since", "flt0_player", "remote_id", "reason"} <= names
    everything = dict.fromkeys(names, strange)
    answers = []
    in_address = {name: strange for name in names if name.startswith("flt0_") or name in _ASKED}
    for path in pages:
        answers.append(operator.get(path, query_string=in_address))
        answers.append(operator.get(path, query_string={**in_address, "id": key(path)}))
    for path in set(writes(app)) - {"/sign-out"}:
        answers.append(operator.post(f"{path}?id={key(path)}", everything))
        answers.append(operator.post(path, {**everything, "rowid": [key(path), strange]}))
        if "/try/" not in path:  # which calls a channel
            answers.append(operator.post(path, {**everything, "id": key(path)}))
    for answer in answers:
        asked = (answer.request.method, answer.request.full_path[:200])
        assert answer.status_code < 500 or answer.request.path == "/healthz", asked
        if "\0" in strange:
            assert answer.status_code == 400, asked
            assert "contains a NUL character" in answer.text, asked


def test_hostile_names_stay_text_on_every_page_that_can_be_reached(
    operator: Visitor, app: Flask, database: Database
) -> None:
    with database.writing() as session:
        add_hostile_data(session)
    seen: set[str] = set()
    visited: Counter[str] = Counter()
    faults: list[str] = []
    waiting = deque(path for rule, path, method in routes(app) if method == "GET")
    adapter = app.url_map.bind("localhost")
    while waiting:
        path = waiting.popleft()
        endpoint, _ = adapter.match(urlsplit(path).path, return_rule=True)
        # Of each page a few: with its first rows, a filter, an order.
        if path in seen or visited[endpoint.endpoint] >= 6 or endpoint.endpoint == "static":
            continue
        seen.add(path)
        answer = operator.get(path)
        if answer.status_code in {302, 404}:  # an address that wants an id, without one
            continue
        assert answer.status_code == 200 or endpoint.endpoint == "healthz", (path, answer.text)
        visited[endpoint.endpoint] += 1
        if answer.mimetype != "text/html":
            assert b"t0k3n" not in answer.data, path
            continue
        assert "cannot be shown" not in answer.text, path
        page = Page(answer.text)
        faults += [f"{path}: {fault}" for fault in page.faults]
        here = [urljoin(path, link) for link in page.links]
        waiting.extend(link.partition("#")[0] for link in here if not urlsplit(link).netloc)
    assert faults == []
    assert visited["team.details_view"]
    assert visited["player.edit_view"]
    for seen in ("game", "message", "quarantine"):
        assert visited[f"{seen}.details_view"], seen


def test_metrics_are_for_this_machine_and_for_who_is_signed_in(
    app: Flask, operator: Visitor
) -> None:
    elsewhere = {"REMOTE_ADDR": "203.0.113.7"}
    client = app.test_client()
    assert b"lol_healthy" in client.get("/metrics").data
    assert client.get("/metrics", environ_base=elsewhere).status_code == 403
    assert operator.get("/metrics", environ_base=elsewhere).status_code == 200


@pytest.mark.parametrize(
    "name", ["export_type", "endpoint", "_external", "_scheme", "_method", "self"]
)
def test_no_name_in_an_address_breaks_a_list(operator: Visitor, app: Flask, name: str) -> None:
    lists = [path for rule, path, _ in routes(app) if rule.endpoint.endswith(".index_view")]
    assert len(lists) > 8
    for path in lists:
        page = operator.get(path, query_string={name: "anything", "search": "a&b"})
        assert page.status_code == 200, path
        assert f"{name}=anything" in page.text or "export:" not in page.text, path


def test_the_log_has_the_beginning_of_a_long_address(
    anybody: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    anybody.get(f"/static/{'x' * 4000}")
    (line,) = [each.getMessage() for each in caplog.records if "/static/" in each.getMessage()]
    # "GET " and 196 characters of the path.
    assert line == f"GET /static/{'x' * 188}: 404"


def test_healthz_tells_anybody_no_more_than_whether_all_is_well(anybody: Visitor) -> None:
    answer = anybody.get("/healthz")
    assert answer.status_code == 503
    assert answer.text == "errors: 1; 'lol-dagster status' names them\n"


def test_behind_a_proxy_its_name_and_its_origin_are_ours_and_cookies_are_for_https(
    settings: Settings, database: Database, clock: ManualClock
) -> None:
    app = create_app(
        settings, database, now=clock, address=WebAddress(public_url="https://lol.example.org")
    )
    visitor = Visitor(app)
    headers = {"Host": "lol.example.org", "Origin": "https://lol.example.org"}
    first = visitor.get("/sign-in", headers=headers, base_url="https://lol.example.org")
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith("__Host-lol_session=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    wrong = {"name": "Ann", "password": "wrong"}
    answer = visitor.post("/sign-in", wrong, headers=headers, base_url="https://lol.example.org")
    assert "Wrong password" in answer.text
