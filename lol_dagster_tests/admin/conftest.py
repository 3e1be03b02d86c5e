"""The web view in tests: its app on a database of the test's own, a visitor who is signed in, and a
real browser's page.

What a page asks for from elsewhere, and what the Content-Security-Policy forbids it, fails the test
that opened it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import CodeType

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from waitress import wasyncore

from lol_dagster.admin.app import create_app
from lol_dagster.admin.server import make_server
from lol_dagster.services.web_address import WebAddress
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.web_visitor import OPERATOR, PASSWORD, QUICK_HASH, Visitor
from lol_dagster_tests.admin.clock import ManualClock

ANY_PORT = WebAddress(port=0)
PHONE: ViewportSize = {"width": 360, "height": 740}


class CompiledTemplates(BytecodeCache):
    """In this process's memory."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="package", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    """And not for the app of each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
        yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a password for the web view."""
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    return load_settings()


@pytest.fixture
def app(settings: Settings, database: Database, clock: ManualClock) -> Flask:
    """The web view on a fresh SQLite database, with the clock in hand."""
    return create_app(settings, database, now=clock)


@pytest.fixture
def anybody(app: Flask) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(app)


@pytest.fixture
def operator(app: Flask) -> Visitor:
    """Ann, who is signed in."""
    visitor = Visitor(app)
    visitor.sign_in()
    return visitor


@contextmanager
def served(app: Flask, address: WebAddress = ANY_PORT) -> Iterator[str]:
    """The app behind its real server, until the block ends."""
    server = make_server(app, address)

    def run() -> None:
        # Its sockets are closed from the other thread while it waits for them.
        with suppress(OSError):
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    wasyncore.close_all(server._map, ignore_all=True)  # connections that visitors keep alive
    server.task_dispatcher.shutdown()
    thread.join(5)


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The address of the web view, served as it is in earnest."""
    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A Chromium, one for a module's tests. Not for all: while Playwright is there its event
    loop is this thread's, and what Dagster runs in this process would warn of that.
    """
    expect.set_options(timeout=60_000)  # a page is never judged by how soon it is there
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, site: str) -> Iterator[Page]:
    """A page of nobody yet, in a profile of its own."""
    context = browser.new_context(base_url=site, locale="en-GB")
    page = context.new_page()
    wrong: list[str] = []

    def check(request_url: str) -> None:
        if not request_url.startswith((f"{site}/", "data:", "about:")):
            wrong.append(f"asked {request_url}")

    page.on("request", lambda request: check(request.url))
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield page
    context.close()
    assert wrong == []


def sign_in(page: Page) -> None:
    """As Ann."""
    page.goto("/sign-in")
    page.get_by_label("Your name").fill(OPERATOR)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.fixture
def page(new_page: Page) -> Page:
    """A page on which Ann has signed in."""
    sign_in(new_page)
    return new_page
