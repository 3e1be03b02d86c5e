"""From an empty web view to a game that is announced: in a real browser, against the simulated world."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from lol_dagster.admin.app import create_app
from lol_dagster.settings import load_settings
from lol_dagster.simulator.games import Account as RiotAccount
from lol_dagster.storage.models import Team
from lol_dagster_tests._support.payloads import participant, puuid_of
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.web_visitor import OPERATOR, PASSWORD, QUICK_HASH
from lol_dagster_tests._support.world import World, world  # noqa: F401 - a fixture

CHANNEL_ID = "123456789012345678"


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> Flask:  # noqa: F811
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    return create_app(load_settings(), world.app.database)


def press_tab_until(page: Page, name: str) -> None:
    """Go on by keyboard to the field or button of this name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        there = page.evaluate(
            """() => { const e = document.activeElement;
                 return (e.labels?.[0]?.innerText ?? e.innerText ?? '').trim(); }"""
        )
        if there.startswith(name):
            return
    raise AssertionError(f"no Tab leads to {name!r}")


def elsewhere(work: Callable[[], object]) -> None:
    """In a thread of its own: the browser has this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_a_mistyped_player_is_corrected_and_their_next_game_is_announced(
    page: Page,
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.simulator.add_account(RiotAccount(puuid_of("Ann"), "Ann", "NA1", "na1"))
    world.channels["general"] = CHANNEL_ID
    # A team and its channel.
    page.goto("/team/")
    page.get_by_role("link", name="Add a team").click()
    page.get_by_label("Name", exact=True).fill("Amigos")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Amigos").click()
    page.get_by_role("link", name="Add a channel").click()
    page.get_by_label("Name", exact=True).fill("general")
    page.get_by_label("Address").fill(CHANNEL_ID)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Tested just now")).to_be_visible()
    expect(page.locator("#tried .state.good")).to_have_count(5)

    # Riot does not answer, so that nobody sees that the Riot ID is mistyped.
    world.simulator.faults.set("riot.account=503")
    page.goto("/team/")
    page.get_by_role("link", name="Amigos").click()
    page.get_by_role("link", name="Add a player by Riot ID").click()
    page.get_by_label("Riot ID").fill("Anm#NA1")
    page.get_by_label("Plays on").select_option("na1")
    page.get_by_label("Name (optional)").fill("Ann")
    page.get_by_role("button", name="Look up").click()
    page.get_by_role("button", name="Save and look up later").click()
    expect(page.get_by_text("to be resolved", exact=True)).to_be_visible()

    # Riot answers again, and says that there is no such account.
    world.simulator.faults.set("")
    elsewhere(world.poll)
    page.goto("/account/?flt0_state=to+be+resolved")
    expect(page.get_by_text("Riot knows no account Anm#NA1")).to_be_visible()
    page.get_by_role("link", name="Correct").click()
    page.get_by_label("Riot ID").fill("ann#na1")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("heading", name="Account found")).to_be_visible()
    page.get_by_role("button", name="Yes, save").click()
    expect(page.get_by_text("Anm#NA1 is now Ann#NA1.")).to_be_visible()

    posted_before = len(world.posted("general"))
    world.finish("NA1_1", participants=[participant("Ann")], minutes_ago=0)
    elsewhere(world.once)
    announced = world.posted("general")[posted_before:]
    assert len(announced) == 1
    assert "Ann" in str(announced[0])
    page.goto("/account/")
    expect(page.get_by_text("tracked")).to_be_visible()


def test_a_player_is_added_without_a_mouse(new_page: Page, world: World) -> None:  # noqa: F811
    world.simulator.add_account(RiotAccount(puuid_of("Ann"), "Ann", "NA1", "na1"))
    with world.app.database.writing() as session:
        make_team(session, "Amigos")
    page = new_page
    page.goto("/sign-in?back=%2Faccount%2Fadd%2F")
    page.keyboard.type(OPERATOR)  # the field has the focus
    press_tab_until(page, "Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/add/")
    press_tab_until(page, "Riot ID")
    page.keyboard.type("ann#na1")
    press_tab_until(page, "Plays on")
    page.keyboard.type("North")
    page.keyboard.press("Enter")  # the form's first button
    press_tab_until(page, "Look up")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Account found")).to_be_visible()
    page.keyboard.press("Enter")  # «Yes, save» has the focus
    page.wait_for_url("**/player/details/**")
    expect(page.get_by_text("Ann is in the team Amigos, with Ann#NA1.")).to_be_visible()


def test_every_page_of_the_roster_fits_a_phone_and_a_desk(page: Page, world: World) -> None:  # noqa: F811
    with world.app.database.writing() as session:
        team: Team = make_team(session, "A team with a name that is as long as any " * 2)
        make_member(session, team, "W" * 100)
        make_channel(session, team, "#" + "x" * 90)
    addresses = [
        f"/{what}/{which}"
        for what in ("team", "player", "account", "channel")
        for which in ("", "details/?id=1", "edit/?id=1")
    ]
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        for address in (*addresses, "/account/add/"):
            page.goto(address)
            expect(page.locator("h1")).to_be_visible()
            too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert too_wide <= 0, f"{address} is {too_wide} pixels too wide for {width}"
    assert re.search("Name#TAG", page.content())
