"""From an empty machine to a revoked site, in a browser, on three versions of WordPress."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.http.site_client import CallError
from tests.e2e import aura_pages, wp_admin_pages
from tests.e2e.album import Album
from tests.e2e.running_aura import RunningAura
from tests.wordpress.site import WordPress

NAME = "Harbour Bakery"


@pytest.fixture
def wp_admin(page: Page, wordpress: WordPress) -> Page:
    """A second tab, in which the site's administrator is signed in."""
    tab = page.context.new_page()
    wp_admin_pages.sign_in(tab, wordpress)
    return tab


def connect(page: Page, wp_admin: Page, aura: RunningAura, wordpress: WordPress) -> None:
    """Pair the site whose page is open in Aura; SiteAgent is installed."""
    token = aura_pages.create_token(page)
    wp_admin_pages.paste_token(wp_admin, wordpress, token)
    wp_admin_pages.agree(wp_admin)
    assert aura_pages.wait_for_pairing(page) == wp_admin_pages.wait_for_pairing(wp_admin)


def test_a_site_is_paired_read_and_revoked_with_one_click(
    page: Page,
    wp_admin: Page,
    aura: RunningAura,
    wordpress: WordPress,
    tmp_path: Path,
    album: Album,
) -> None:
    if "No account exists yet" in first_page(page, aura):
        page.goto(aura.setup_link)
        album.show(page, "set-up")
    aura_pages.set_up_or_sign_in(page, aura)
    aura_pages.add_site(page, aura, wordpress.url, NAME, "Harbour Bakery Ltd")

    # The token, shown once; SiteAgent comes from Aura itself.
    token = aura_pages.create_token(page)
    album.show(page, "token")
    package = aura_pages.download_plugin(page, tmp_path)
    wp_admin_pages.install_plugin(wp_admin, wordpress, package)
    wp_admin_pages.open_settings(wp_admin, wordpress)
    album.wp_admin(wp_admin, "wp-admin-paste")

    # The administrator sees who asks, and agrees.
    wp_admin_pages.paste_token(wp_admin, wordpress, token)
    expect(wp_admin.locator(".siteagent-origin")).to_have_text(aura.url)
    album.wp_admin(wp_admin, "wp-admin-consent")
    wp_admin_pages.agree(wp_admin)

    # Both screens show the same fingerprint without a reload.
    here, there = aura_pages.wait_for_pairing(page), wp_admin_pages.wait_for_pairing(wp_admin)
    assert here == there
    album.wp_admin(wp_admin, "wp-admin-connected")

    # The inventory of a real WordPress with a really outdated plugin.
    aura_pages.wait_for_report(page)
    page.get_by_role("link", name="Refresh now").wait_for(state="detached")
    expect(page.locator("aside .facts")).to_contain_text(wordpress.version)
    album.show(page, "site", at=".badges")
    outdated = aura_pages.plugin_row(page, "Tide Gallery")
    assert "1.0.0" in outdated
    assert "1.1.0" in outdated
    expect(page.locator(".badges")).to_contain_text("Connected")
    album.show(page, "report", at="#plugins")
    page.goto(aura.url)
    album.show(page, "overview-of-one")
    page.goto(f"{aura.url}/sites")
    album.show(page, "sites-of-one")
    wp_admin_pages.open_settings(wp_admin, wordpress, "&tab=data")
    album.wp_admin(wp_admin, "wp-admin-data")

    # One click revokes, and the page shows the proof.
    aura_pages.open_site(page, aura, NAME)
    channel = aura.channel(wordpress.url)
    assert aura.call(channel, "ping").document["ok"] is True
    aura_pages.revoke(page, NAME)
    expect(page.get_by_text("Revoked, confirmed by the site").first).to_be_visible()
    expect(page.locator("#evidence")).to_contain_text("SiteAgent refused a correctly signed call")
    album.show(page, "revoked")
    page.get_by_role("link", name="Open certificate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Certificate of revocation")
    album.show(page, "certificate")
    with pytest.raises(CallError) as refused:
        aura.call(channel, "ping")
    assert refused.value.error_code == "unauthorized"
    wp_admin_pages.open_settings(wp_admin, wordpress)
    expect(wp_admin.get_by_text("No dashboard is connected. No data leaves")).to_be_visible()
    page.goto(f"{aura.url}/activity")
    expect(page.get_by_text("The site acknowledged the revocation")).to_be_visible()
    album.show(page, "audit")
    assert "siteagent" not in wordpress.debug_log().lower()


def test_the_same_site_is_disconnected_in_wp_admin(
    page: Page, wp_admin: Page, aura: RunningAura, wordpress: WordPress
) -> None:
    aura_pages.set_up_or_sign_in(page, aura)
    aura_pages.open_site(page, aura, NAME)
    connect(page, wp_admin, aura, wordpress)
    aura_pages.wait_for_report(page)
    channel = aura.channel(wordpress.url)
    wp_admin_pages.disconnect(wp_admin, wordpress)
    expect(wp_admin.get_by_text("and the dashboard has confirmed it")).to_be_visible()
    aura_pages.open_site(page, aura, NAME)
    expect(page.get_by_text("Disconnected by the site, confirmed").first).to_be_visible()
    with pytest.raises(CallError) as refused:
        aura.call(channel, "ping")
    assert refused.value.error_code == "disconnected"


def test_the_audit_log_is_valid_afterwards(aura: RunningAura) -> None:
    assert aura.flask("audit", "verify").startswith("Audit log verified")


def first_page(page: Page, aura: RunningAura) -> str:
    page.goto(f"{aura.url}/sign-in")
    return page.locator("main").inner_text()
