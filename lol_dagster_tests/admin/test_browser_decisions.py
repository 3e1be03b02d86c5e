"""Deciding in a real browser: a quarantined game is retried, a message that needs review is decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from lol_dagster.admin.app import create_app
from lol_dagster.settings import load_settings
from lol_dagster.stats import record
from lol_dagster.storage.models import Message
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.web_visitor import QUICK_HASH
from lol_dagster_tests._support.world import World, world  # noqa: F401 - a fixture
from lol_dagster_tests.admin.conftest import PHONE, ManualClock
from lol_dagster_tests.admin.test_walkthrough import elsewhere, press_tab_until

GAME = "NA1_5000000001"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def app(world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Flask:  # noqa: F811
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    return create_app(load_settings(), world.app.database, now=clock)


def test_a_quarantined_game_is_retried_and_the_page_follows_it(
    page: Page,
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.add_team("Amigos", "Ann")
    world.finish(GAME, participants=[participant("Ann", champion="Jinx")])

    def broken(*_: object, **__: object) -> None:
        raise KeyError("participants")

    with monkeypatch.context() as wrong:
        wrong.setattr(record, "read_game", broken)
        elsewhere(world.once)
    page.goto("/quarantine/")
    page.get_by_role("link", name="20").first.click()
    expect(page.locator("pre")).to_contain_text("KeyError: 'participants'")
    page.get_by_role("button", name="Try again").click()
    steps = page.get_by_role("list", name="Progress")
    expect(steps.locator("[aria-current=step]")).to_have_text("waiting")
    elsewhere(world.once)
    # Nobody reloads: the page polls, and is loaded once more when the run is over.
    expect(steps.locator("[aria-current=step]")).to_have_text("processed")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{GAME} processed")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("link", name="Show game").click()
    expect(page.get_by_text("delivered at").first).to_be_visible()
    assert len(world.posted("Amigos")) == 1


def test_a_message_that_needs_review_is_decided_with_the_keyboard_alone_on_a_phone(
    page: Page,
    world: World,  # noqa: F811
    clock: ManualClock,
) -> None:
    world.add_team("Amigos", "Ann")
    world.finish(GAME, participants=[participant("Ann", champion="Jinx")])
    elsewhere(world.once)
    with world.app.database.writing() as session:
        message = session.scalars(select(Message)).one()
        message.state, message.due_at, message.last_error = "needs_review", None, "no answer"
        message.remote_id = message.delivered_at = message.evidence = None
    clock.move(timedelta(minutes=1))
    page.set_viewport_size(PHONE)
    page.goto("/message/?flt0_state=needs_review")
    press_tab_until(page, f"{datetime.now(UTC):%Y-}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/message/details/**")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    press_tab_until(page, "Its id in the channel")
    page.keyboard.type("1122334455667788990")
    press_tab_until(page, "Mark as delivered")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Marked as delivered.")
    with world.app.database.reading() as session:
        row = session.scalars(select(Message)).one()
        assert (row.state, row.remote_id) == ("delivered", "1122334455667788990")
    expect(page.get_by_text("Ann (web)")).to_be_visible()
