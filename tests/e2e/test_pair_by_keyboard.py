"""A site is paired with the keyboard alone, on both sides, in a browser that runs no scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e import aura_pages
from tests.e2e.running_aura import RunningAura
from tests.support.hand import tab_to
from tests.wordpress.site import WordPress

pytestmark = pytest.mark.nightly

_MOST_REFRESHES = 60
_WAIT_MS = 60_000


def _type(page: Page, target: Locator, text: str) -> None:
    tab_to(page, target)
    page.keyboard.type(text)


def _press(page: Page, target: Locator) -> None:
    tab_to(page, target)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def _refresh_until(page: Page, target: Locator) -> None:
    """Follow the link that takes the place of the script."""
    for _ in range(_MOST_REFRESHES):
        if target.count():
            return
        page.wait_for_timeout(1000)
        _press(page, page.get_by_role("link", name="Refresh now"))
    raise AssertionError(page.locator("main").inner_text())


def test_a_site_is_paired_without_scripts_and_without_a_mouse(
    browser: Browser, aura: RunningAura, wordpress: WordPress, tmp_path: Path
) -> None:
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page, wp_admin = plain.new_page(), plain.new_page()

    page.goto(aura.setup_link)
    _type(page, page.get_by_label("Your name"), aura_pages.OWNER)
    _type(page, page.get_by_label("E-mail"), aura_pages.EMAIL)
    _type(page, page.get_by_label("Password", exact=True), aura_pages.PASSWORD)
    _type(page, page.get_by_label("Repeat password"), aura_pages.PASSWORD)
    _press(page, page.get_by_role("button", name="Create owner account"))
    _type(page, page.get_by_label("Address"), wordpress.url)
    _press(page, page.get_by_role("button", name="Add site and create token"))
    token = page.get_by_label("Pairing token for").input_value()
    package = aura_pages.download_plugin(page, tmp_path)

    wp_admin.goto(f"{wordpress.url}/wp-login.php")
    _type(wp_admin, wp_admin.locator("#user_login"), wordpress.admin_user)
    _type(wp_admin, wp_admin.locator("#user_pass"), wordpress.admin_password)
    _press(wp_admin, wp_admin.locator("#wp-submit"))
    wp_admin.goto(f"{wordpress.url}/wp-admin/plugin-install.php?tab=upload")
    # The dialog in which a file is chosen belongs to the browser.
    wp_admin.locator("#pluginzip").set_input_files(package)
    _press(wp_admin, wp_admin.locator("#install-plugin-submit"))
    _press(wp_admin, wp_admin.get_by_role("link", name="Activate Plugin"))
    _type(wp_admin, wp_admin.get_by_label("Pairing token"), token)
    _press(wp_admin, wp_admin.get_by_role("button", name="Check token"))
    _press(wp_admin, wp_admin.get_by_role("button", name="Connect", exact=True))

    _refresh_until(page, page.locator(".fingerprint-big"))
    fingerprint = page.locator(".fingerprint-big").inner_text()
    # SiteAgent's page refreshes itself without scripts, and has a link to stop that.
    shown = wp_admin.locator("code.siteagent-fingerprint")
    expect(shown).to_have_text(fingerprint, timeout=_WAIT_MS)
    plain.close()
