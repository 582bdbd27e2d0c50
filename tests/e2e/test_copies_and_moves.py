"""A site is restored, copied and moved: people on both sides decide, and old keys are revoked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from app.http.site_client import CallError
from tests.e2e import aura_pages, wp_admin_pages
from tests.e2e.album import Album
from tests.e2e.pairing import open_healthy_site
from tests.e2e.running_aura import RunningAura
from tests.wordpress.site import WordPress

pytestmark = pytest.mark.nightly

NAME = "Harbour Bakery"


@pytest.fixture(scope="module", params=["oldest", "newest"])
def wordpress(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    site = WordPress.start(request.param)
    yield site
    site.stop()


@pytest.fixture
def connected(page: Page, aura: RunningAura, wordpress: WordPress) -> Page:
    """The page of a healthy site in Aura; paired by the first test that needs it."""
    open_healthy_site(page, aura, wordpress, NAME)
    return page


def fingerprint(page: Page) -> str:
    """Return the fingerprint in the folded technical details of the connection."""
    aura_pages.open_tab(page, "Connection")
    return str(page.locator("#keys code.fingerprint").text_content())


def wait_for_new_keys(page: Page, aura: RunningAura, old: str) -> str:
    """Wait until the page shows new keys, is healthy and has no question."""
    expect(page.locator("#keys")).not_to_contain_text(old, timeout=60_000)
    expect(page.locator("#keys")).to_contain_text("The keys were last renewed")
    expect(page.locator("#quarantine")).to_have_count(0)
    aura_pages.sync(page)
    expect(page.locator(".badges")).to_contain_text("Connected")
    return fingerprint(page)


def shown_in_wp_admin(page: Page, site: WordPress) -> str:
    tab = page.context.new_page()
    wp_admin_pages.sign_in(tab, site)
    wp_admin_pages.open_settings(tab, site)
    return tab.locator("code.siteagent-fingerprint").inner_text()


def test_one_button_renews_the_keys(
    connected: Page, aura: RunningAura, wordpress: WordPress, album: Album
) -> None:
    old, channel = fingerprint(connected), aura.channel(wordpress.url)
    connected.get_by_role("button", name="Renew keys").click()
    new = wait_for_new_keys(connected, aura, old)
    assert shown_in_wp_admin(connected, wordpress) == new
    with pytest.raises(CallError) as refused:
        aura.call(channel, "ping")
    assert refused.value.error_code == "unauthorized"
    connected.get_by_role("link", name="Edit server password…").click()
    album.show(connected, "server-password")


def test_a_restored_backup_is_noticed_and_accepted(
    connected: Page, aura: RunningAura, wordpress: WordPress, album: Album
) -> None:
    wordpress.backup()
    aura_pages.sync(connected)
    expect(connected.locator(".badges")).to_contain_text("Connected")
    wordpress.restore()
    aura_pages.sync(connected)
    expect(connected.locator(".badges")).to_contain_text("Paused: possible copy")
    expect(connected.get_by_text("this site may be a copy").first).to_be_visible()
    album.show(connected, "quarantine-restored")
    old = fingerprint(connected)
    connected.get_by_role("button", name="Accept site and renew keys").click()
    assert wait_for_new_keys(connected, aura, old) == shown_in_wp_admin(connected, wordpress)


def test_a_copy_that_claims_to_be_the_site_loses_its_keys(
    connected: Page, aura: RunningAura, wordpress: WordPress, album: Album
) -> None:
    copy = wordpress.full_copy()
    try:
        copied = aura.channel(wordpress.url)
        wp_admin = connected.context.new_page()
        wp_admin_pages.sign_in(wp_admin, copy)
        expect(wp_admin.get_by_text("SiteAgent is paused because")).to_be_visible()
        ask_to_follow(wp_admin, copy, album)
        aura_pages.open_site(connected, aura, NAME)
        expect(connected.locator("#quarantine")).to_contain_text(copy.url)
        # The original still answers, which does not decide the question.
        aura_pages.sync(connected)
        expect(connected.locator("#quarantine")).to_contain_text(copy.url)
        old = fingerprint(connected)
        connected.get_by_role("button", name="Keep original and renew keys").click()
        wait_for_new_keys(connected, aura, old)
        with pytest.raises(CallError) as refused:
            aura.call(copied, "ping")
        assert refused.value.error_code == "unauthorized"
        choose(wp_admin, "This site has moved")
        expect(wp_admin.get_by_text("The dashboard could not be reached.")).to_be_visible()
        aura_pages.open_site(connected, aura, NAME)
        expect(connected.locator("#quarantine")).to_have_count(0)
        choose(wp_admin, "This is a copy")
        expect(wp_admin.get_by_text("Connection removed from this copy")).to_be_visible()
        aura_pages.open_site(connected, aura, NAME)
        expect(connected.locator(".badges")).to_contain_text("Connected")
    finally:
        copy.stop()


def test_a_site_that_moved_is_followed_with_new_keys(
    connected: Page, aura: RunningAura, wordpress: WordPress, album: Album
) -> None:
    moved = wordpress.full_copy()
    try:
        wordpress.go_down()
        old, channel = fingerprint(connected), aura.channel(wordpress.url)
        wp_admin = connected.context.new_page()
        wp_admin_pages.sign_in(wp_admin, moved)
        ask_to_follow(wp_admin, moved, album)
        aura_pages.open_site(connected, aura, NAME)
        expect(connected.locator("#quarantine")).to_contain_text(moved.url)
        album.show(connected, "quarantine-moved")
        connected.get_by_role("button", name="Use new address").click()
        new = wait_for_new_keys(connected, aura, old)
        expect(connected.locator(".badges")).to_contain_text(moved.url.removeprefix("http://"))
        wp_admin_pages.open_settings(wp_admin, moved)
        assert wp_admin.locator("code.siteagent-fingerprint").inner_text() == new
        expect(wp_admin.get_by_text("This site’s address has changed")).to_have_count(0)
        there = channel.endpoint.replace(wordpress.url, moved.url)
        with pytest.raises(CallError) as refused:
            aura.call(replace(channel, endpoint=there), "ping")
        assert refused.value.error_code == "unauthorized"
        assert aura.flask("audit", "verify").startswith("Audit log verified")
    finally:
        moved.stop()


def choose(wp_admin: Page, what: str) -> None:
    """Say in wp-admin what a site under another address is."""
    wp_admin.get_by_role("radio", name=what).check()
    wp_admin.get_by_role("button", name="Continue").click()


def ask_to_follow(wp_admin: Page, site: WordPress, album: Album) -> None:
    wp_admin_pages.open_settings(wp_admin, site)
    expect(wp_admin.get_by_role("heading", name="What is this site?")).to_be_visible()
    album.wp_admin(wp_admin, "wp-admin-moved")
    choose(wp_admin, "This site has moved")
    expect(wp_admin.get_by_text("The dashboard was asked to follow").first).to_be_visible()
