"""Signing in and out."""

from __future__ import annotations

from lol_dagster_tests.admin.asking import Visitor


def test_whoever_knows_the_password_gets_to_the_page_he_wanted(anybody: Visitor) -> None:
    asked = anybody.get("/")
    assert asked.status_code == 302
    assert asked.headers["Location"] == "/sign-in"
    assert anybody.sign_in().headers["Location"] == "/"
    assert anybody.get("/").status_code == 200
