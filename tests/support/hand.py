"""A hand with a mouse in a real browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


class Hand:
    """Clicks, and counts the clicks, on `page` and on any other page of the same person."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, target: Locator) -> None:
        target.first.click()
        self.clicks += 1
