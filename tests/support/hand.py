"""Use a real browser with the mouse or the keyboard."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


class Hand:
    """Click and count the clicks, on `page` and other pages of the same person."""

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
