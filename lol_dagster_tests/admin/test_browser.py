"""The web view in a real browser. The fixture of the page fails a test on whose way something was
asked of another site, or the Content-Security-Policy was broken.
"""

from __future__ import annotations

import json
import re
from itertools import product

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Game, Participant
from lol_dagster_tests._support.message_rows import ENDED
from lol_dagster_tests._support.web_visitor import PASSWORD
from lol_dagster_tests.admin.clock import ManualClock
from lol_dagster_tests.admin.conftest import PHONE, sign_in
from lol_dagster_tests.admin.hostile_data import add_hostile_data
from lol_dagster_tests.admin.populated import populate


def _background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_signing_in_with_the_keyboard_alone(new_page: Page) -> None:
    new_page.goto("/team/")
    new_page.wait_for_url(re.compile("/sign-in"))
    new_page.get_by_role("button", name="dark").press("Enter")
    expect(new_page.get_by_role("button", name="dark")).to_have_attribute("aria-pressed", "true")
    expect(new_page.get_by_label("Your name")).to_be_focused()
    keyboard = new_page.keyboard
    keyboard.type("Ann")  # the first field has the focus
    keyboard.press("Tab")
    keyboard.type("wrong password")
    keyboard.press("Enter")
    expect(new_page.get_by_role("alert")).to_have_text("Wrong password.")
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect(new_page.get_by_role("heading", name="Teams", level=1)).to_be_visible()
    # The first stop of the keyboard leads past the menu.
    keyboard.press("Tab")
    expect(new_page.get_by_role("link", name="Skip to content")).to_be_focused()
    keyboard.press("Enter")
    expect(new_page.locator("main")).to_be_focused()
    new_page.get_by_role("button", name="Sign out").press("Enter")
    new_page.wait_for_url(re.compile("/sign-in"))
    new_page.goto("/")
    new_page.wait_for_url(re.compile("/sign-in"))


