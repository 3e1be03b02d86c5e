"""The web view in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def test_the_start_page_is_there_after_signing_in(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Something is wrong")
