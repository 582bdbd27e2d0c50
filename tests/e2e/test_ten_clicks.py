"""Ten clicks from the link that a new Aura prints to what is installed on the first site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import aura_pages, wp_admin_pages
from tests.e2e.running_aura import RunningAura
from tests.support.hand import Hand
from tests.wordpress.site import WordPress

pytestmark = pytest.mark.nightly

_MOST_CLICKS = 10
_REPORT_WAIT_MS = 60_000


def test_the_first_site_is_connected_and_read_with_ten_clicks(
    page: Page, aura: RunningAura, wordpress: WordPress, tmp_path: Path
) -> None:
    """Typing and pasting are no clicks: the fields have the focus. Choosing a file is one.

    wp-admin is signed in already.
    """
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    earlier = page.context.new_page()
    wp_admin_pages.sign_in(earlier, wordpress)
    earlier.close()
    hand = Hand(page)
    page.goto(aura.setup_link)
    expect(page.get_by_label("Your name")).to_be_focused()
    aura_pages.fill_in_owner(page)
    hand.click(page.get_by_role("button", name="Create owner account"))
    expect(page.get_by_label("Address")).to_be_focused()
    page.keyboard.type(wordpress.url)
    hand.click(page.get_by_role("button", name="Add site and create token"))

    # SiteAgent is on Aura's page, and the page to upload it to is a link beside it.
    package = tmp_path / "siteagent.zip"
    with page.expect_download() as download:
        hand.click(page.get_by_role("link", name="Download siteagent.zip"))
    download.value.save_as(package)
    with page.context.expect_page() as opened:
        hand.click(page.get_by_role("link", name="Open the upload page"))
    wp_admin = opened.value
    with wp_admin.expect_file_chooser() as chooser:
        hand.click(wp_admin.locator("#pluginzip"))
    chooser.value.set_files(package)
    hand.click(wp_admin.locator("#install-plugin-submit"))
    hand.click(wp_admin.get_by_role("link", name="Activate Plugin"))

    expect(wp_admin.get_by_label("Pairing token")).to_be_focused()
    page.bring_to_front()
    hand.click(page.get_by_role("button", name="Copy"))
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    wp_admin.bring_to_front()
    wp_admin.keyboard.press("Control+V")
    hand.click(wp_admin.get_by_role("button", name="Check token"))
    hand.click(wp_admin.get_by_role("button", name="Connect", exact=True))

    # Aura's page follows without a click.
    page.bring_to_front()
    facts = page.locator("aside .facts")
    expect(facts).to_contain_text(wordpress.version, timeout=_REPORT_WAIT_MS)
    expect(facts).to_contain_text(re.compile(r"\d+ active, \d+ inactive"))
    updates = page.get_by_role("table", name="Available updates")
    expect(updates.get_by_role("row").filter(has_text="Tide Gallery")).to_contain_text("1.1.0")
    assert hand.clicks <= _MOST_CLICKS
