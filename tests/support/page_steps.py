"""Steps that a person takes on the pages of a running fleet."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.running_fleet import RunningFleet


def sign_in(page: Page, fleet: RunningFleet, email: str) -> None:
    """Type e-mail address and password on the page that is shown."""
    sign_in_with(page, email, fleet.password)


def sign_in_with(page: Page, email: str, password: str) -> None:
    """Sign in with another password, and wait for the next page."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
