"""Signing in and out, and for how long; the clock is in hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask
from werkzeug.test import TestResponse

from lol_dagster.admin.app import create_app
from lol_dagster.admin.security.known_browser import KNOWN_FOR
from lol_dagster.admin.security.password import FREE_TRIES, MANY, forget_tries
from lol_dagster.errors import UserError
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.web_visitor import PASSWORD, Visitor
from lol_dagster_tests.admin.clock import ManualClock

MINUTE = timedelta(minutes=1)


def try_(visitor: Visitor, password: str = "wrong", address: str = "127.0.0.1") -> TestResponse:
    form = {"name": "Ann", "password": password}
    return visitor.post("/sign-in", form, environ_base={"REMOTE_ADDR": address})


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/").status_code == 200


def test_whoever_knows_the_password_gets_to_the_page_they_wanted(anybody: Visitor) -> None:
    asked = anybody.get("/team/?search=x")
    assert asked.status_code == 302
    wanted = asked.headers["Location"]
    anybody.get(wanted)
    answer = anybody.post(wanted, {"name": "Ann", "password": PASSWORD})
    assert answer.headers["Location"] == "/team/?search=x"
    assert is_in(anybody)


ELSEWHERE = [
    "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example",
    "http://[evil.example", "/team/\r\nSet-Cookie: a=b", "http:evil.example", "http:/evil.example",
    "http:///evil.example", "/\t/evil.example", "javascript:alert(1)", "evil.example", "?x",
    " //evil.example",
]  # fmt: skip


@pytest.mark.parametrize("back", ELSEWHERE)
def test_signing_in_and_choosing_colours_lead_nowhere_else(anybody: Visitor, back: str) -> None:
    anybody.get("/sign-in")
    theme = anybody.post("/theme", {"theme": "dark", "back": back})
    assert theme.headers["Location"] == "/"
    answer = anybody.post(
        "/sign-in", {"name": "Ann", "password": PASSWORD}, query_string={"back": back}
    )
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_form_leads_back_to_another_site(operator: Visitor, url: str) -> None:
    for path in ("/team/new/", "/team/edit/"):
        assert operator.get(path, query_string={"url": url}).status_code == 400
    new = operator.get("/team/new/", query_string={"url": "/team/?page=1"})
    assert 'href="/team/?page=1"' in new.text


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "x" * 100_000])
def test_another_password_lets_nobody_in(anybody: Visitor, password: str) -> None:
    answer = try_(anybody, password)
    assert answer.status_code == 422
    assert "Wrong password." in answer.text
    assert not is_in(anybody)


@pytest.mark.parametrize("name", ["", "   ", "Ann\x07", "\u202eAnn"])
def test_a_name_is_required_as_changes_are_recorded_under_it(anybody: Visitor, name: str) -> None:
    answer = anybody.post("/sign-in", {"name": name, "password": PASSWORD})
    assert "Enter your name" in answer.text
    assert not is_in(anybody)


def test_the_cookie_is_of_no_use_to_scripts_and_other_sites(anybody: Visitor) -> None:
    cookie = anybody.get("/sign-in").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


def test_a_session_ends_when_nothing_is_asked_for_two_hours(
    operator: Visitor, clock: ManualClock
) -> None:
    clock.move(119 * MINUTE)
    assert is_in(operator)  # and that counts as asking
    clock.move(119 * MINUTE)
    assert is_in(operator)
    clock.move(121 * MINUTE)
    assert not is_in(operator)


def test_a_session_ends_after_twelve_hours_whatever_is_asked(
    operator: Visitor, clock: ManualClock
) -> None:
    for _ in range(11):
        clock.move(60 * MINUTE)
        assert is_in(operator)
    clock.move(60 * MINUTE)
    assert not is_in(operator)


def test_signing_out_ends_copies_of_the_cookie_too(operator: Visitor, app: Flask) -> None:
    thief = Visitor(app)
    thief.take_cookies_of(operator)
    assert is_in(thief)
    assert operator.post("/sign-out").status_code == 303
    assert not is_in(operator)
    assert not is_in(thief)


def test_one_who_signs_out_leaves_the_others_in(operator: Visitor, app: Flask) -> None:
    other = Visitor(app)
    other.sign_in("Bob")
    operator.post("/sign-out")
    assert is_in(other)


def test_another_password_ends_every_session(
    operator: Visitor, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("another password")
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", new)
    restarted = Visitor(create_app(load_settings(), database, now=clock))
    restarted.take_cookies_of(operator)
    assert not is_in(restarted)


def test_a_restart_with_the_same_password_signs_nobody_out(
    operator: Visitor, settings: Settings, database: Database, clock: ManualClock
) -> None:
    restarted = Visitor(create_app(settings, database, now=clock))
    restarted.take_cookies_of(operator)
    assert is_in(restarted)


def test_wrong_tries_make_the_next_wait_even_with_the_right_password(
    app: Flask, clock: ManualClock, settings: Settings, database: Database
) -> None:
    visitor = Visitor(app)
    for _ in range(FREE_TRIES):
        assert try_(visitor).status_code == 422
    # 2^0 s after the fifth, 2^1 s after the sixth.
    waiting = try_(visitor, PASSWORD)
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (429, "1")
    clock.move(timedelta(seconds=1))
    assert try_(visitor).status_code == 422
    assert try_(visitor).headers["Retry-After"] == "2"
    restarted = Visitor(create_app(settings, database, now=clock))
    assert try_(restarted, PASSWORD).status_code == 429
    assert try_(Visitor(app), PASSWORD, "203.0.113.7").status_code == 303  # elsewhere it is free
    clock.move(timedelta(seconds=2))
    assert try_(visitor, PASSWORD).status_code == 303
    assert try_(Visitor(app)).status_code == 422  # counting begins anew


def test_nobody_is_locked_out_for_more_than_a_minute(app: Flask, clock: ManualClock) -> None:
    visitor = Visitor(app)
    for _ in range(30):
        if (answer := try_(visitor)).status_code == 429:
            assert int(answer.headers["Retry-After"]) <= 60
            clock.move(timedelta(seconds=int(answer.headers["Retry-After"])))
    clock.move(MINUTE)
    assert try_(visitor, PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("one_each", "same", "another"),
    [
        ("198.51.100.{}", "198.51.100.77", "198.51.101.1"),  # a /24
        ("2001:db8:0:{}::1", "2001:db8:0:ffff::1", "2001:db8:1::1"),  # a /48
        ("::ffff:198.51.100.{}", "198.51.100.77", "::ffff:198.51.101.1"),  # a /24 written as IPv6
    ],
)
def test_a_network_counts_as_one_address(
    app: Flask, one_each: str, same: str, another: str
) -> None:
    for number in range(FREE_TRIES):
        assert try_(Visitor(app), address=one_each.format(number)).status_code == 422
    assert try_(Visitor(app), PASSWORD, same).status_code == 429
    assert try_(Visitor(app), PASSWORD, another).status_code == 303


def hammer(app: Flask, addresses: list[str]) -> None:
    """Somebody who knows no password tries from each of these."""
    for address in addresses:
        try_(Visitor(app), address=address)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"] * 60, [f"198.51.{number}.1" for number in range(MANY + 10)]],
    ids=["from her own address", "from everywhere"],
)
def test_whoever_hammers_the_sign_in_keeps_no_known_browser_out(
    app: Flask, clock: ManualClock, addresses: list[str]
) -> None:
    ann = Visitor(app)
    ann.sign_in()
    for _ in range(10):
        ann.post("/sign-out")
        ann.get("/sign-in")
        hammer(app, addresses)
        assert try_(Visitor(app), PASSWORD).status_code == 429, "a browser that nobody knows waits"
        assert try_(ann, PASSWORD).status_code == 303
        clock.move(timedelta(seconds=3))


def test_a_known_browser_that_tries_is_slowed_down_alone(app: Flask) -> None:
    """Whoever takes its cookie gains five tries."""
    ann = Visitor(app)
    ann.sign_in()
    ann.post("/sign-out")
    ann.get("/sign-in")
    for _ in range(FREE_TRIES):
        assert try_(ann).status_code == 422
    assert try_(ann, PASSWORD).status_code == 429
    assert try_(Visitor(app), PASSWORD).status_code == 303


def test_with_another_password_no_browser_is_known_any_more(
    app: Flask, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was to be kept out by it may have had one."""
    ann = Visitor(app)
    ann.sign_in()
    cookie = ann._client.get_cookie("lol_known")
    assert cookie is not None
    new = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("another password")
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", new)
    restarted = create_app(load_settings(), database, now=clock)
    hammer(restarted, ["127.0.0.1"] * FREE_TRIES)
    visitor = Visitor(restarted)
    visitor._client.set_cookie("lol_known", cookie.value)
    assert try_(visitor, "another password").status_code == 429