def test_light_and_dark_follow_the_system_until_one_is_chosen(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    light = _background(page)
    page.emulate_media(color_scheme="dark")
    dark = _background(page)
    assert light != dark
    for theme, background in (("light", light), ("dark", dark), ("auto", dark)):
        button = page.get_by_role("button", name=theme, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator("body")).to_have_css("background-color", background)


@pytest.mark.parametrize(
    ("zone", "shown"),
    # ENDED is 20:00 UTC in August: New York is four hours behind, Kathmandu 5:45 ahead, on the next day.
    [("America/New_York", "2026-08-01 16:00"), ("Asia/Kathmandu", "2026-08-02 01:45")],
)
def test_times_are_the_viewers_own_with_utc_on_hover(
    browser: Browser, site: str, database: Database, zone: str, shown: str
) -> None:
    with database.writing() as session:
        populate(session)
    context = browser.new_context(base_url=site, timezone_id=zone)
    page = context.new_page()
    sign_in(page)
    page.goto("/game/")
    ended = page.locator(".rows time").first
    expect(ended).to_have_text(shown)
    expect(ended).to_have_attribute("title", "2026-08-01 20:00:00 UTC")
    context.close()


def test_riots_notice_stands_in_the_foot_of_every_page(new_page: Page) -> None:
    for address in ("/sign-in", "/nowhere/"):
        new_page.goto(address)
        expect(new_page.locator("footer")).to_contain_text("isn't endorsed by Riot Games")


def test_the_words_of_charts_stay_within_them(page: Page, clock: ManualClock) -> None:
    assert clock().hour == 12  # so the last bar has a tick, as wide as five of its neighbours
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        page.goto("/")
        outside = page.evaluate(
            """[...document.querySelectorAll(".chart text")].filter((text) => {
                const box = text.getBBox();
                return box.x < 0 || box.x + box.width > text.ownerSVGElement.viewBox.baseVal.width;
            }).map((text) => text.textContent)"""
        )
        assert outside == [], f"at {width}"


def test_short_words_stay_whole_in_lists(page: Page, database: Database) -> None:
    with database.writing() as session:
        populate(session)
        # Leaves the other columns as little as can be.
        session.add(
            AccountPoll(account_id=1, next_poll_at=ENDED, last_error="no such account " * 20)
        )
    for address in ("/message/", "/account/", "/team/"):
        page.goto(address)
        broken = page.evaluate(
            """[...document.querySelectorAll(".rows td")].filter((cell) => {
                const text = document.createRange();
                text.selectNodeContents(cell);
                const tops = [...text.getClientRects()].map((line) => Math.round(line.bottom / 9));
                return /^\\S{1,12}$/.test(cell.innerText.trim()) && new Set(tops).size > 1;
            }).map((cell) => cell.innerText)"""
        )
        assert broken == [], address


def test_a_players_long_line_goes_on_beside_the_outcome(
    page: Page, database: Database, clock: ManualClock
) -> None:
    with database.writing() as session:
        populate(session)
        session.execute(update(Game).values(ended_at=clock()))
        session.execute(update(Participant).values(champion="Nunu and Willump, " * 4))
    for address, size in product(("/game/", "/"), ({"width": 1280, "height": 740}, PHONE)):
        page.set_viewport_size(size)
        page.goto(address)
        lines = page.evaluate(
            """[...document.querySelectorAll(".outcome")].flatMap((outcome) => {
                const [link, played] = [outcome.nextElementSibling, outcome.parentElement.lastElementChild];
                const begins = link.getClientRects()[0].left;
                return [...played.getClientRects()].slice(1).map((line) => line.left - begins);
            })"""
        )
        # Within a pixel, as the outcome's column and the blank behind it are of other sizes.
        assert lines, (address, size)
        assert max(map(abs, lines)) <= 1, (address, size, lines)


def test_fields_above_a_list_do_not_lie_on_one_another(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/message/")
    fields = [
        field.bounding_box() or {} for field in page.locator(".finder :is(input, select)").all()
    ]
    for number, one in enumerate(fields):
        for other in fields[number + 1 :]:
            beside = (
                one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            )
            assert beside or one["y"] + one["height"] <= other["y"], (one, other)


def _brightness(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`: W3C, Web Content Accessibility Guidelines 2.2."""
    parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_border_of_every_field_stands_out(page: Page, database: Database) -> None:
    """3:1 against what lies inside and outside of it: WCAG 2.2, 1.4.11."""
    with database.writing() as session:
        populate(session)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for address in ("/message/", "/channel/new/", "/team/edit/?id=1", "/logs/"):
            page.goto(address)
            fields = page.evaluate(
                """[...document.querySelectorAll(
                    "main :is(input:not([type=hidden], [type=checkbox], [readonly]), select, textarea)"
                )].map((field) => {
                    let around = field.parentElement;
                    const back = (part) => getComputedStyle(part).backgroundColor;
                    while (back(around) === "rgba(0, 0, 0, 0)") around = around.parentElement;
                    return [field.name, getComputedStyle(field).borderTopColor, back(field), back(around)];
                })"""
            )
            assert fields
            for name, border, inside, outside in fields:
                for ground in (inside, outside):
                    dark, light = sorted((_brightness(border), _brightness(ground)))
                    contrast = (light + 0.05) / (dark + 0.05)
                    assert contrast >= 3, f"{scheme} {address} {name}: {contrast:.2f}"


def test_an_entry_of_the_log_is_one_line_until_it_is_opened(
    page: Page, settings: Settings, clock: ManualClock
) -> None:
    at = f"{clock():%Y-%m-%dT%H:%M:%S}.000Z"
    line = {
        "ts": at, "level": "info", "event": "a word " * 80, "logger": "lol_dagster.x",
        "process": "daemon", "pid": 7, "match_id": "NA1_1", "run_id": "r" * 36, "detail": "seen " * 60,
    }  # fmt: skip
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    (settings.logs_dir / f"lol-{clock():%Y-%m-%d}.jsonl").write_text(json.dumps(line) + "\n")
    page.goto("/logs/?game=NA1_1")
    summary = page.locator(".log summary")
    assert (summary.bounding_box() or {})["height"] < 30
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    expect(page.get_by_text("detail=")).to_be_hidden()
    summary.click()
    expect(page.get_by_text("detail=")).to_be_visible()
    assert (summary.bounding_box() or {})["height"] > 30
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_page_of_the_menu_is_clean_and_fits_a_phone(page: Page, database: Database) -> None:
    with database.writing() as session:
        add_hostile_data(session)
    page.set_viewport_size(PHONE)
    page.goto("/")
    lines = page.locator("nav.menu a")
    expect(lines.first).to_be_hidden()
    page.get_by_text("Menu", exact=True).click()
    expect(lines.first).to_be_visible()
    addresses = [each.get_attribute("href") or "" for each in lines.all()]
    assert {"/", "/team/", "/player/"} <= set(addresses)
    for address in addresses:
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], f"{address} is {width} wide"
        assert page.title() != "1337"
        assert page.locator("main img").count() == 0
