"""Asking the web view over HTTP, as a browser does: with cookies, tokens and an origin."""

from __future__ import annotations

import re
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from werkzeug.test import TestResponse

PASSWORD = "correct horse battery staple"
QUICK_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Of `PASSWORD`, with parameters that cost nothing: tests sign in often."""
OPERATOR = "Ann"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def csrf_token(page: str) -> str:
    """Of the page's form; empty if it has none."""
    found = _TOKEN.search(page)
    return found[1] if found else ""


class Visitor:
    """A browser without a window: keeps its cookies and sends the token of the last page."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()
        self._token = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._kept(self._client.get(path, buffered=True, **options))

    def post(
        self,
        path: str,
        data: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Send a form of a page of ours, with the token."""
        if not self._token:
            self.get("/sign-in")
        headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", **(headers or {})}
        form = {"csrf_token": self._token, **(data or {})}
        return self._kept(self._client.post(path, data=form, headers=headers, **options))

    def sign_in(self, name: str = OPERATOR, password: str = PASSWORD) -> TestResponse:
        answer = self.post("/sign-in", {"name": name, "password": password})
        self.get("/team/")  # the session is a new one and so is its token
        return answer

    def take_cookies_of(self, other: Visitor) -> None:
        """Have what somebody else's browser would send."""
        cookie = other._client.get_cookie("lol_session")
        assert cookie is not None
        self._client.set_cookie("lol_session", cookie.value)

    def _kept(self, response: TestResponse) -> TestResponse:
        if response.mimetype == "text/html":
            self._token = csrf_token(response.text) or self._token
        return response
