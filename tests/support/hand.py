"""A hand with a mouse, or one on the keyboard, in a real browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


class Hand:
    """Clicks, and counts the clicks, on `page` and on any other page of the same person."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, target: Locator) -> None:
        target.first.click()
        self.clicks += 1


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if target.first.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab does not reach it.")