def test_no_cookie_of_somebody_elses_making_is_known(
    app: Flask, settings: Settings, database: Database, clock: ManualClock
) -> None:
    ann = Visitor(app)
    ann.sign_in()
    cookie = ann._client.get_cookie("lol_known")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Strict")
    hammer(app, ["127.0.0.1"] * FREE_TRIES)

    def with_cookie(value: str) -> int:
        visitor = Visitor(app)
        visitor._client.set_cookie("lol_known", value)
        return try_(visitor, PASSWORD).status_code

    session = ann._client.get_cookie("lol_session")
    assert session is not None
    for value in (
        "",
        "x",
        cookie.value[:-1],
        "e30." + cookie.value.partition(".")[2],
        session.value,
    ):
        assert with_cookie(value) == 429
    assert with_cookie(cookie.value) == 303
    clock.move(KNOWN_FOR)
    hammer(app, ["127.0.0.1"] * FREE_TRIES)
    assert with_cookie(cookie.value) == 429, "it has expired"


def test_tries_from_everywhere_make_everybody_wait_a_few_seconds(
    app: Flask, clock: ManualClock
) -> None:
    visitor = Visitor(app)
    for number in range(MANY):
        assert try_(visitor, address=f"198.51.{number}.1").status_code == 422
    waiting = try_(visitor, PASSWORD, "203.0.113.7")
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (429, "5")
    clock.move(timedelta(seconds=5))
    assert try_(visitor, PASSWORD, "203.0.113.7").status_code == 303


def test_whoever_has_to_wait_writes_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever hammers would hold up all who write."""
    for _ in range(FREE_TRIES):
        try_(Visitor(app))
    monkeypatch.setattr(Database, "writing", None)
    assert try_(Visitor(app)).status_code == 429


def test_choosing_a_password_forgets_all_tries(app: Flask, database: Database) -> None:
    visitor = Visitor(app)
    for _ in range(FREE_TRIES):
        try_(visitor)
    forget_tries(database)
    assert try_(visitor, PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("value", "said"),
    [("", "is not set: 'lol-dagster admin set-password'"), ("hunter2", "is no hash of a password")],
)
def test_without_a_password_there_is_no_web_view(
    database: Database, monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", value)
    with pytest.raises(UserError, match=f"LOL_ADMIN_PASSWORD_HASH {said}") as caught:
        create_app(load_settings(), database)
    assert "hunter2" not in str(caught.value)


def test_the_demo_asks_for_none_and_says_so(database: Database) -> None:
    page = Visitor(create_app(load_settings(), database, demo=True)).get("/")
    assert page.status_code == 200
    assert "without a password" in page.text
